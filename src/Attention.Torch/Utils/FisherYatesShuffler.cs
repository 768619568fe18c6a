using System.Collections;

namespace TorchSharp.Utils;

/// <summary>The numbers below <c>size</c> in random order: the same order for the same seed, a new one each time without.</summary>
public class FisherYatesShuffler(long size, int? seed = null) : IEnumerable<long>
{
    public IEnumerator<long> GetEnumerator()
    {
        var random = seed is { } value ? new Random(value) : new Random();
        var order = new long[size];
        for (long i = 0; i < size; i++)
        {
            // As the official package draws it, so that a seed gives its order.
            long j = (((long)random.Next() << 32) + random.Next()) % (i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        return ((IEnumerable<long>)order).GetEnumerator();
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
