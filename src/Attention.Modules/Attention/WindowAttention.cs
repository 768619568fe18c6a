using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="WindowAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record WindowAttentionConfig : MultiHeadConfig
{
    /// <summary>Side of the square windows, in tokens.</summary>
    public int window_size { get; init; } = 7;
    /// <summary>How far the windows are shifted, in tokens; null for half a window in every second block of a host.</summary>
    public int? shift_size { get; init; }
    public bool qkv_bias { get; init; } = true;
    /// <summary>A learned bias for each relative position.</summary>
    public bool relative_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Map;

    public override WindowAttention Create(AttentionSite site)
    {
        var (window, shift) = WindowedAttention.Fit(site, window_size, shift_size ?? (relative_bias ? null : 0));
        return new WindowAttention(site.Dim, this with { num_heads = num_heads ?? site.NumHeads, window_size = window, shift_size = shift });
    }
}

/// <summary>
/// Cuts a map into windows, which may be shifted or spread out to a grid, and hands them to an attention that works within
/// each. (B, H, W, C) to the same; a map that does not divide into windows is padded.
/// </summary>
public abstract class WindowedAttention : Block
{
    private readonly int window_size;
    private readonly int shift_size;
    private readonly bool grid;
    private readonly MapSizeCache masks;

    /// <param name="name">The module's name.</param>
    /// <param name="window_size">Side of the windows, in tokens.</param>
    /// <param name="shift_size">How far they are shifted; 0 for none.</param>
    /// <param name="grid">Whether a window takes tokens at even distances over the whole map, see <see cref="Windows.PartitionGrid"/>.</param>
    protected WindowedAttention(string name, int window_size, int shift_size, bool grid = false) : base(name)
    {
        this.grid = grid;
        this.window_size = window_size;
        this.shift_size = shift_size;
        masks = new MapSizeCache((height, width) => Windows.ShiftMask(height, width, window_size, shift_size));
    }

    /// <summary>A window no larger than the host's map, and its shift: none where the window is the map.</summary>
    internal static (int window, int shift) Fit(AttentionSite site, int window, int? shift)
    {
        int side = Math.Min(site.Height, site.Width);
        return side <= window ? (side, 0) : (window, shift ?? (site.Index % 2 == 0 ? 0 : window / 2));
    }

    /// <summary>Attention within windows (B, windows, N, C), to the same.</summary>
    protected abstract Tensor AttendWithin(Tensor windows, long height, long width);

    protected sealed override Tensor Forward(Tensor x)
    {
        var (height, width) = (x.shape[1], x.shape[2]);
        if (shift_size > 0)
            x = x.roll([-shift_size, -shift_size], [1, 2]);
        x = Windows.Pad(x, window_size, window_size);
        var (paddedHeight, paddedWidth) = (x.shape[1], x.shape[2]);
        var windows = grid ? Windows.PartitionGrid(x, window_size, window_size) : Windows.Partition(x, window_size, window_size);
        windows = AttendWithin(windows, paddedHeight, paddedWidth);
        x = grid ? Windows.MergeGrid(windows, window_size, window_size, paddedHeight, paddedWidth)
            : Windows.Merge(windows, window_size, window_size, paddedHeight, paddedWidth);
        if (paddedHeight != height || paddedWidth != width)
            x = x.slice(1, 0, height, 1).slice(2, 0, width, 1);
        return shift_size > 0 ? x.roll([shift_size, shift_size], [1, 2]) : x;
    }

    /// <summary>A bias (heads, N, N), with what a shift forbids: (windows, heads, N, N).</summary>
    protected Tensor WithMask(Tensor bias, long height, long width) =>
        shift_size > 0 ? bias + masks.Get(height, width, bias).unsqueeze(1) : bias;

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            masks.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>
/// Self-attention within windows with a learned bias for each relative position. (B, H, W, C) to the same; parameter names as
/// in timm. Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, 2021 (arXiv:2103.14030).
/// </summary>
public sealed class WindowAttention : WindowedAttention
{
    private readonly Parameter? relative_position_bias_table;
    private readonly Tensor? relative_position_index;
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly int num_heads;
    private readonly double attn_drop;

    public WindowAttention(long dim, WindowAttentionConfig config) : base(nameof(WindowAttention), config.window_size, config.shift_size ?? 0)
    {
        num_heads = config.HeadsFor(dim);
        attn_drop = config.attn_drop;
        if (!config.relative_bias && config.shift_size > 0)
            throw new UserError("shifted windows need a relative position bias", "set relative_bias: true or shift_size: 0");
        int window = config.window_size;
        if (config.relative_bias)
        {
            relative_position_bias_table = new Parameter(zeros((2 * window - 1) * (2 * window - 1), num_heads));
            relative_position_index = Windows.RelativePositionIndex(window, window);
            register_buffer(nameof(relative_position_index), relative_position_index, persistent: false);
            using var _ = no_grad();
            nn.init.trunc_normal_(relative_position_bias_table, std: 0.02);
        }
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    protected override Tensor AttendWithin(Tensor windows, long height, long width)
    {
        var (batch, count, tokens, dim) = (windows.shape[0], windows.shape[1], windows.shape[2], windows.shape[3]);
        var parts = qkv.call(windows).reshape(batch, count, tokens, 3, num_heads, dim / num_heads).permute(3, 0, 1, 4, 2, 5).unbind(0);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2], Bias(height, width), dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(2, 3).reshape(batch, count, tokens, dim)));
    }

    private Tensor? Bias(long height, long width)
    {
        if (relative_position_bias_table is null || relative_position_index is null)
            return null;
        long tokens = relative_position_index.shape[0];
        var bias = relative_position_bias_table.index_select(0, relative_position_index.view(-1)).reshape(tokens, tokens, num_heads).permute(2, 0, 1);
        return WithMask(bias, height, width);
    }
}
