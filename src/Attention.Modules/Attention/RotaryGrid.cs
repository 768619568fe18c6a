using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Rotary position embedding over a grid: half of a head's pairs of channels turn with the row, the other half with the
/// column; prefix tokens do not turn. Su et al., RoFormer, 2021 (arXiv:2104.09864), in two dimensions as in EVA-02.
/// </summary>
public sealed class RotaryGrid : IDisposable
{
    private Tensor cosines, sines;

    /// <param name="head_dim">Channels of a head; a multiple of 4.</param>
    /// <param name="grid_size">Patches along a side.</param>
    /// <param name="reference_size">Patches along a side at which the weights were trained: positions are scaled to it.</param>
    /// <param name="prefix_tokens">Tokens before the patches.</param>
    /// <param name="temperature">Wavelength of the slowest pair, in patches over 2 pi.</param>
    public RotaryGrid(int head_dim, int grid_size, int reference_size, int prefix_tokens, double temperature = 10000)
    {
        int tokens = prefix_tokens + grid_size * grid_size;
        int bands = head_dim / 4;
        var (cos, sin) = (new float[tokens * head_dim], new float[tokens * head_dim]);
        Array.Fill(cos, 1, 0, prefix_tokens * head_dim);
        for (int token = 0; token < grid_size * grid_size; token++)
            for (int channel = 0; channel < head_dim; channel++)
            {
                int pair = channel / 2;
                double position = (double)(pair < bands ? token / grid_size : token % grid_size) / grid_size * reference_size;
                double angle = position * Math.Pow(temperature, -(double)(pair % bands) / bands);
                int at = (prefix_tokens + token) * head_dim + channel;
                (cos[at], sin[at]) = ((float)Math.Cos(angle), (float)Math.Sin(angle));
            }
        cosines = tensor(cos, [tokens, head_dim]).DetachFromDisposeScope();
        sines = tensor(sin, [tokens, head_dim]).DetachFromDisposeScope();
    }

    /// <summary>Turns queries or keys. (B, heads, N, head_dim) to the same.</summary>
    public Tensor Apply(Tensor x)
    {
        Follow(x);
        var pairs = x.reshape(x.shape[0], x.shape[1], x.shape[2], -1, 2).unbind(-1);
        return x * cosines + stack([-pairs[1], pairs[0]], -1).flatten(-2) * sines;
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
