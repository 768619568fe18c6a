using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Attention.Engine.Checkpoints;
using Attention.Engine.Generation;
using Attention.Engine.Runs;
using Attention.Models;
using Attention.Models.Language;
using Attention.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Conversion;

/// <summary>
/// Trained multi-head attention as the start of grouped queries: the keys' and values' heads of a group become their mean.
/// Ainslie et al., GQA, 2023 (arXiv:2305.13245); Khan et al., Key-Driven Grouped Query Attention, 2024 (arXiv:2408.08454).
/// </summary>
public static partial class GroupedQueryConversion
{
    /// <summary>The attentions that can be made.</summary>
    public static IReadOnlyList<string> Attentions { get; } = ["grouped_query", "kdgqa", "dgqa", "pgqa"];

    [GeneratedRegex(@"^model\.layers\.\d+\.self_attn\.((k|v)_proj\.(weight|bias)|qkv_proj\.(weight|bias)|k_norm\.weight)$")]
    private static partial Regex Pooled();

    private static void Check(string attention)
    {
        if (!Attentions.Contains(attention))
            throw new UserError($"attention '{attention}' has no grouped queries", $"choose one of {string.Join(", ", Attentions)}");
    }

    /// <summary>A decoder's Hugging Face folder with fewer heads of keys and values.</summary>
    /// <param name="from">The folder.</param>
    /// <param name="to">The new folder, which must not be there.</param>
    /// <param name="groups">Heads of keys and values.</param>
    /// <param name="attention">The attention's name.</param>
    /// <exception cref="UserError">The folders or numbers do not fit.</exception>
    public static void RunDecoder(string from, string to, int groups, string attention = "grouped_query")
    {
        Check(attention);
        ModelFolder.RequireFree(to);
        if (LanguageModelConfigFile.Load(from) is not DecoderConfig { attention: null } config)
            throw new UserError($"the model of '{from}' is no decoder of Llama's line with its own attention", "give the folder of a dense Llama, Qwen, Mistral or the like");
        int heads = config.num_key_value_heads ?? config.num_attention_heads;
        RequireGroups(heads, groups);
        ModelFolder.RequireBuildable(config with { num_key_value_heads = groups });

        var json = ModelFolder.Config(from);
        json["num_key_value_heads"] = groups;
        if (attention != "grouped_query")
            json[LanguageModelConfigFile.AttentionKey] = new JsonObject { ["name"] = attention };
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var checkpoint = CheckpointReader.Open(from);
        long queries = (long)config.num_attention_heads * HeadDim(config);
        var tensors = checkpoint.Entries.Select(entry => KeyValuePair.Create(entry.Name, PooledOf(entry.Name, checkpoint.Read(entry.Name))));
        var remembered = attention != "dgqa" ? [] : Enumerable.Range(0, config.num_hidden_layers).SelectMany(layer =>
            Remembered($"model.layers.{layer}.self_attn", config.num_attention_heads, groups, inDecoder: true));
        ModelFolder.Write(from, to, json, tensors.Concat(remembered));

        Tensor PooledOf(string name, Tensor tensor)
        {
            if (Pooled().Match(name) is not { Success: true } match)
                return tensor;
            if (match.Groups[1].Value.StartsWith("qkv", StringComparison.Ordinal))
            {
                var parts = tensor.split([queries, heads * HeadDim(config), heads * HeadDim(config)], 0);
                return cat([parts[0], Pool(parts[1], heads, groups), Pool(parts[2], heads, groups)]);
            }
            // A norm of each head is the same for all of them.
            return tensor.shape[0] == heads * HeadDim(config) ? Pool(tensor, heads, groups) : tensor;
        }
    }

    private static int HeadDim(DecoderConfig config) => config.head_dim ?? config.hidden_size / config.num_attention_heads;

    /// <summary>An image model's checkpoint with grouped queries, for the model with that attention.</summary>
    /// <param name="from">The checkpoint of a model whose attention is plain multi-head attention.</param>
    /// <param name="model">The model's name; null where the checkpoint's config.json has it.</param>
    /// <param name="to">The new file, a .safetensors that must not be there.</param>
    /// <param name="groups">Heads of keys and values.</param>
    /// <param name="attention">The attention's name.</param>
    /// <returns>The model section that the file is for.</returns>
    /// <exception cref="UserError">The files, the model or the numbers do not fit.</exception>
    public static string RunImageModel(string from, string? model, string to, int groups, string attention = "grouped_query")
    {
        Check(attention);
        ModelFolder.RequireFree(to);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var checkpoint = CheckpointReader.Open(from);
        var name = model ?? checkpoint.Config?.Architectures.FirstOrDefault(ModelRegistry.Names.Contains)
            ?? throw new UserError($"'{from}' does not say what model it is of", "name it by --model; ./attention models lists all");
        var layers = Layers(name, groups);
        var tensors = checkpoint.Entries.Select(entry => KeyValuePair.Create(entry.Name, checkpoint.Read(entry.Name))).ToDictionary();
        bool bias = false;
        foreach (var (layer, heads) in layers)
        {
            foreach (var leaf in new[] { "weight", "bias" })
            {
                if (!tensors.Remove($"{layer}.qkv.{leaf}", out var all))
                {
                    if (leaf == "weight")
                        throw new UserError($"'{from}' has no '{layer}.qkv.weight'", $"give a checkpoint of {name}");
                    continue;
                }
                bias |= leaf == "bias";
                var parts = all.chunk(3, 0);
                tensors.Add($"{layer}.q.{leaf}", parts[0].contiguous());
                tensors.Add($"{layer}.k.{leaf}", Pool(parts[1], heads, groups));
                tensors.Add($"{layer}.v.{leaf}", Pool(parts[2], heads, groups));
            }
            if (attention == "dgqa")
                foreach (var (key, value) in Remembered(layer, heads, groups, inDecoder: false))
                    tensors.Add(key, value);
        }
        if (Path.GetDirectoryName(Path.GetFullPath(to)) is { } folder)
            Directory.CreateDirectory(folder);
        AtomicFile.Write(to, stream => SafeTensors.Write(stream, tensors));
        return string.Create(CultureInfo.InvariantCulture, $"model: {{name: {name}, attention: {{name: {attention}, num_key_value_heads: {groups}, qkv_bias: {(bias ? "true" : "false")}}}}}");
    }

    // The attentions of a model that are plain, and their heads.
    private static List<(string Layer, int Heads)> Layers(string model, int groups)
    {
        var family = ModelRegistry.Family(model);
        if (family.Config(model) is not AttentionHostConfig config)
            throw new UserError($"the attention of {model} cannot be replaced", "give a model that takes attention by name, such as a ViT");
        var before = get_default_device();
        set_default_device(META);
        try
        {
            using var dense = family.Create(config);
            var plain = dense.named_modules().Where(each => each.module is SelfAttention).Select(each => (each.name, heads: ((SelfAttention)each.module).Heads)).ToList();
            if (plain.Count == 0)
                throw new UserError($"{model} has no plain multi-head attention", "give a model such as a ViT");
            foreach (var (_, heads) in plain)
                RequireGroups(heads, groups);
            using var grouped = family.Create(config with { attention = new GroupedQueryConfig { num_key_value_heads = groups } });
            return plain;
        }
        finally
        {
            set_default_device(before);
        }
    }

    private static void RequireGroups(int heads, int groups)
    {
        if (groups < 1 || heads % groups != 0)
            throw new UserError($"{heads} heads of keys and values cannot be pooled to {groups}", "choose a number that divides them");
    }

    // Rows of heads (heads * d, ...) to rows of their groups' means (groups * d, ...).
    private static Tensor Pool(Tensor rows, int heads, int groups)
    {
        var split = rows.to(ScalarType.Float32).reshape([groups, heads / groups, rows.shape[0] / heads, .. rows.shape[1..]]);
        return split.mean([1]).flatten(0, 1).to(rows.dtype);
    }

    // What DGQA remembers before its first step.
    private static IEnumerable<KeyValuePair<string, Tensor>> Remembered(string layer, int heads, int groups, bool inDecoder)
    {
        yield return KeyValuePair.Create($"{layer}.cache", zeros(groups));
        if (!inDecoder)
            yield break;
        yield return KeyValuePair.Create($"{layer}.served", full(groups, heads / groups, ScalarType.Int64));
        yield return KeyValuePair.Create($"{layer}.step", zeros([], ScalarType.Int64));
    }
}
