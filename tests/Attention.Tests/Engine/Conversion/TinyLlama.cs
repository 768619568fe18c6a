using System.Text.Json;
using Attention.Data.Text;
using Attention.Engine.Checkpoints;
using Attention.Models.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Conversion;

/// <summary>Hugging Face folders of tiny decoders with random weights and a tokenizer of characters.</summary>
internal static class TinyLlama
{
    public const string Text = "The quick brown fox jumps over 13 lazy dogs, twice. ";

    /// <summary>Writes a folder of a model_type with 4 heads of 8 channels in 2 layers; further keys go into config.json.</summary>
    public static string Write(string folder, string type = "llama", params (string Key, object Value)[] keys)
    {
        Directory.CreateDirectory(folder);
        var tokenizer = CharacterTokenizer.Train(Text);
        tokenizer.Save(Path.Combine(folder, "tokenizer.json"));
        var config = new Dictionary<string, object>
        {
            ["model_type"] = type,
            ["vocab_size"] = tokenizer.VocabularySize,
            ["hidden_size"] = 32,
            ["head_dim"] = 8,
            ["intermediate_size"] = 48,
            ["num_hidden_layers"] = 2,
            ["num_attention_heads"] = 4,
            ["num_key_value_heads"] = 4,
            ["max_position_embeddings"] = 64,
            ["torch_dtype"] = "float32",
        };
        foreach (var (key, value) in keys)
            config[key] = value;
        var text = JsonSerializer.Serialize(config);
        File.WriteAllText(Path.Combine(folder, "config.json"), text);
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), "{}");
        manual_seed(3);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = HuggingFaceDecoders.Create(HuggingFaceDecoders.Read(JsonDocument.Parse(text).RootElement));
        // Weights large enough that heads matter.
        SafeTensors.WriteFolder(folder, model.state_dict().Where(pair => type != "gpt2" || pair.Key != "lm_head.weight").ToDictionary(pair => pair.Key, pair => pair.Value * (pair.Value.ndim > 1 ? 8 : 1)));
        return folder;
    }

    /// <summary>A few tokens.</summary>
    public static Tensor Tokens(Tokenizer tokenizer) => tensor(tokenizer.Encode(Text[..24]).Select(id => (long)id).ToArray(), [1, 24]);
}
