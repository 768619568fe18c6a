using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Position embedding that turns queries and keys by angles, so that their products see differences of positions.</summary>
public interface IRotary
{
    /// <summary>Turns queries and keys. (B, heads, N, head_dim) to the same.</summary>
    (Tensor q, Tensor k) Apply(Tensor q, Tensor k);
}

/// <summary>How a <see cref="RotaryGrid"/> reads positions.</summary>
public sealed record RotaryGridOptions
{
    /// <summary>Patches along a side at which the weights were trained: positions are scaled to it. Null for positions as they are.</summary>
    public int? reference_size { get; init; }
    /// <summary>Wavelength of the slowest pair, in patches over 2 pi.</summary>
    public double temperature { get; init; } = 10000;
    /// <summary>Position of the first row and column, in patches.</summary>
    public double offset { get; init; }
    /// <summary>The first half of the pairs turns with the column rather than with the row.</summary>
    public bool column_first { get; init; }
    /// <summary>As in DINOv3; size and offset are not used then.</summary>
    public bool centred { get; init; }
}

/// <summary>
/// Rotary position embedding over a grid: half of a head's pairs of channels turn with the row, the other half with the
/// column; prefix tokens do not turn. Su et al., RoFormer, 2021 (arXiv:2104.09864), in two dimensions as in EVA-02, or
/// centred as in DINOv3: there positions run from -1 to 1 whatever the grid, and a pair is a channel of a head's first half
/// and its like in the second rather than two neighbours.
/// </summary>
public sealed class RotaryGrid : IRotary, IDisposable
{
    private readonly int head_dim;
    private readonly int prefix_tokens;
    private readonly RotaryGridOptions options;
    private Tensor cosines, sines;
    private (int height, int width) size;

    /// <param name="head_dim">Channels of a head; a multiple of 4.</param>
    /// <param name="grid_size">Patches along a side.</param>
    /// <param name="prefix_tokens">Tokens before the patches.</param>
    /// <param name="options">How positions are read.</param>
    public RotaryGrid(int head_dim, int grid_size, int prefix_tokens, RotaryGridOptions options)
    {
        (this.head_dim, this.prefix_tokens, this.options) = (head_dim, prefix_tokens, options);
        size = (grid_size, grid_size);
        (cosines, sines) = Tables(grid_size, grid_size);
    }

    /// <summary>Takes another grid, in patches.</summary>
    public void Fit(int height, int width)
    {
        if (size == (height, width))
            return;
        Dispose();
        size = (height, width);
        (cosines, sines) = Tables(height, width);
    }

    private (Tensor cosines, Tensor sines) Tables(int height, int width)
    {
        int tokens = prefix_tokens + height * width;
        int bands = head_dim / 4;
        var (cos, sin) = (new float[tokens * head_dim], new float[tokens * head_dim]);
        Array.Fill(cos, 1, 0, prefix_tokens * head_dim);
        for (int token = 0; token < height * width; token++)
            for (int channel = 0; channel < head_dim; channel++)
            {
                int pair = options.centred ? channel % (head_dim / 2) : channel / 2;
                double position = pair < bands != options.column_first ? Position(token / width, height) : Position(token % width, width);
                double angle = position * Math.Pow(options.temperature, -(double)(pair % bands) / bands);
                int at = (prefix_tokens + token) * head_dim + channel;
                (cos[at], sin[at]) = ((float)Math.Cos(angle), (float)Math.Sin(angle));
            }
        return (tensor(cos, [tokens, head_dim]).DetachFromDisposeScope(), tensor(sin, [tokens, head_dim]).DetachFromDisposeScope());
    }

    private double Position(int index, int count) => options switch
    {
        { centred: true } => 2 * Math.PI * (2 * (index + 0.5) / count - 1),
        { reference_size: { } reference } => (index + options.offset) / count * reference,
        _ => index + options.offset,
    };

    public (Tensor q, Tensor k) Apply(Tensor q, Tensor k)
    {
        Follow(q);
        return (Turn(q), Turn(k));
    }

    private Tensor Turn(Tensor x) => x * cosines + (options.centred ? QuarterOfHalves(x) : QuarterOfNeighbours(x)) * sines;

    private static Tensor QuarterOfHalves(Tensor x)
    {
        var halves = x.chunk(2, -1);
        return cat([-halves[1], halves[0]], -1);
    }

    /// <summary>Each pair of neighbouring channels turned by a quarter of a circle.</summary>
    internal static Tensor QuarterOfNeighbours(Tensor x)
    {
        var pairs = x.reshape(x.shape[0], x.shape[1], x.shape[2], -1, 2).unbind(-1);
        return stack([-pairs[1], pairs[0]], -1).flatten(-2);
    }

    // The tables are no part of a module's state, so they go where the model went when they are next needed.
    private void Follow(Tensor x)
    {
        if (cosines.device == x.device && cosines.dtype == x.dtype)
            return;
        var (oldCosines, oldSines) = (cosines, sines);
        cosines = oldCosines.to(x.dtype, x.device).DetachFromDisposeScope();
        sines = oldSines.to(x.dtype, x.device).DetachFromDisposeScope();
        oldCosines.Dispose();
        oldSines.Dispose();
    }

    public void Dispose()
    {
        cosines.Dispose();
        sines.Dispose();
    }
}
