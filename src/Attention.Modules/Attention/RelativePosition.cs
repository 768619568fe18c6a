using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// A bias of attention scores that depends on where a key lies relative to its query, for a window or map of the size that
/// the model is made for, and for others by resizing what was learned. Parameter names as in timm's pos_embed_rel.py.
/// </summary>
public abstract class RelativePosition : nn.Module
{
    private Tensor? index;
    private (long, long) indexed;

    protected RelativePosition(string name, int height, int width, int prefix_tokens) : base(name) =>
        (Height, Width, PrefixTokens) = (height, width, prefix_tokens);

    /// <summary>Tokens along a column of the window that the model is made for.</summary>
    protected int Height { get; }

    /// <summary>Tokens along a row of it.</summary>
    protected int Width { get; }

    /// <summary>Tokens before those of the window, which have no place in it.</summary>
    protected int PrefixTokens { get; }

    /// <summary>A module by the name that timm's configs use: bias, bias_tf, mlp, mlp_swin; null for "".</summary>
    /// <param name="type">The name.</param>
    /// <param name="height">Tokens along a column of the window.</param>
    /// <param name="width">Tokens along a row.</param>
    /// <param name="num_heads">Heads, each of which has biases of its own.</param>
    /// <param name="hidden_dim">Width of the network that mlp makes biases with.</param>
    /// <param name="prefix_tokens">Tokens before those of the window, such as a class token.</param>
    /// <exception cref="UserError">There is none of that name.</exception>
    public static RelativePosition? Create(string type, int height, int width, int num_heads, int hidden_dim = 512, int prefix_tokens = 0) => type switch
    {
        "bias" => new RelativePositionTable(height, width, num_heads, prefix_tokens),
        "bias_tf" => new RelativePositionGrid(height, width, num_heads, prefix_tokens),
        "mlp" => new RelativePositionMlp(height, width, num_heads, hidden_dim, prefix_tokens),
        "mlp_swin" => new RelativePositionMlp(height, width, num_heads, hidden_dim, prefix_tokens, bounded: true),
        "" => null,
        _ => throw new UserError($"rel_pos_type '{type}' is not known", "choose bias, bias_tf, mlp, mlp_swin or \"\" for none"),
    };

    /// <summary>Biases (2h - 1, 2w - 1, heads) of all offsets, as learned or at another size.</summary>
    protected abstract Tensor Biases(int height, int width, bool resize);

    /// <summary>Biases (3, heads) from prefix to window, from window to prefix, and within the prefix; null for none.</summary>
    protected virtual Tensor? PrefixBiases => null;

    /// <summary>Whether offsets count from key to query, as in Swin, rather than from query to key, as in TensorFlow's MaxViT.</summary>
    protected virtual bool FromKeyToQuery => true;

    /// <summary>The bias (heads, N, N) of the scores of N tokens: the prefix, and the window's row by row.</summary>
    public Tensor Bias() => Bias(Height, Width);

    /// <inheritdoc cref="Bias()"/>
    public Tensor Bias(long height, long width)
    {
        using var scope = NewDisposeScope();
        var biases = Biases((int)height, (int)width, resize: (height, width) != (Height, Width));
        long tokens = height * width;
        var chosen = biases.reshape(-1, biases.shape[2]).index_select(0, Index(height, width, biases.device));
        return scope.MoveToOuter(WithPrefix(chosen.reshape(tokens, tokens, -1).permute(2, 0, 1)));
    }

    private Tensor WithPrefix(Tensor window)
    {
        if (PrefixTokens == 0)
            return window;
        if (PrefixBiases is not { } biases)
            return nn.functional.pad(window, [PrefixTokens, 0, PrefixTokens, 0]);
        var (heads, tokens) = (window.shape[0], window.shape[1]);
        Tensor Spread(int which, long rows, long columns) => biases[which].view(heads, 1, 1).expand(heads, rows, columns);
        return cat([
            cat([Spread(2, PrefixTokens, PrefixTokens), Spread(0, PrefixTokens, tokens)], 2),
            cat([Spread(1, tokens, PrefixTokens), window], 2)], 1);
    }

    // Kept from call to call while the size stays.
    private Tensor Index(long height, long width, Device device)
    {
        if (index is null || indexed != (height, width) || index.device != device)
        {
            index?.Dispose();
            using var scope = NewDisposeScope();
            // Backward passes will save it, even if the first call is for inference.
            using var mode = inference_mode(false);
            var made = Windows.RelativePositionIndex((int)height, (int)width);
            index = (FromKeyToQuery ? made : made.t()).reshape(-1).to(device, copy: true).DetachFromDisposeScope();
            indexed = (height, width);
        }
        return index;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            index?.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>
/// A learned bias for each offset and head. Liu et al., Swin Transformer, 2021 (arXiv:2103.14030).
/// </summary>
public sealed class RelativePositionTable : RelativePosition
{
    private readonly Parameter relative_position_bias_table;

    public RelativePositionTable(int height, int width, int num_heads, int prefix_tokens = 0)
        : base(nameof(RelativePositionTable), height, width, prefix_tokens)
    {
        Offsets = (2 * height - 1) * (2 * width - 1);
        relative_position_bias_table = new Parameter(zeros(Offsets + (prefix_tokens > 0 ? 3 : 0), num_heads));
        using (no_grad())
            nn.init.trunc_normal_(relative_position_bias_table, std: 0.02);
        RegisterComponents();
    }

    private long Offsets { get; }

    // The table's last three entries, as in BEiT.
    protected override Tensor PrefixBiases => relative_position_bias_table.slice(0, Offsets, Offsets + 3, 1);

    protected override Tensor Biases(int height, int width, bool resize)
    {
        var table = relative_position_bias_table.slice(0, 0, Offsets, 1).view(2 * Height - 1, 2 * Width - 1, -1);
        return resize ? Resized(table.permute(2, 0, 1), height, width) : table;
    }

    /// <summary>(heads, h, w) to (2 height - 1, 2 width - 1, heads), bicubic.</summary>
    internal static Tensor Resized(Tensor table, int height, int width) =>
        nn.functional.interpolate(table.unsqueeze(0), [2 * height - 1, 2 * width - 1], mode: InterpolationMode.Bicubic, align_corners: false)
            .squeeze(0).permute(1, 2, 0);
}

/// <summary>The same as TensorFlow's MaxViT has it: a grid (heads, 2h - 1, 2w - 1), with offsets from query to key.</summary>
public sealed class RelativePositionGrid : RelativePosition
{
    private readonly Parameter relative_position_bias_table;

    public RelativePositionGrid(int height, int width, int num_heads, int prefix_tokens = 0)
        : base(nameof(RelativePositionGrid), height, width, prefix_tokens)
    {
        relative_position_bias_table = new Parameter(randn(num_heads, 2 * height - 1, 2 * width - 1) * 0.02);
        RegisterComponents();
    }

    protected override bool FromKeyToQuery => false;

    protected override Tensor Biases(int height, int width, bool resize) =>
        resize ? RelativePositionTable.Resized(relative_position_bias_table, height, width) : relative_position_bias_table.permute(1, 2, 0);
}

/// <summary>
/// A small network makes the biases from log-spaced offsets, so that it carries over to other sizes. After Liu et al., Swin
/// Transformer V2, 2022 (arXiv:2111.09883), with plain logarithms and no bound, as timm's own models have it, or with its own
/// scale of offsets and bound of biases.
/// </summary>
public sealed class RelativePositionMlp : RelativePosition
{
    /// <summary>Of the network's hidden layer, in training.</summary>
    private const double Dropout = 0.125;

    /// <summary>What the offset to the far side of the window counts as, where biases are bounded.</summary>
    private const double Reach = 8;

    /// <summary>The largest bias there.</summary>
    private const double Bound = 16;

    private readonly Sequential mlp;
    private readonly bool bounded;

    public RelativePositionMlp(int height, int width, int num_heads, int hidden_dim, int prefix_tokens = 0, bool bounded = false)
        : base(nameof(RelativePositionMlp), height, width, prefix_tokens)
    {
        this.bounded = bounded;
        mlp = nn.Sequential(("fc1", nn.Linear(2, hidden_dim)), ("act", nn.ReLU()), ("drop1", nn.Dropout(Dropout)), ("fc2", nn.Linear(hidden_dim, num_heads, hasBias: !bounded)));
        RegisterComponents();
    }

    // The network takes any size as it comes.
    protected override Tensor Biases(int height, int width, bool resize)
    {
        var parameter = mlp.parameters().First();
        var biases = mlp.call(Coordinates(height, width).to(parameter.dtype, parameter.device));
        return bounded ? biases.sigmoid() * Bound : biases;
    }

    // (2h - 1, 2w - 1, 2): sign(d) log(1 + |d|), of offsets in tokens, or scaled to the window and to the base of its reach.
    private Tensor Coordinates(int height, int width)
    {
        var (rows, columns) = (2 * height - 1, 2 * width - 1);
        float Spaced(int offset, int size)
        {
            double distance = bounded ? Reach * Math.Abs(offset) / Math.Max(size - 1, 1) : Math.Abs(offset);
            return (float)(Math.Sign(offset) * Math.Log(1 + distance) / (bounded ? Math.Log(Reach) : 1));
        }
        var table = new float[rows * columns * 2];
        for (int i = 0; i < rows * columns; i++)
            (table[2 * i], table[2 * i + 1]) = (Spaced(i / columns - height + 1, height), Spaced(i % columns - width + 1, width));
        return tensor(table, [rows, columns, 2]);
    }
}
