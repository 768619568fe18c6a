using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="WindowAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record WindowAttentionConfig
{
    /// <summary>Heads; each has dim / num_heads channels.</summary>
    public int num_heads { get; init; } = 4;
    /// <summary>Side of the square windows, in tokens.</summary>
    public int window_size { get; init; } = 7;
    /// <summary>How far the windows are shifted, in tokens; 0 for none.</summary>
    public int shift_size { get; init; }
    public bool qkv_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }
}

/// <summary>
/// Self-attention within windows, which may be shifted, with a learned bias for each relative position. (B, H, W, C) to
/// the same; a map that does not divide into windows is padded. Parameter names as in timm.
/// Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, 2021 (arXiv:2103.14030).
/// </summary>
public sealed class WindowAttention : Block
{
    private readonly Parameter relative_position_bias_table;
    private readonly Tensor relative_position_index;
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly WindowAttentionConfig config;
    private readonly ShiftMaskCache masks;

    public WindowAttention(long dim, WindowAttentionConfig config) : base(nameof(WindowAttention))
    {
        this.config = config;
        if (config.num_heads < 1 || dim % config.num_heads != 0)
            throw new UserError($"{dim} channels do not divide into num_heads {config.num_heads}", "choose a number of heads that divides the channels");
        int window = config.window_size;
        relative_position_bias_table = new Parameter(zeros((2 * window - 1) * (2 * window - 1), config.num_heads));
        relative_position_index = Windows.RelativePositionIndex(window, window);
        register_buffer(nameof(relative_position_index), relative_position_index, persistent: false);
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        masks = new ShiftMaskCache(window, config.shift_size);
        RegisterComponents();
        using var _ = no_grad();
        nn.init.trunc_normal_(relative_position_bias_table, std: 0.02);
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width, dim) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        var (heads, window, shift) = (config.num_heads, config.window_size, config.shift_size);
        if (shift > 0)
            x = x.roll([-shift, -shift], [1, 2]);
        x = Windows.Pad(x, window, window);
        var (paddedHeight, paddedWidth) = (x.shape[1], x.shape[2]);

        var windows = Windows.Partition(x, window, window);
        var parts = qkv.call(windows).reshape(batch, windows.shape[1], window * window, 3, heads, dim / heads).permute(3, 0, 1, 4, 2, 5).unbind(0);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2], Bias(paddedHeight, paddedWidth), dropout: training ? config.attn_drop : 0);
        x = proj_drop.call(proj.call(attended.transpose(2, 3).reshape(batch, -1, window * window, dim)));

        x = Windows.Merge(x, window, window, paddedHeight, paddedWidth);
        if (paddedHeight != height || paddedWidth != width)
            x = x.slice(1, 0, height, 1).slice(2, 0, width, 1);
        return shift > 0 ? x.roll([shift, shift], [1, 2]) : x;
    }

    // (heads, N, N), or (windows, heads, N, N) where a shift tells windows apart.
    private Tensor Bias(long height, long width)
    {
        long tokens = config.window_size * config.window_size;
        var bias = relative_position_bias_table.index_select(0, relative_position_index.view(-1)).reshape(tokens, tokens, config.num_heads).permute(2, 0, 1);
        return config.shift_size > 0 ? bias + masks.Get(height, width, bias).unsqueeze(1) : bias;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            masks.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>The mask of shifted windows, kept from call to call while the map's size stays.</summary>
internal sealed class ShiftMaskCache(int window, int shift) : IDisposable
{
    private Tensor? mask;
    private (long, long) size;

    /// <summary>(windows, N, N), on the device and of the type of <paramref name="like"/>.</summary>
    public Tensor Get(long height, long width, Tensor like)
    {
        if (mask is null || size != (height, width) || mask.dtype != like.dtype || mask.device != like.device)
        {
            mask?.Dispose();
            using var made = Windows.ShiftMask(height, width, window, shift);
            mask = made.to(like.dtype, like.device, copy: true).DetachFromDisposeScope();
            size = (height, width);
        }
        return mask;
    }

    public void Dispose() => mask?.Dispose();
}
