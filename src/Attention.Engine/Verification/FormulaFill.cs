using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>
/// Values that depend on a tensor's name and an element's position alone, so that two programs in two languages fill a
/// model alike: SplitMix64 seeded with the FNV-1a hash of the name, its upper 24 bits as u in [0, 1).
/// </summary>
public static class FormulaFill
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    private static ulong Seed(string name)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (byte b in Encoding.UTF8.GetBytes(name))
            hash = (hash ^ b) * 0x100000001B3;
        return hash;
    }

    private static double Uniform(ulong seed, long index)
    {
        ulong z = seed + (ulong)(index + 1) * Golden;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        z ^= z >> 31;
        return (z >> 40) * (1.0 / (1 << 24));
    }

    private static float[] Values(string name, long count, Func<double, double> rule)
    {
        ulong seed = Seed(name);
        var values = new float[count];
        Parallel.For(0, (int)((count + 65535) / 65536), part =>
        {
            long end = Math.Min(count, (part + 1) * 65536L);
            for (long i = part * 65536L; i < end; i++)
                values[i] = (float)rule(Uniform(seed, i));
        });
        return values;
    }

    /// <summary>A parameter or buffer by its fill rule: weight, scale, shift or var.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="fill">The rule.</param>
    /// <param name="gain">Factor of the weight rule.</param>
    public static Tensor Parameter(string name, long[] shape, string fill, double gain)
    {
        long count = shape.Aggregate(1L, (product, size) => product * size);
        double bound = shape.Length > 0 ? Math.Sqrt(3.0 / ((double)count / shape[0])) : 1;
        return tensor(Values(name, count, fill switch
        {
            "weight" => u => (2 * u - 1) * bound * gain,
            "scale" => u => 1 + 0.1 * (2 * u - 1),
            "shift" => u => 0.1 * (2 * u - 1),
            "var" => u => 0.5 + u,
            _ => throw new UserError($"the recording has an unknown fill rule '{fill}' for '{name}'", "record it with scripts/record_reference.py of this version"),
        }), shape);
    }

    /// <summary>An input of real numbers in [-2, 2).</summary>
    public static Tensor Input(string name, long[] shape) =>
        tensor(Values(name, shape.Aggregate(1L, (product, size) => product * size), u => 2 * (2 * u - 1)), shape);

    /// <summary>An input of whole numbers below <paramref name="high"/>.</summary>
    public static Tensor IntegerInput(string name, long[] shape, long high) =>
        tensor(Values(name, shape.Aggregate(1L, (product, size) => product * size), u => Math.Floor(u * high)), shape).to(ScalarType.Int64);

    /// <summary>The weights of the loss that gradients are taken of, in [-1, 1).</summary>
    public static Tensor Probe(string name, long[] shape) =>
        tensor(Values(name, shape.Aggregate(1L, (product, size) => product * size), u => 2 * u - 1), shape);

    /// <summary>An input of numbers in [0, 1).</summary>
    public static Tensor Unit(string name, long[] shape) =>
        tensor(Values(name, shape.Aggregate(1L, (product, size) => product * size), u => u), shape);

    /// <summary>An image (C, H, W) in [0, 1) of squares with some noise: pure noise would look alike everywhere.</summary>
    public static Tensor Image(string name, long[] shape)
    {
        const int Side = 16;
        const double Square = 0.75, Noise = 0.25;
        var (height, width) = (shape[1], shape[2]);
        long down = (height + Side - 1) / Side, across = (width + Side - 1) / Side;
        ulong seed = Seed(name), squares = Seed($"{name}.block");
        var values = new float[shape[0] * height * width];
        for (long i = 0; i < values.Length; i++)
        {
            long channel = i / (height * width), y = i / width % height, x = i % width;
            values[i] = (float)(Square * Uniform(squares, (channel * down + y / Side) * across + x / Side) + Noise * Uniform(seed, i));
        }
        return tensor(values, shape);
    }
}
