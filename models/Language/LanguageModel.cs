using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Language;

/// <summary>What every language model's config has; families add their own fields, under Hugging Face's names.</summary>
public abstract record LanguageModelConfig : IAttentionHost
{
    /// <summary>Tokens of the vocabulary.</summary>
    public int vocab_size { get; init; } = 32000;

    /// <summary>An attention by name in place of the family's own, in every layer; null for that.</summary>
    public AttentionConfig? attention { get; init; }

    /// <summary>Tokens of the longest context.</summary>
    public abstract int Context { get; }
}

/// <summary>
/// The contract of every decoder: token numbers (B, T) to logits (B, T, vocabulary), all at once or in portions that a cache
/// remembers.
/// </summary>
public abstract class LanguageModel(string name) : nn.Module<Tensor, Tensor>(name), ILayeredModel
{
    private readonly CausalContext context = new();
    private DecodingWeights decodingWeights = new();

    /// <summary>What the attentions share.</summary>
    private protected CausalContext Shared => context;

    /// <summary>Tokens of the vocabulary.</summary>
    public abstract int vocab_size { get; }

    /// <summary>Tokens of the longest context.</summary>
    public abstract int max_position_embeddings { get; }

    public abstract int num_layers { get; }
    public abstract int layer_of(string parameter);
    public virtual IReadOnlySet<string> no_weight_decay => new HashSet<string>();

    /// <summary>The attention of each layer.</summary>
    protected abstract IEnumerable<CausalAttention> Attentions { get; }

    /// <summary>Tokens to hidden states (B, T, C), the last norm included.</summary>
    protected abstract Tensor Hidden(Tensor tokens);

    /// <summary>Hidden states to logits.</summary>
    protected abstract Tensor Logits(Tensor hidden);

    /// <summary>Memory for decoding, taken once.</summary>
    /// <param name="batch">Sequences side by side.</param>
    /// <param name="capacity">Tokens of each; null for the longest context.</param>
    public DecodingCache CreateCache(long batch, long? capacity = null)
    {
        using var _ = NewDisposeScope();
        var weight = parameters().First();
        long room = capacity ?? max_position_embeddings;
        return new DecodingCache([.. Attentions.Select(attention => attention.CreateCache(batch, room, weight.dtype, weight.device))], room);
    }

    /// <summary>Writes one token's way from embedding to logits.</summary>
    /// <exception cref="NotDecodableException">Some part of it cannot be written so; the default.</exception>
    private protected virtual Slot Write(DecodeProgram program) => throw new NotDecodableException($"{GetName()} is not written in decoding steps");

    /// <summary>Decoding of some sequences side by side, in inference.</summary>
    /// <param name="batch">Sequences.</param>
    /// <param name="capacity">Tokens of each; null for the longest context.</param>
    public DecodingSession StartDecoding(int batch, long? capacity = null) => new(this, batch, capacity);

    /// <summary>
    /// Rounds the large matrices to 8 bits, a scale for each output; the parameters keep the rounded values, and decoding reads the 8
    /// bits. Weights that are loaded afterwards are not seen by decoding.
    /// </summary>
    /// <exception cref="UserError">The model has a part for which there is no such form.</exception>
    public void RoundToInt8()
    {
        decodingWeights.Dispose();
        decodingWeights = new DecodingWeights { IsInt8 = true };
        using var cache = CreateCache(1, 1);
        using var program = WriteProgram(1, cache, out var reason);
        if (program is null)
            throw new UserError($"int8 does not work for this model: {reason}", "choose bf16");
    }

    /// <summary>A step of decoding as a program; null, and why, where it cannot be written so.</summary>
    internal DecodeProgram? WriteProgram(int batch, DecodingCache cache, out string? reason)
    {
        var program = new DecodeProgram(batch, cache, decodingWeights);
        try
        {
            program.End(Write(program));
            reason = null;
            return program;
        }
        catch (NotDecodableException e)
        {
            reason = e.Message;
            program.Dispose();
            return null;
        }
    }

    /// <summary>Logits (B, T, vocabulary) of a whole sequence.</summary>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        if (input.shape[1] > max_position_embeddings)
            throw new UserError($"{input.shape[1]} tokens are more than the model's context of {max_position_embeddings}", "give a shorter text");
        return scope.MoveToOuter(Logits(Hidden(input)));
    }

    /// <summary>
    /// Logits of tokens (B, T) that follow those in the cache, which takes them in: (B, T, vocabulary), or of the last one alone,
    /// (B, 1, vocabulary).
    /// </summary>
    /// <exception cref="UserError">The cache has no room for them.</exception>
    public Tensor forward(Tensor tokens, DecodingCache cache, bool last_only = true)
    {
        using var scope = NewDisposeScope();
        long count = tokens.shape[1];
        cache.Reserve(count);
        if (cache.Length + count > max_position_embeddings)
            throw new UserError($"{cache.Length + count} tokens are more than the model's context of {max_position_embeddings}", "give a shorter prompt, or ask for fewer tokens");
        context.Cache = cache;
        try
        {
            var hidden = Hidden(tokens);
            cache.Advance(count);
            return scope.MoveToOuter(Logits(last_only ? hidden.narrow(1, count - 1, 1) : hidden));
        }
        finally
        {
            context.Cache = null;
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            context.Dispose();
            decodingWeights.Dispose();
        }
        base.Dispose(disposing);
    }
}

/// <summary>The attention of a layer: the config's, or the family's own.</summary>
internal static class LayerAttention
{
    /// <exception cref="UserError">It is none for decoders.</exception>
    public static CausalAttention Of(AttentionConfig? chosen, GroupedQueryConfig own, CausalSite site)
    {
        var config = chosen ?? own;
        return config is ICausalAttentionConfig causal ? causal.CreateCausal(site with { Own = own }) : throw new UserError(
            $"attention '{AttentionModules.NameOf(config)}' lets tokens see later ones, which a decoder must not",
            $"choose one of {string.Join(", ", AttentionModules.CausalNames)}");
    }
}

/// <summary>Logits from hidden states, by a matrix of its own or by the embedding's. (B, T, C) to (B, T, vocabulary).</summary>
internal sealed class OutputHead : Block
{
    private readonly Parameter? weight;
    // A function, so that the embedding does not become a part of this module too.
    private readonly Func<Parameter>? tied;

    public OutputHead(Embedding embedding, bool tie, long vocab_size, long dim) : base(nameof(OutputHead))
    {
        tied = tie ? () => embedding.weight! : null;
        weight = tie ? null : new Parameter(zeros(vocab_size, dim));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var matrix = weight ?? tied!();
        FlopCounter.Add(x.numel() * matrix.shape[0]);
        return nn.functional.linear(x, matrix);
    }

    public Slot Write(DecodeProgram program, Slot x, double? softcap = null) =>
        program.Linear(x, weight ?? tied!(), activation: softcap is null ? DecodeActivation.None : DecodeActivation.Softcap, number: softcap ?? 0);
}
