using System.CommandLine;
using System.Globalization;
using Attention.Engine.Evaluation;

namespace Attention.Cli.Commands;

/// <summary>Draws where a model looks in an image.</summary>
internal sealed class AttendCommand : CliCommand
{
    private readonly ModelSource source = new();
    private readonly Argument<string> image = new("IMAGE") { Description = "An image file" };
    private readonly Option<string> output = new("--out") { Description = "A folder for the PNG files and index.html", HelpName = "FOLDER", DefaultValueFactory = _ => "attention-maps" };
    private readonly Option<int?> target = new("--class") { Description = "The class to explain, counted from 0; the likeliest by default" };

    public AttendCommand() : base("attend", "Draw a model's attention over an image: per head, rollout, weighted by gradient")
    {
        source.AddTo(this);
        Add(image);
        Add(output);
        Add(target);
    }

    public override int Run(CommandContext context)
    {
        var files = new ImageFiles(context.Get(image));
        if (files.Count != 1)
            throw new UserError($"'{context.Get(image)}' is {files.Count} images", "give one file");
        using var classifier = source.Open(context);
        using var loader = classifier.Loader(files, context.Terminal.Error.WriteLine);
        using var batch = loader.Epoch(0, cancellation: context.Stop).FirstOrDefault()
            ?? throw new UserError($"'{context.Get(image)}' cannot be read", "the warning above says why");
        var maps = AttentionMaps.Of(classifier, batch, context.Get(target));
        var label = source.ClassNames(context, classifier)?[maps.Class] ?? $"class {maps.Class}";
        var page = AttentionPage.Write(context.Get(output)!, Path.GetFileName(context.Get(image)), AttentionPage.ImageOf(batch, classifier), maps, label);
        context.Terminal.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{label} ({maps.Confidence * 100:F1} %), {maps.Heads.Count} layers: {page}"));
        return 0;
    }
}
