using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What one attention keeps of the tokens that it has seen.</summary>
public interface ILayerCache : IDisposable
{
    /// <summary>Forgets everything.</summary>
    void Clear();
}

/// <summary>The state of a decoder between calls: how many tokens there are, and what each attention keeps of them.</summary>
public sealed class DecodingCache(IReadOnlyList<ILayerCache> layers, long capacity) : IDisposable
{
    /// <summary>Tokens so far.</summary>
    public long Length { get; private set; }

    /// <summary>Tokens that there is room for.</summary>
    public long Capacity { get; } = capacity;

    /// <summary>The memory of the attention with this number.</summary>
    public ILayerCache Layer(int index) => layers[index];

    /// <summary>Makes sure of room for more tokens.</summary>
    /// <exception cref="UserError">There is none.</exception>
    public void Reserve(long tokens)
    {
        if (Length + tokens > Capacity)
            throw new UserError($"{Length + tokens} tokens do not fit into a context of {Capacity}", "give a shorter prompt, ask for fewer tokens, or make a larger cache");
    }

    /// <summary>Counts tokens that every layer has taken in.</summary>
    public void Advance(long tokens) => Length += tokens;

    /// <summary>Forgets everything; the memory stays.</summary>
    public void Clear()
    {
        Length = 0;
        foreach (var layer in layers)
            layer.Clear();
    }

    public void Dispose()
    {
        foreach (var layer in layers)
            layer.Dispose();
    }
}

/// <summary>
/// Keys and values (B, heads, tokens, d) in memory taken once. With a window only its last tokens stay, in a ring.
/// </summary>
public sealed class KeyValueCache : ILayerCache
{
    private readonly Tensor keys, values;
    private readonly int? window;
    private long length;

    /// <param name="batch">B.</param>
    /// <param name="heads">Heads of keys and values.</param>
    /// <param name="head_dim">d.</param>
    /// <param name="capacity">Tokens.</param>
    /// <param name="window">Tokens that a query sees, itself included; null for all.</param>
    /// <param name="dtype">Of keys and values.</param>
    /// <param name="device">Where they are.</param>
    public KeyValueCache(long batch, long heads, long head_dim, long capacity, int? window, ScalarType dtype, Device device)
    {
        this.window = window < capacity ? window : null;
        long[] shape = [batch, heads, this.window ?? capacity, head_dim];
        keys = zeros(shape, dtype, device).DetachFromDisposeScope();
        values = zeros(shape, dtype, device).DetachFromDisposeScope();
    }

    /// <summary>
    /// Takes in keys and values (B, heads, T, d) and gives those that the T queries can see: all so far, or with a window the
    /// last window - 1 before them, and them. A single token's may come in any order.
    /// </summary>
    public (Tensor keys, Tensor values) Append(Tensor k, Tensor v)
    {
        long tokens = k.shape[2], before = length;
        length += tokens;
        if (window is not { } ring)
        {
            keys.narrow(2, before, tokens).copy_(k);
            values.narrow(2, before, tokens).copy_(v);
            return (keys.narrow(2, 0, length), values.narrow(2, 0, length));
        }
        if (tokens == 1)
        {
            keys.narrow(2, before % ring, 1).copy_(k);
            values.narrow(2, before % ring, 1).copy_(v);
            long seen = Math.Min(length, ring);
            return (keys.narrow(2, 0, seen), values.narrow(2, 0, seen));
        }
        var (allKeys, allValues) = (Behind(keys, k, before, ring), Behind(values, v, before, ring));
        Keep(keys, k, before, ring);
        Keep(values, v, before, ring);
        return (allKeys, allValues);
    }

    // The last window - 1 of the ring in their order, then the new ones.
    private static Tensor Behind(Tensor buffer, Tensor added, long before, int ring)
    {
        long old = Math.Min(before, ring - 1);
        if (old == 0)
            return added;
        var slots = Enumerable.Range(0, (int)old).Select(i => (before - old + i) % ring).ToArray();
        return cat([buffer.index_select(2, tensor(slots, device: buffer.device)), added], 2);
    }

    private static void Keep(Tensor buffer, Tensor added, long before, int ring)
    {
        long tokens = added.shape[2], kept = Math.Min(tokens, ring);
        var slots = Enumerable.Range(0, (int)kept).Select(i => (before + tokens - kept + i) % ring).ToArray();
        buffer.index_copy_(2, tensor(slots, device: buffer.device), added.narrow(2, tokens - kept, kept));
    }

    /// <summary>The memory of the keys (B, heads, room, d); the token at position p is at p modulo room.</summary>
    internal Tensor Keys => keys;

    /// <summary>That of the values.</summary>
    internal Tensor Values => values;

    /// <summary>Counts a token that was written into the memory.</summary>
    internal void Advance() => length++;

    public void Clear() => length = 0;

    public void Dispose()
    {
        keys.Dispose();
        values.Dispose();
    }
}
