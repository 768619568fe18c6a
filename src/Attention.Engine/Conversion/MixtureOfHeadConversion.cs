using System.Globalization;
using System.Text.Json.Nodes;
using Attention.Engine.Checkpoints;
using Attention.Engine.Generation;
using Attention.Models.Language;
using Attention.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Conversion;

/// <summary>
/// A trained decoder as the start of one whose heads are a mixture, as the paper's continue-tuning makes it: the first heads of
/// each layer are shared, tokens choose among the others by the lengths of their queries, and all weights stay.
/// Jin et al., MoH: Multi-Head Attention as Mixture-of-Head Attention, 2024 (arXiv:2410.11842).
/// </summary>
public static class MixtureOfHeadConversion
{
    /// <summary>Writes the mixture's folder.</summary>
    /// <param name="from">The folder of a Hugging Face decoder.</param>
    /// <param name="to">The new folder, which must not be there.</param>
    /// <param name="heads">The share of a layer's heads that a token uses, above 0 and at most 1; 0.75 in the paper.</param>
    /// <param name="shared">Heads that all tokens use; null for half of all, as in the paper.</param>
    /// <returns>The attention's config.</returns>
    /// <exception cref="UserError">The folders or numbers do not fit.</exception>
    public static MixtureOfHeadAttentionConfig Run(string from, string to, double heads = 0.75, int? shared = null)
    {
        ModelFolder.RequireFree(to);
        var config = LanguageModelConfigFile.Load(from);
        if (config is not DecoderConfig decoder)
            throw new UserError($"the model of '{from}' is no decoder of Llama's line", $"choose one of model_type {string.Join(", ", HuggingFaceDecoders.ModelTypes.Where(type => type != "gpt2"))}");
        if (config.attention is { } other)
            throw new UserError($"the model of '{from}' has an attention of its own already, '{AttentionModules.NameOf(other)}'", "give the folder of a dense model");
        var attention = Mixture(decoder.num_attention_heads, heads, shared);
        ModelFolder.RequireBuildable(config with { attention = attention });

        var json = ModelFolder.Config(from);
        json[LanguageModelConfigFile.AttentionKey] = new JsonObject
        {
            ["name"] = AttentionModules.NameOf(attention),
            [nameof(attention.shared_head)] = attention.shared_head,
            [nameof(attention.routed_head)] = attention.routed_head,
            [nameof(attention.router)] = attention.router,
        };
        using var scope = NewDisposeScope();
        using var checkpoint = CheckpointReader.Open(from);
        ModelFolder.Write(from, to, json, checkpoint.Entries.Select(entry => KeyValuePair.Create(entry.Name, checkpoint.Read(entry.Name))));
        return attention;
    }

    private static MixtureOfHeadAttentionConfig Mixture(int heads, double share, int? shared)
    {
        if (share is not (> 0 and <= 1))
            throw new UserError(string.Create(CultureInfo.InvariantCulture, $"{share} is no share of the heads"), "give a number above 0 and at most 1, such as 0.75");
        int used = (int)Math.Round(heads * share), always = shared ?? (share == 1 ? heads : Math.Min(heads / 2, used - 1));
        if (always < 0 || always > used || always == used && used < heads)
            throw new UserError($"of {heads} heads a token is to use {used}, {always} of them shared, which leaves none to choose",
                "share fewer heads, or let tokens use more");
        return new() { shared_head = always, routed_head = used - always, router = "query_norm" };
    }
}
