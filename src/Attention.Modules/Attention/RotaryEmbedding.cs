using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>How rotary frequencies are stretched for contexts longer than those of the first training; keys as in Hugging Face's configs.</summary>
public sealed record RopeScaling
{
    /// <summary>linear: all positions are divided by the factor; llama3: only slow frequencies are, by a smooth rule.</summary>
    public string rope_type { get; init; } = "linear";
    public double factor { get; init; } = 1;
    public double low_freq_factor { get; init; } = 1;
    public double high_freq_factor { get; init; } = 4;
    public double original_max_position_embeddings { get; init; } = 8192;
}

/// <summary>
/// Rotary position embedding of a sequence: channel i turns with channel i + rotary_dim / 2, by position times frequency.
/// Su et al., RoFormer, 2021 (arXiv:2104.09864), in the layout of Llama. Shared by a model's layers; its tables grow on demand.
/// </summary>
public sealed class RotaryEmbedding : IDisposable
{
    private readonly double[] frequencies;
    private Tensor cosines, sines;

    /// <param name="rotary_dim">Channels of a head that turn, the first ones.</param>
    /// <param name="theta">Wavelength of the slowest pair, over 2 pi.</param>
    /// <param name="scaling">Null for none.</param>
    /// <exception cref="UserError">The scaling is of a kind that is not known.</exception>
    public RotaryEmbedding(int rotary_dim, double theta, RopeScaling? scaling = null)
    {
        frequencies = [.. Enumerable.Range(0, rotary_dim / 2).Select(i => Scaled(Math.Pow(theta, -2.0 * i / rotary_dim), scaling))];
        (cosines, sines) = (empty(0).DetachFromDisposeScope(), empty(0).DetachFromDisposeScope());
    }

    private static double Scaled(double frequency, RopeScaling? scaling)
    {
        if (scaling is null || scaling.rope_type == "default")
            return frequency;
        if (scaling.rope_type == "linear")
            return frequency / scaling.factor;
        if (scaling.rope_type != "llama3")
            throw new UserError($"rope_type '{scaling.rope_type}' is not known", "choose default, linear or llama3");
        // Llama 3.1: wavelengths below original / high are kept, those above original / low are stretched, between them blended.
        double turns = scaling.original_max_position_embeddings * frequency / (2 * Math.PI);
        if (turns > scaling.high_freq_factor)
            return frequency;
        if (turns < scaling.low_freq_factor)
            return frequency / scaling.factor;
        double smooth = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
        return (1 - smooth) * frequency / scaling.factor + smooth * frequency;
    }

    /// <summary>Turns queries or keys (B, heads, T, d) whose first is at position <paramref name="start"/>; channels beyond rotary_dim stay.</summary>
    public Tensor Apply(Tensor x, long start)
    {
        using var scope = NewDisposeScope();
        long rotary = 2 * frequencies.Length;
        Reserve(start + x.shape[2], x);
        var (cos, sin) = (cosines.narrow(0, start, x.shape[2]), sines.narrow(0, start, x.shape[2]));
        bool whole = rotary == x.shape[3];
        var turning = whole ? x : x.narrow(3, 0, rotary);
        var halves = turning.chunk(2, -1);
        var turned = turning * cos + cat([-halves[1], halves[0]], -1) * sin;
        return scope.MoveToOuter(whole ? turned : cat([turned, x.narrow(3, rotary, x.shape[3] - rotary)], -1));
    }

    /// <summary>Cosines and sines (positions, rotary_dim / 2) of the angles, in fp32, for the caller to keep.</summary>
    public (Tensor Cosines, Tensor Sines) Tables(long positions)
    {
        int half = frequencies.Length;
        var (cos, sin) = (new float[positions * half], new float[positions * half]);
        for (long row = 0; row < positions; row++)
            for (int i = 0; i < half; i++)
            {
                var (s, c) = Math.SinCos(row * frequencies[i]);
                cos[row * half + i] = (float)c;
                sin[row * half + i] = (float)s;
            }
        return (tensor(cos, [positions, half]), tensor(sin, [positions, half]));
    }

    private void Reserve(long positions, Tensor like)
    {
        if (cosines.shape[0] >= positions && cosines.dtype == like.dtype && cosines.device == like.device)
            return;
        long rows = Math.Max(positions, 2 * cosines.shape[0]);
        Dispose();
        using var scope = NewDisposeScope();
        var (cos, sin) = Tables(rows);
        cosines = cat([cos, cos], 1).to(like.dtype, like.device).DetachFromDisposeScope();
        sines = cat([sin, sin], 1).to(like.dtype, like.device).DetachFromDisposeScope();
    }

    public void Dispose()
    {
        cosines.Dispose();
        sines.Dispose();
    }
}
