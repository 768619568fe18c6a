using System.Numerics;

namespace Attention.Data.Text;

/// <summary>
/// A random order of 0 to count - 1 that takes no memory: each place is found by itself, so that billions can be shuffled and a
/// run can go on anywhere. A Feistel network over the next even power of two, walked until it falls below the count (Black and
/// Rogaway 2002).
/// </summary>
/// <param name="count">How many there are.</param>
/// <param name="keys">Decide the order, such as (seed, epoch).</param>
internal readonly struct RandomOrder(long count, params long[] keys)
{
    private const int Rounds = 6;

    /// <summary>What comes at a place.</summary>
    public long this[long place]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)place, (ulong)count);
            int half = (BitOperations.Log2((ulong)Math.Max(count - 1, 1)) + 2) / 2;
            long mask = (1L << half) - 1;
            do
            {
                long left = place >> half, right = place & mask;
                for (int round = 0; round < Rounds; round++)
                    (left, right) = (right, left ^ (long)new SeededRandom([.. keys, round, right]).NextBits() & mask);
                place = left << half | right;
            }
            while (place >= count);
            return place;
        }
    }
}
