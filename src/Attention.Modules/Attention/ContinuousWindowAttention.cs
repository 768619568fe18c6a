using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="ContinuousWindowAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record ContinuousWindowAttentionConfig : MultiHeadConfig
{
    /// <summary>Side of the square windows, in tokens.</summary>
    public int window_size { get; init; } = 8;
    /// <summary>How far the windows are shifted, in tokens; null for half a window in every second block of a host.</summary>
    public int? shift_size { get; init; }
    /// <summary>Side of the windows with which the weights were trained, to whose coordinates positions are scaled; 0 for this one's.</summary>
    public int pretrained_window_size { get; init; }
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Map;

    public override ContinuousWindowAttention Create(AttentionSite site)
    {
        var (window, shift) = WindowedAttention.Fit(site, window_size, shift_size);
        return new ContinuousWindowAttention(site.Dim, this with { num_heads = num_heads ?? site.NumHeads, window_size = window, shift_size = shift });
    }
}

/// <summary>
/// Cosine attention within windows; a small network makes the bias from log-spaced relative coordinates, so that it carries
/// over to other window sizes. (B, H, W, C) to the same; parameter names as in timm.
/// Liu et al., Swin Transformer V2: Scaling Up Capacity and Resolution, 2022 (arXiv:2111.09883).
/// </summary>
public sealed class ContinuousWindowAttention : WindowedAttention
{
    // Scores may be scaled by at most 100.
    private static readonly double LargestLogitScale = Math.Log(100);

    private readonly Parameter logit_scale;
    private readonly Sequential cpb_mlp;
    private readonly Linear qkv;
    private readonly Parameter q_bias;
    private readonly Parameter v_bias;
    private readonly Linear proj;
    private readonly Dropout proj_drop;
    private readonly Tensor relative_coords_table;
    private readonly Tensor relative_position_index;

    private readonly int num_heads;
    private readonly double attn_drop;

    public ContinuousWindowAttention(long dim, ContinuousWindowAttentionConfig config)
        : base(nameof(ContinuousWindowAttention), config.window_size, config.shift_size ?? 0)
    {
        num_heads = config.HeadsFor(dim);
        attn_drop = config.attn_drop;
        logit_scale = new Parameter(full([num_heads, 1, 1], Math.Log(10)));
        cpb_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, num_heads, hasBias: false));
        qkv = nn.Linear(dim, dim * 3, hasBias: false);
        q_bias = new Parameter(zeros(dim));
        v_bias = new Parameter(zeros(dim));
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        relative_coords_table = Coordinates(config.window_size, config.pretrained_window_size > 0 ? config.pretrained_window_size : config.window_size);
        relative_position_index = Windows.RelativePositionIndex(config.window_size, config.window_size);
        register_buffer(nameof(relative_coords_table), relative_coords_table, persistent: false);
        register_buffer(nameof(relative_position_index), relative_position_index, persistent: false);
        RegisterComponents();
    }

    // (1, 2 window - 1, 2 window - 1, 2): sign(d) log2(1 + |d|) / 3, where d runs from -8 to 8 over the trained window.
    private static Tensor Coordinates(int window, int trained)
    {
        int side = 2 * window - 1;
        float Spaced(int offset)
        {
            double scaled = 8.0 * offset / Math.Max(trained - 1, 1);
            return (float)(Math.Sign(scaled) * Math.Log2(Math.Abs(scaled) + 1) / 3);
        }
        var table = new float[side * side * 2];
        for (int i = 0; i < side * side; i++)
            (table[2 * i], table[2 * i + 1]) = (Spaced(i / side - window + 1), Spaced(i % side - window + 1));
        return tensor(table, [1, side, side, 2]);
    }

    protected override Tensor AttendWithin(Tensor windows, long height, long width)
    {
        var (batch, count, tokens, dim) = (windows.shape[0], windows.shape[1], windows.shape[2], windows.shape[3]);
        var qkvBias = cat([q_bias, zeros_like(q_bias), v_bias], 0);
        FlopCounter.Add(windows.numel() * qkv.out_features);
        var parts = nn.functional.linear(windows, qkv.weight, qkvBias)
            .reshape(batch, count, tokens, 3, num_heads, dim / num_heads).permute(3, 0, 1, 4, 2, 5).unbind(0);
        var q = nn.functional.normalize(parts[0], dim: -1) * logit_scale.clamp_max(LargestLogitScale).exp();
        var k = nn.functional.normalize(parts[1], dim: -1);
        var attended = ScaledDotProduct.Attend(q, k, parts[2], WithMask(Bias(tokens), height, width), scale: 1, dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(2, 3).reshape(batch, count, tokens, dim)));
    }

    // (heads, N, N), between 0 and 16.
    private Tensor Bias(long tokens)
    {
        var table = cpb_mlp.call(relative_coords_table).view(-1, num_heads);
        return table.index_select(0, relative_position_index.view(-1)).reshape(tokens, tokens, num_heads).permute(2, 0, 1).sigmoid() * 16;
    }
}
