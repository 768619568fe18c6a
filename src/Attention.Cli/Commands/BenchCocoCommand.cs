using System.CommandLine;
using Attention.Data;
using Attention.Engine.Benchmarks;

namespace Attention.Cli.Commands;

/// <summary>Times the evaluation of detections on made-up files, which stay for other evaluators to be timed on.</summary>
internal sealed class BenchCocoCommand : CliCommand
{
    private readonly Argument<string> folder = new("FOLDER") { Description = "Where annotations.json and results.json are written" };
    private readonly Option<CocoKind> kind = new("--kind") { Description = "Boxes, Masks or Keypoints" };
    private readonly Option<int> images = new("--images") { Description = "Images", DefaultValueFactory = _ => 5000 };
    private readonly Option<int> detections = new("--detections") { Description = "Detections in each image", DefaultValueFactory = _ => 100 };
    private readonly Option<int> categories = new("--categories") { Description = "Categories", DefaultValueFactory = _ => 80 };
    private readonly JsonOption json = new();

    public BenchCocoCommand() : base("bench coco", "Time the evaluation of detections")
    {
        Add(folder);
        foreach (var option in new Option[] { kind, images, detections, categories, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        var benchmark = new CocoBenchmark { Kind = context.Get(kind), Images = context.Get(images), Detections = context.Get(detections), Categories = context.Get(categories) };
        var timing = benchmark.Run(context.Get(folder));
        var table = new ResultTable(
            new("detections"),
            new("load_seconds", value => $"{(double)value:F2} s"),
            new("evaluate_seconds", value => $"{(double)value:F2} s"),
            new("ap"));
        table.Add(timing.Detections, timing.LoadSeconds, timing.EvaluateSeconds, timing.AveragePrecision);
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }
}
