using System.CommandLine;
using Attention.Engine.Evaluation;

namespace Attention.Cli.Commands;

/// <summary>Writes a trained model for other programs.</summary>
internal sealed class ExportCommand : CliCommand
{
    private readonly ModelSource source = new();
    private readonly Argument<string> output = new("OUT") { Description = "A folder for timm, or a file that ends in .safetensors, .pth, .pt or .bin" };

    public ExportCommand() : base("export", "Write a model's weights for PyTorch: a folder for timm, safetensors or .pth")
    {
        source.AddTo(this);
        Add(output);
    }

    public override int Run(CommandContext context)
    {
        using var classifier = source.Open(context);
        var place = context.Get(output);
        classifier.Export(place, source.ClassNames(context, classifier));
        context.Terminal.Out.WriteLine($"{classifier.Part.name}: {classifier.Model.state_dict().Count} tensors in {place}");
        return 0;
    }
}
