namespace Attention.Data;

/// <summary>
/// Random numbers that depend on their keys alone, such as (seed, epoch, index): the same keys give the same numbers in any
/// thread, in any order of work and on any machine. SplitMix64 (Steele, Lea and Flood 2014).
/// </summary>
public struct SeededRandom
{
    private const ulong Step = 0x9E3779B97F4A7C15;
    private ulong _state;

    public SeededRandom(params ReadOnlySpan<long> keys)
    {
        foreach (long key in keys)
            _state = Mix(_state + Step ^ Mix((ulong)key + Step));
    }

    /// <summary>64 random bits.</summary>
    public ulong NextBits() => Mix(_state += Step);

    /// <summary>Uniform in [0, 1).</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [low, high).</summary>
    public double Uniform(double low, double high) => low + (high - low) * NextDouble();

    /// <summary>Uniform in [low, high), in single precision.</summary>
    public float Uniform(float low, float high) => low + (high - low) * (float)NextDouble();

    /// <summary>A whole number of 0 to count - 1, each equally likely.</summary>
    public int Next(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        // The bias of the multiplication is below count / 2^64.
        return (int)Math.BigMul(NextBits(), (ulong)count, out _);
    }

    /// <summary>A whole number of low to high, both included.</summary>
    public int Between(int low, int high) => low + Next(high - low + 1);

    /// <summary>True with the given probability.</summary>
    public bool Chance(double probability) => NextDouble() < probability;

    /// <summary>From the normal distribution (Box and Muller).</summary>
    public double Normal(double mean = 0, double std = 1)
    {
        double radius = Math.Sqrt(-2 * Math.Log(1 - NextDouble()));
        return mean + std * radius * Math.Cos(2 * Math.PI * NextDouble());
    }

    /// <summary>From the gamma distribution with scale 1 (Marsaglia and Tsang 2000).</summary>
    /// <param name="shape">Above 0.</param>
    public double Gamma(double shape)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shape);
        if (shape < 1)
            return Gamma(shape + 1) * Math.Pow(1 - NextDouble(), 1 / shape);
        double d = shape - 1.0 / 3, c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            double x = Normal(), v = 1 + c * x;
            if (v <= 0)
                continue;
            v *= v * v;
            if (Math.Log(1 - NextDouble()) < 0.5 * x * x + d - d * v + d * Math.Log(v))
                return d * v;
        }
    }

    /// <summary>From the beta distribution on [0, 1].</summary>
    public double Beta(double a, double b)
    {
        double x = Gamma(a), y = Gamma(b);
        return x + y > 0 ? x / (x + y) : 0.5;
    }

    /// <summary>Puts the items into random order (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int j = Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        return z ^ z >> 31;
    }
}
