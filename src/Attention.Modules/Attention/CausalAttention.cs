using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// What the layers of a decoder share during a call: the cache, if one is in use, and masks, which are kept from layer to
/// layer and from call to call.
/// </summary>
public sealed class CausalContext : IDisposable
{
    private readonly Dictionary<int, Tensor> masks = [];
    private (long queries, long keys, ScalarType dtype, Device? device) made;

    /// <summary>The cache in use; null where the call sees the whole sequence.</summary>
    public DecodingCache? Cache { get; set; }

    /// <summary>Position of the call's first token.</summary>
    public long Start => Cache?.Length ?? 0;

    /// <summary>
    /// Minus infinity where a query must not look, else 0, (queries, keys); null where every query may look everywhere. The
    /// last query is at the last key.
    /// </summary>
    public Tensor? Mask(long queries, long keys, int? window, Tensor like)
    {
        if (queries == 1 && (window is null || keys <= window))
            return null;
        if (made != (queries, keys, like.dtype, like.device))
        {
            Forget();
            made = (queries, keys, like.dtype, like.device);
        }
        if (!masks.TryGetValue(window ?? 0, out var mask))
        {
            using var scope = NewDisposeScope();
            var query = arange(keys - queries, keys, ScalarType.Int64).unsqueeze(1);
            var key = arange(keys, ScalarType.Int64).unsqueeze(0);
            var hidden = window is { } w ? (key > query).bitwise_or(key <= query - w) : key > query;
            mask = zeros(queries, keys).masked_fill(hidden, double.NegativeInfinity).to(like.dtype, like.device).DetachFromDisposeScope();
            masks[window ?? 0] = mask;
        }
        return mask;
    }

    private void Forget()
    {
        foreach (var mask in masks.Values)
            mask.Dispose();
        masks.Clear();
    }

    public void Dispose() => Forget();
}

/// <summary>The place of an attention in a decoder.</summary>
public sealed record CausalSite(long Dim, int NumHeads, int Layer, CausalContext Context, RotaryEmbedding? Rotary)
    : AttentionSite(Dim, NumHeads, 1, 1, Layer)
{
    /// <summary>Heads of keys and values.</summary>
    public int KeyValueHeads { get; init; } = NumHeads;

    /// <summary>Channels of a head.</summary>
    public int HeadDim { get; init; } = (int)(Dim / NumHeads);

    /// <summary>Tokens that a query sees, itself included; null for all before it.</summary>
    public int? Window { get; init; }

    /// <summary>Epsilon of the model's norms.</summary>
    public double NormEps { get; init; } = 1e-6;

    /// <summary>The host's own attention, from which others take what they leave open: biases, norms, scale, limits.</summary>
    public GroupedQueryConfig Own { get; init; } = new();
}

/// <summary>A config whose attention has a form for decoders, in which no token sees a later one.</summary>
public interface ICausalAttentionConfig
{
    /// <summary>A new module for a decoder's place; what the record leaves open is as the host has it.</summary>
    /// <exception cref="UserError">The record does not fit the place.</exception>
    CausalAttention CreateCausal(CausalSite site);
}

/// <summary>A decoder's attention: each token sees those before it and itself. (B, T, C) to the same.</summary>
public abstract class CausalAttention(string name, CausalSite site) : Block(name)
{
    protected CausalSite Site { get; } = site;

    /// <summary>An empty memory of the tokens seen, for decoding.</summary>
    public abstract ILayerCache CreateCache(long batch, long capacity, ScalarType dtype, Device device);

    /// <summary>Writes what it does for one token of each sequence, added to <paramref name="to"/> where that is given.</summary>
    /// <exception cref="NotDecodableException">There are no steps for it; the default.</exception>
    public virtual Slot Write(DecodeProgram program, Slot x, Slot? to) => throw new NotDecodableException($"{GetName()} is not written in decoding steps");
}
