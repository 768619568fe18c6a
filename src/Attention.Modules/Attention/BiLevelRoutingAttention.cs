using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="BiLevelRoutingAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record BiLevelRoutingAttentionConfig : MultiHeadConfig
{
    /// <summary>Regions along a side of the map.</summary>
    public int n_win { get; init; } = 7;
    /// <summary>Regions whose tokens each region attends to.</summary>
    public int topk { get; init; } = 4;
    /// <summary>Side of the depthwise convolution of the values that is added to the output.</summary>
    public int side_dwconv { get; init; } = 5;

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override BiLevelRoutingAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Attention in two levels: each region of the map finds the regions most like it, by the means of their queries and keys,
/// and its tokens attend to the tokens of those. (B, H, W, C) to the same; a map that does not divide is padded. No gradient
/// goes through the choice. Zhu et al., BiFormer: Vision Transformer with Bi-Level Routing Attention, 2023
/// (arXiv:2303.08810); parameter names as in the authors' repository, rayleizhu/BiFormer.
/// </summary>
public sealed class BiLevelRoutingAttention : Block
{
    private readonly Conv2d lepe;
    private readonly QkvLinear qkv;
    private readonly Linear wo;
    private readonly int num_heads;
    private readonly BiLevelRoutingAttentionConfig config;

    public BiLevelRoutingAttention(long dim, BiLevelRoutingAttentionConfig config) : base(nameof(BiLevelRoutingAttention))
    {
        this.config = config;
        num_heads = config.HeadsFor(dim);
        if (config.topk < 1 || config.topk > config.n_win * config.n_win)
            throw new UserError($"topk {config.topk} is not between 1 and the {config.n_win * config.n_win} regions", "lower topk or raise n_win");
        lepe = nn.Conv2d(dim, dim, kernel_size: config.side_dwconv, padding: config.side_dwconv / 2, groups: dim);
        qkv = new QkvLinear(dim);
        wo = nn.Linear(dim, dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (height, width, dim) = (x.shape[1], x.shape[2], x.shape[3]);
        x = Windows.Pad(x, config.n_win, config.n_win);
        var (batch, paddedHeight, paddedWidth) = (x.shape[0], x.shape[1], x.shape[2]);
        var (regionHeight, regionWidth) = (paddedHeight / config.n_win, paddedWidth / config.n_win);
        var (regions, tokens) = (config.n_win * config.n_win, regionHeight * regionWidth);

        var parts = qkv.call(Windows.Partition(x, regionHeight, regionWidth)).chunk(3, -1);
        var (q, k, v) = (parts[0], parts[1], parts[2]);
        var chosen = Route(q, k);
        Tensor Heads(Tensor t) => t.reshape(batch * regions, -1, num_heads, dim / num_heads).transpose(1, 2);
        Tensor Gather(Tensor t) => t.reshape(batch * regions, tokens, dim).index_select(0, chosen);
        // As the authors have it: the scale is that of all channels, not of a head's.
        var attended = ScaledDotProduct.Attend(Heads(q), Heads(Gather(k)), Heads(Gather(v)), scale: Math.Pow(dim, -0.5));

        var output = Windows.Merge(attended.transpose(1, 2).reshape(batch, regions, tokens, dim), regionHeight, regionWidth, paddedHeight, paddedWidth);
        var values = Windows.Merge(v, regionHeight, regionWidth, paddedHeight, paddedWidth);
        x = wo.call(output + lepe.call(values.permute(0, 3, 1, 2)).permute(0, 2, 3, 1));
        return paddedHeight == height && paddedWidth == width ? x : x.slice(1, 0, height, 1).slice(2, 0, width, 1);
    }

    // For each region of each sample, the positions in (B * regions) of those that it attends to.
    private Tensor Route(Tensor q, Tensor k)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (batch, regions) = (q.shape[0], q.shape[1]);
        var affinity = matmul(q.mean([2]) * Math.Pow(q.shape[^1], -0.5), k.mean([2]).transpose(-2, -1));
        var indices = affinity.topk(config.topk, -1).indexes;
        var offsets = (arange(batch, ScalarType.Int64, q.device) * regions).view(-1, 1, 1);
        return scope.MoveToOuter((indices + offsets).view(-1));
    }
}

/// <summary>Queries, keys and values by one layer. (..., C) to (..., 3C).</summary>
internal sealed class QkvLinear : Block
{
    private readonly Linear qkv;

    public QkvLinear(long dim) : base(nameof(QkvLinear))
    {
        qkv = nn.Linear(dim, 3 * dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => qkv.call(x);
}

/// <summary>What an <see cref="EnhancedSelfAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record EnhancedSelfAttentionConfig : MultiHeadConfig
{
    /// <summary>Side of the depthwise convolution that is added to the output.</summary>
    public int side_dwconv { get; init; } = 5;

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override EnhancedSelfAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Self-attention over a whole map, with a depthwise convolution of its input added (local enhancement). (B, H, W, C) to the
/// same; parameter names as in the authors' BiFormer.
/// </summary>
public sealed class EnhancedSelfAttention : Block
{
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Conv2d lepe;
    private readonly int num_heads;

    public EnhancedSelfAttention(long dim, EnhancedSelfAttentionConfig config) : base(nameof(EnhancedSelfAttention))
    {
        num_heads = config.HeadsFor(dim);
        qkv = nn.Linear(dim, 3 * dim, hasBias: false);
        proj = nn.Linear(dim, dim);
        lepe = nn.Conv2d(dim, dim, kernel_size: config.side_dwconv, padding: config.side_dwconv / 2, groups: dim);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width, dim) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        var parts = qkv.call(x).reshape(batch, height * width, 3, num_heads, dim / num_heads).permute(2, 0, 3, 1, 4).unbind(0);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2]).transpose(1, 2).reshape(batch, height, width, dim);
        return proj.call(attended + lepe.call(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1));
    }
}
