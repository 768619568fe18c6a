using System.Text.Json;

namespace Attention.Engine.Checkpoints;

/// <summary>
/// A checkpoint in several files of one folder, with an index that says which tensor is in which:
/// <c>{"weight_map": {"layer.weight": "model-00001-of-00002.safetensors"}}</c>.
/// </summary>
internal sealed class ShardedCheckpoint : CheckpointReader
{
    private readonly Dictionary<string, CheckpointReader> shards = [];

    /// <param name="index">The <c>.index.json</c> file.</param>
    public ShardedCheckpoint(string index) : base(index)
    {
        try
        {
            if (!HuggingFaceConfig.JsonObject(index).TryGetProperty("weight_map", out var map) || map.ValueKind != JsonValueKind.Object)
                throw Broken("it has no weight_map");
            foreach (var pair in map.EnumerateObject())
            {
                var shard = Shard(pair);
                if (!shard.Contains(pair.Name))
                    throw Broken($"tensor '{pair.Name}' is not in {pair.Value.GetString()}");
                Add(shard.Locate(pair.Name));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override string Format => $"{shards.Values.Select(shard => shard.Format).FirstOrDefault() ?? "nothing"} in {shards.Count} shards";

    private protected override UserError Broken(string what) =>
        new($"the checkpoint of '{Path}' is not whole: {what}", "copy or download its folder again");

    private CheckpointReader Shard(JsonProperty pair)
    {
        var name = pair.Value.ValueKind == JsonValueKind.String ? pair.Value.GetString()! : "";
        // A file of this folder, never one elsewhere.
        if (name is "" or "." or ".." || name.AsSpan().IndexOfAny('/', '\\', ':') >= 0)
            throw Broken($"the place of tensor '{pair.Name}', '{name}', is not the name of a file beside the index");
        if (shards.TryGetValue(name, out var known))
            return known;
        var path = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path)!, name);
        if (!File.Exists(path))
            throw Broken($"{name} is missing");
        return shards[name] = PyTorchFile.Is(path) ? PyTorchFile.Open(path) : SafeTensors.Open(path);
    }

    public override void Dispose()
    {
        foreach (var shard in shards.Values)
            shard.Dispose();
    }
}
