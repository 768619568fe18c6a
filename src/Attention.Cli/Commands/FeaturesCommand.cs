using System.CommandLine;
using Attention.Data;
using Attention.Engine.Evaluation;

namespace Attention.Cli.Commands;

/// <summary>Writes what a model knows of images before it names them.</summary>
internal sealed class FeaturesCommand : CliCommand
{
    private readonly ModelSource source = new();
    private readonly Argument<string[]> images = new("IMAGE") { Description = "Files, folders, or quoted patterns such as 'photos/*.jpg'", Arity = ArgumentArity.OneOrMore };
    private readonly Option<string> output = new("--out") { Description = "A file that ends in .safetensors, .npy or .csv", HelpName = "FILE", Required = true };
    private readonly Option<FeatureKind> kind = new("--kind") { Description = "pooled, one row for each image, or patch, the coarsest feature map" };
    private readonly Option<bool> labelled = new("--classes") { Description = "The one IMAGE is a folder with one folder for each class, whose labels are written too" };

    public FeaturesCommand() : base("features", "Write pooled or patch features of images")
    {
        source.AddTo(this);
        Add(images);
        foreach (var option in new Option[] { output, kind, labelled })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        var sources = context.Get(images);
        if (context.Get(labelled) && sources.Length != 1)
            throw new UserError($"--classes takes one folder, not {sources.Length}", "give the folder that holds one folder for each class");
        IImageDataset data = context.Get(labelled) ? new ImageFolder(sources[0]) : new ImageFiles(sources);
        using var classifier = source.Open(context);
        using var features = FeatureExtractor.Run(classifier, data, context.Get(kind), context.Terminal.Error.WriteLine, context.Stop);
        FeatureFiles.Write(context.Get(output)!, features);
        context.Terminal.Out.WriteLine($"({string.Join(", ", features.Values.shape)}) float32 in {context.Get(output)}");
        return 0;
    }
}
