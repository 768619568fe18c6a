using System.CommandLine;
using Attention.Engine.Checkpoints;
using Attention.Engine.Conversion;

namespace Attention.Cli.Commands;

/// <summary>Pools the heads of keys and values of a trained model.</summary>
internal sealed class ConvertGqaCommand : CliCommand
{
    private readonly Option<string> from = new("--from") { Description = "The folder of a Hugging Face decoder, or the checkpoint of an image model", HelpName = "PATH", Required = true };
    private readonly Option<string> to = new("--to") { Description = "The new folder, or for an image model the new .safetensors file", HelpName = "PATH", Required = true };
    private readonly Option<int> groups = new("--groups") { Description = "Heads of keys and values", Required = true };
    private readonly Option<string> attention = new("--attention") { Description = "grouped_query, kdgqa, dgqa or pgqa", DefaultValueFactory = _ => "grouped_query" };
    private readonly Option<string?> model = new("--model") { Description = "The image model's name", HelpName = "NAME" };

    public ConvertGqaCommand() : base("convert gqa", "Pool the heads of keys and values of a trained model, to be tuned further")
    {
        foreach (var option in new Option[] { from, to, groups, attention, model })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        var (source, target, name) = (context.Get(from)!, context.Get(to)!, context.Get(attention)!);
        var config = Path.Combine(source, "config.json");
        if (context.Get(model) is null && File.Exists(config) && HuggingFaceConfig.Load(config).ModelType is not null)
        {
            GroupedQueryConversion.RunDecoder(source, target, context.Get(groups), name);
            context.Terminal.Out.WriteLine($"{target}: {context.Get(groups)} heads of keys and values in each layer");
        }
        else
        {
            var section = GroupedQueryConversion.RunImageModel(source, context.Get(model), target, context.Get(groups), name);
            context.Terminal.Out.WriteLine($"{target}, for {section}");
        }
        return 0;
    }
}
