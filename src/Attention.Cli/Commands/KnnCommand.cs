using System.CommandLine;
using System.Globalization;
using Attention.Data;
using Attention.Engine.Evaluation;

namespace Attention.Cli.Commands;

/// <summary>Judges a model's features by nearest neighbours.</summary>
internal sealed class KnnCommand : CliCommand
{
    private readonly ModelSource source = new();
    private readonly Argument<string> train = new("TRAIN") { Description = "A folder with one folder of images for each class, which vote" };
    private readonly Argument<string> held = new("VAL") { Description = "The same of images that are judged" };
    private readonly Option<int[]> neighbours = new("--neighbours") { Description = "How many vote; several may be given", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [10, 20, 100] };
    private readonly JsonOption json = new();

    public KnnCommand() : base("knn", "Judge a model's features by nearest neighbours, without training")
    {
        source.AddTo(this);
        Add(train);
        Add(held);
        Add(neighbours);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        if (context.Get(neighbours)!.Any(count => count < 1))
            throw new UserError("--neighbours must be at least 1", "leave it away for 10, 20 and 100");
        using var classifier = source.Open(context);
        var voters = new ImageFolder(context.Get(train));
        var judged = new ImageFolder(context.Get(held), voters.ClassNames);
        using var trained = FeatureExtractor.Run(classifier, voters, warn: context.Terminal.Error.WriteLine, cancellation: context.Stop);
        using var asked = FeatureExtractor.Run(classifier, judged, warn: context.Terminal.Error.WriteLine, cancellation: context.Stop);
        var table = new ResultTable(new("neighbours"), new("top1", Percent), new("top5", Percent));
        foreach (int count in context.Get(neighbours)!)
        {
            var score = NearestNeighbours.Score(trained, asked, count);
            table.Add(count, score.Top1, score.Top5);
        }
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }

    private static string Percent(object value) => ((double)value).ToString("P2", CultureInfo.InvariantCulture);
}
