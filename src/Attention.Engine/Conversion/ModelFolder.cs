using System.Text.Json;
using System.Text.Json.Nodes;
using Attention.Engine.Checkpoints;
using Attention.Engine.Runs;
using Attention.Models.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Conversion;

/// <summary>A Hugging Face folder that is made from another one.</summary>
internal static class ModelFolder
{
    private static readonly HashSet<string> weightFiles = [".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx"];

    /// <exception cref="UserError">There is something at the place.</exception>
    public static void RequireFree(string path)
    {
        if (Directory.Exists(path) || File.Exists(path))
            throw new UserError($"'{path}' is there already", "name a new folder: nothing is overwritten");
    }

    /// <summary>The config.json of a folder, to be changed.</summary>
    public static JsonObject Config(string folder) =>
        JsonNode.Parse(HuggingFaceConfig.Load(Path.Combine(folder, "config.json")).Values.GetRawText())!.AsObject();

    /// <summary>Makes sure that a model can be made of a config, which takes no memory.</summary>
    public static void RequireBuildable(LanguageModelConfig config)
    {
        var before = get_default_device();
        set_default_device(META);
        try
        {
            HuggingFaceDecoders.Create(config).Dispose();
        }
        finally
        {
            set_default_device(before);
        }
    }

    /// <summary>
    /// Writes a folder: weights, config.json, and whatever else the source has. It gets its name when it is whole.
    /// </summary>
    /// <param name="from">The source.</param>
    /// <param name="to">The new folder.</param>
    /// <param name="config">Its config.json.</param>
    /// <param name="tensors">Its weights.</param>
    public static void Write(string from, string to, JsonObject config, IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        RequireFree(to);
        to = Path.TrimEndingDirectorySeparator(Path.GetFullPath(to));
        var temporary = $"{to}.{Path.GetRandomFileName()}.tmp";
        try
        {
            SafeTensors.WriteFolder(temporary, tensors);
            foreach (var file in Directory.EnumerateFiles(from).Where(IsKept))
                File.Copy(file, Path.Combine(temporary, Path.GetFileName(file)));
            AtomicFile.Write(Path.Combine(temporary, "config.json"), stream =>
            {
                using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
                config.WriteTo(json);
            });
            RequireFree(to);
            Directory.Move(temporary, to);
        }
        catch
        {
            if (Directory.Exists(temporary))
                Directory.Delete(temporary, recursive: true);
            throw;
        }
    }

    private static bool IsKept(string file) => Path.GetFileName(file) is var name && name != "config.json" && !name.StartsWith('.')
        && !name.EndsWith(".index.json", StringComparison.Ordinal) && !weightFiles.Contains(Path.GetExtension(name));
}
