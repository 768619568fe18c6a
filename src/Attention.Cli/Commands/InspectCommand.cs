using System.CommandLine;
using System.Globalization;
using Attention.Engine.Checkpoints;
using TorchSharp;

namespace Attention.Cli.Commands;

/// <summary>Lists what a checkpoint holds, without reading its tensors.</summary>
internal sealed class InspectCommand : CliCommand
{
    private readonly Argument<string> file = new("FILE") { Description = "A .safetensors, .pth, .pt or .bin file, or a folder with one" };
    private readonly Option<string?> part = new("--part") { Description = "The part of a nested checkpoint, such as model or model_ema" };
    private readonly JsonOption json = new();

    public InspectCommand() : base("inspect", "List the tensors of a checkpoint")
    {
        Add(file);
        Add(part);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        using var checkpoint = CheckpointReader.Open(context.Get(file), context.Get(part));
        var table = new ResultTable(new("name"), new("dtype"), new("shape"), new("parameters"));
        foreach (var entry in checkpoint.Entries)
            table.Add(entry.Name, entry.TypeName, $"({string.Join(", ", entry.Shape)})", entry.Count);
        table.Write(context.Terminal, context.Get(json));
        if (!context.Get(json))
            foreach (var line in Summary(checkpoint))
                context.Terminal.Out.WriteLine(line);
        return 0;
    }

    private static IEnumerable<string> Summary(CheckpointReader checkpoint)
    {
        var entries = checkpoint.Entries.ToArray();
        double megabytes = entries.Sum(entry => entry.Bytes) / 1e6;
        yield return string.Create(CultureInfo.InvariantCulture,
            $"{checkpoint.Format}: {entries.Length} tensors, {entries.Sum(entry => entry.Count):N0} values, {megabytes:F1} MB");
        if (checkpoint.Part is { } taken)
            yield return $"part: {taken}";
        if (checkpoint.OtherParts.Count > 0)
            yield return $"also in the file: {string.Join(", ", checkpoint.OtherParts)}";
        if (checkpoint.Config is { Architectures.Count: > 0 } config)
            yield return $"architecture: {string.Join(", ", config.Architectures)}";
        foreach (var (key, value) in checkpoint.Metadata)
            yield return $"{key}: {value}";
    }
}
