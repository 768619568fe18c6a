using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="LongShortDistanceAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record LongShortDistanceAttentionConfig : MultiHeadConfig
{
    /// <summary>Positions along a side of a group; no more than the host's map has.</summary>
    public int group_size { get; init; } = 7;
    /// <summary>Distance of a group's positions: 1 for neighbours. Null for 1 in even blocks and in odd ones as far as the map allows.</summary>
    public int? interval { get; init; }
    public bool qkv_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Map;

    public override LongShortDistanceAttention Create(AttentionSite site)
    {
        int side = Math.Min(site.Height, site.Width), group = Math.Min(group_size, side);
        bool near = site.Index % 2 == 0 || side <= group_size;
        return new(site.Dim, this with
        {
            num_heads = num_heads ?? site.NumHeads,
            group_size = group,
            interval = near ? 1 : interval ?? Math.Max(1, side / group),
        });
    }
}

/// <summary>
/// Attention within groups of positions that are neighbours (short distance) or lie at even distances (long distance), with a
/// bias for each relative position that a small network makes. (B, H, W, C) to the same; a map that groups do not divide is
/// padded, and what is padded is not seen. Parameter names as in the authors' repository, cheerss/CrossFormer.
/// Wang et al., CrossFormer: A Versatile Vision Transformer Hinging on Cross-scale Attention, 2022 (arXiv:2108.00154).
/// </summary>
public sealed class LongShortDistanceAttention : Block
{
    /// <summary>Added to the scores of what is padded.</summary>
    private const double Unseen = -1e6;

    private readonly DynamicPositionBias pos;
    private readonly Tensor biases;
    private readonly Tensor relative_position_index;
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly int num_heads, group, interval;
    private readonly double attn_drop;
    private readonly MapSizeCache masks;

    public LongShortDistanceAttention(long dim, LongShortDistanceAttentionConfig config) : base(nameof(LongShortDistanceAttention))
    {
        num_heads = config.HeadsFor(dim);
        (group, interval, attn_drop) = (config.group_size, config.interval ?? 1, config.attn_drop);
        if (group < 1 || interval < 1)
            throw new UserError($"group_size {group} and interval {interval} must be at least 1", "choose larger ones");
        pos = new DynamicPositionBias(Math.Max(dim / 16, 2), num_heads);
        int span = 2 * group - 1;
        biases = tensor([.. Enumerable.Range(0, span * span).SelectMany(i => new float[] { i / span - group + 1, i % span - group + 1 })], [span * span, 2]);
        register_buffer(nameof(biases), biases, persistent: false);
        relative_position_index = Windows.RelativePositionIndex(group, group);
        register_buffer(nameof(relative_position_index), relative_position_index, persistent: false);
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        masks = new MapSizeCache(Mask);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (height, width, dim) = (x.shape[1], x.shape[2], x.shape[3]);
        x = Windows.Pad(x, group * interval, group * interval);
        var (padHeight, padWidth) = (x.shape[1], x.shape[2]);
        var groups = Partition(x);
        var parts = qkv.call(groups).unflatten(-1, 3, num_heads, -1).permute(3, 0, 1, 4, 2, 5).unbind(0);
        long tokens = groups.shape[2];
        var bias = pos.call(biases).index_select(0, relative_position_index.view(-1)).view(tokens, tokens, num_heads).permute(2, 0, 1);
        if (padHeight != height || padWidth != width)
            bias = bias + masks.Get(height, width, bias);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2], bias, dropout: training ? attn_drop : 0);
        x = Merge(proj_drop.call(proj.call(attended.transpose(2, 3).flatten(3))), padHeight, padWidth);
        return padHeight == height && padWidth == width ? x : x.slice(1, 0, height, 1).slice(2, 0, width, 1);
    }

    // (B, H, W, C) to (B, groups, group², C): tiles of group * interval, and in each the positions of the same remainder.
    private Tensor Partition(Tensor x)
    {
        var (batch, down, across, dim) = (x.shape[0], x.shape[1] / (group * interval), x.shape[2] / (group * interval), x.shape[3]);
        return x.reshape(batch, down, group, interval, across, group, interval, dim).permute(0, 1, 4, 3, 6, 2, 5, 7).reshape(batch, -1, group * group, dim);
    }

    private Tensor Merge(Tensor groups, long height, long width)
    {
        var (batch, down, across, dim) = (groups.shape[0], height / (group * interval), width / (group * interval), groups.shape[3]);
        return groups.reshape(batch, down, across, interval, interval, group, group, dim).permute(0, 1, 5, 3, 2, 6, 4, 7).reshape(batch, height, width, dim);
    }

    // (groups, 1, 1, group²)
    private Tensor Mask(long height, long width)
    {
        using var scope = NewDisposeScope();
        var outside = nn.functional.pad(zeros(1, height, width, 1), [0, 0, 0, Missing(width), 0, Missing(height)], value: Unseen);
        return scope.MoveToOuter(Partition(outside)[0].view(-1, 1, 1, group * group));
    }

    private long Missing(long size) => (group * interval - size % (group * interval)) % (group * interval);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            masks.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>A network from a relative position to a bias for each head. (N, 2) to (N, heads).</summary>
internal sealed class DynamicPositionBias : Block
{
    private readonly Linear pos_proj;
    private readonly Sequential pos1, pos2, pos3;

    public DynamicPositionBias(long dim, int num_heads) : base(nameof(DynamicPositionBias))
    {
        Sequential Layer(long outputs) => nn.Sequential(nn.LayerNorm(dim), nn.ReLU(), nn.Linear(dim, outputs));
        pos_proj = nn.Linear(2, dim);
        (pos1, pos2, pos3) = (Layer(dim), Layer(dim), Layer(num_heads));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => pos3.call(pos2.call(pos1.call(pos_proj.call(x))));
}
