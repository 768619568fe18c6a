using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Rotary position embedding over a grid: half of a head's pairs of channels turn with the row, the other half with the
/// column; prefix tokens do not turn. Su et al., RoFormer, 2021 (arXiv:2104.09864), in two dimensions as in EVA-02, or
/// centred as in DINOv3: there positions run from -1 to 1 whatever the grid, and a pair is a channel of a head's first half
/// and its like in the second rather than two neighbours.
/// </summary>
public sealed class RotaryGrid : IDisposable
{
    private readonly int head_dim;
    private readonly int reference_size;
    private readonly int prefix_tokens;
    private readonly double temperature;
    private readonly bool centred;
    private Tensor cosines, sines;
    private (int height, int width) size;

    /// <param name="head_dim">Channels of a head; a multiple of 4.</param>
    /// <param name="grid_size">Patches along a side.</param>
    /// <param name="reference_size">Patches along a side at which the weights were trained: positions are scaled to it.</param>
    /// <param name="prefix_tokens">Tokens before the patches.</param>
    /// <param name="temperature">Wavelength of the slowest pair, in patches over 2 pi.</param>
    /// <param name="centred">As in DINOv3; <paramref name="reference_size"/> is not used then.</param>
    public RotaryGrid(int head_dim, int grid_size, int reference_size, int prefix_tokens, double temperature = 10000, bool centred = false)
    {
        (this.head_dim, this.reference_size, this.prefix_tokens, this.temperature, this.centred) = (head_dim, reference_size, prefix_tokens, temperature, centred);
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
        double Position(int index, int count) => centred ? 2 * Math.PI * (2 * (index + 0.5) / count - 1) : (double)index / count * reference_size;
        var (cos, sin) = (new float[tokens * head_dim], new float[tokens * head_dim]);
        Array.Fill(cos, 1, 0, prefix_tokens * head_dim);
        for (int token = 0; token < height * width; token++)
            for (int channel = 0; channel < head_dim; channel++)
            {
                int pair = centred ? channel % (head_dim / 2) : channel / 2;
                double position = pair < bands ? Position(token / width, height) : Position(token % width, width);
                double angle = position * Math.Pow(temperature, -(double)(pair % bands) / bands);
                int at = (prefix_tokens + token) * head_dim + channel;
                (cos[at], sin[at]) = ((float)Math.Cos(angle), (float)Math.Sin(angle));
            }
        return (tensor(cos, [tokens, head_dim]).DetachFromDisposeScope(), tensor(sin, [tokens, head_dim]).DetachFromDisposeScope());
    }

    /// <summary>Turns queries or keys. (B, heads, N, head_dim) to the same.</summary>
    public Tensor Apply(Tensor x)
    {
        Follow(x);
        return x * cosines + Quarter(x) * sines;
    }

    // Each pair turned by a quarter of a circle.
    private Tensor Quarter(Tensor x)
    {
        if (centred)
        {
            var halves = x.chunk(2, -1);
            return cat([-halves[1], halves[0]], -1);
        }
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
