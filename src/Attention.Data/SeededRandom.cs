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
