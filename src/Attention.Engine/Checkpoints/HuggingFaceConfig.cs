using System.Text.Json;

namespace Attention.Engine.Checkpoints;

/// <summary>The <c>config.json</c> beside a checkpoint, as Hugging Face's transformers and timm write it.</summary>
public sealed class HuggingFaceConfig
{
    private HuggingFaceConfig(JsonElement values) => Values = values;

    /// <summary>All of it, a JSON object.</summary>
    public JsonElement Values { get; }

    /// <summary>Classes of transformers (<c>LlamaForCausalLM</c>), or timm's one name (<c>vit_tiny_patch16_224</c>).</summary>
    public IReadOnlyList<string> Architectures =>
        Values.TryGetProperty("architectures", out var list) && list.ValueKind == JsonValueKind.Array
            ? [.. list.EnumerateArray().Where(each => each.ValueKind == JsonValueKind.String).Select(each => each.GetString()!)]
            : Text("architecture") is { } one ? [one] : [];

    /// <summary>The family that transformers knows it by, such as <c>llama</c>; null in timm's.</summary>
    public string? ModelType => Text("model_type");

    private string? Text(string key) => Values.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <exception cref="UserError">The file is no JSON object.</exception>
    public static HuggingFaceConfig Load(string path) => new(JsonObject(path));

    /// <summary>A file's JSON object.</summary>
    internal static JsonElement JsonObject(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new UserError($"'{path}' is no JSON object", "copy or download it again");
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new UserError($"'{path}' is no JSON: {e.Message}", "copy or download it again", e);
        }
    }
}
