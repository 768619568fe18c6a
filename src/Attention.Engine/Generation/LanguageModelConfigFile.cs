using System.Text.Json;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Models.Language;
using Attention.Modules;

namespace Attention.Engine.Generation;

/// <summary>
/// The config.json of a language model's folder. Beside Hugging Face's keys it may have <c>attention</c>, an attention by name as
/// in our own configs: <c>"attention": {"name": "moh", "shared_head": 16, "routed_head": 8}</c>.
/// </summary>
public static class LanguageModelConfigFile
{
    /// <summary>The key of the attention by name.</summary>
    public const string AttentionKey = "attention";

    // The name of a field of the authors' model, whose config.json is a plain Llama's.
    private const string MarkOfMoh = "routed_head";

    private sealed record AttentionSection
    {
        public AttentionConfig? attention { get; init; }
    }

    /// <summary>The config of the model in a folder.</summary>
    /// <exception cref="UserError">There is no config.json, or it is not of a model that is known.</exception>
    public static LanguageModelConfig Load(string folder)
    {
        var file = Path.Combine(folder, "config.json");
        if (!File.Exists(file))
            throw new UserError($"'{folder}' has no config.json", "give the folder of a Hugging Face language model, or of a run");
        var values = HuggingFaceConfig.Load(file).Values;
        var config = Read(values);
        return config.attention is null && IsMohLlama(values, folder) ? config with { attention = new MixtureOfHeadAttentionConfig { router = "query_norm" } } : config;
    }

    /// <summary>The config of a model from the JSON object alone.</summary>
    /// <exception cref="UserError">It is not of a model that is known, or its attention is not.</exception>
    public static LanguageModelConfig Read(JsonElement values)
    {
        var config = HuggingFaceDecoders.Read(values);
        if (!values.TryGetProperty(AttentionKey, out var section) || section.ValueKind == JsonValueKind.Null)
            return config;
        return config with { attention = ConfigLoader.Parse<AttentionSection>($"{{\"{AttentionKey}\": {section.GetRawText()}}}", "config.json").Value.attention };
    }

    // The authors' checkpoint says what it is by its code alone, which is not run here.
    private static bool IsMohLlama(JsonElement values, string folder)
    {
        if (!values.TryGetProperty("auto_map", out var map) || map.ValueKind != JsonValueKind.Object
            || !map.TryGetProperty("AutoModelForCausalLM", out var code) || code.ValueKind != JsonValueKind.String
            || code.GetString() is not { } name || !name.EndsWith("modeling_llama.LlamaForCausalLM", StringComparison.Ordinal))
            return false;
        if (name.Contains("--", StringComparison.Ordinal))
            return name.Contains("/MoH-", StringComparison.Ordinal);
        var file = Path.Combine(folder, "modeling_llama.py");
        return File.Exists(file) ? File.ReadAllText(file).Contains(MarkOfMoh, StringComparison.Ordinal)
            : throw new UserError($"the config.json of '{folder}' asks for code that is not there: modeling_llama.py",
                $"put the file there, or say in config.json what it is: \"{AttentionKey}\": {{\"name\": \"moh\", \"router\": \"query_norm\"}}, or no \"auto_map\" for a plain Llama");
    }
}
