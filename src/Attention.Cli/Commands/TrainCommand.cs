using System.CommandLine;
using System.Globalization;
using Attention.Engine.Configuration;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Training;

namespace Attention.Cli.Commands;

/// <summary>Trains a config, or goes on with a run that was stopped.</summary>
internal sealed class TrainCommand : CliCommand
{
    private readonly Argument<string?> file = new("CONFIG") { Description = "The YAML file", DefaultValueFactory = _ => null };
    private readonly SetOption overrides = new();
    private readonly Option<string?> resume = new("--resume") { Description = "Go on with the run in this folder, from its newest checkpoint", HelpName = "RUN" };

    public TrainCommand() : base("train", "Train a model as a config says")
    {
        Add(file);
        Add(overrides);
        Add(resume);
    }

    public override int Run(CommandContext context)
    {
        using var reporter = LiveReporter.For(context.Terminal);
        Conclude(reporter, Train(context, reporter));
        return 0;
    }

    private ExperimentResult Train(CommandContext context, IRunReporter reporter)
    {
        var path = context.Get(file);
        if (context.Get(resume) is { } run)
        {
            if (path is not null || context.Get(overrides) is { Length: > 0 })
                throw new UserError("--resume takes the run's own config", "leave CONFIG and --set away, or start a new run without --resume");
            return Experiment.Resume(run, reporter, context.Stop);
        }
        if (path is null)
            throw new UserError("no config was given", "try ./attention train configs/quickstart.yaml");
        return Experiment.Train(ExperimentConfig.Load(path, context.Get(overrides) ?? []), reporter, context.Stop);
    }

    // What came out, where it is, and what to try next.
    private static void Conclude(IRunReporter reporter, ExperimentResult result)
    {
        var summary = result.Summary;
        reporter.Say("");
        var rate = summary.Throughput is var (unit, perSecond) ? $", {MetricFormat.Number(perSecond)} {unit}/s in training" : "";
        reporter.Say($"{Outcome(summary)} (epoch {summary.best_epoch} of {summary.epochs}), {MetricFormat.Duration(summary.seconds)}{rate}");
        reporter.Say($"  report       {result.Run.ReportFile}");
        reporter.Say($"  summary      {result.Run.SummaryFile}");
        reporter.Say($"  checkpoints  {result.Run.Checkpoints}");
        reporter.Say("next: --set train.epochs=30 trains longer, --set model.name=NAME another model of ./attention models;");
        if (summary.images_per_second is not null)
            reporter.Say("      your own pictures go into FOLDER/train/CLASS and FOLDER/val/CLASS: see configs/cifar10/vit_tiny.yaml");
        else if (Directory.Exists(result.Run.Tokenizer))
            reporter.Say($"      ./attention generate {result.Run} \"A beginning\" goes on with a text");
    }

    private static string Outcome(RunSummary summary) => summary switch
    {
        { metric: "top1" } => $"top-1 {summary.best.GetValueOrDefault("top1").ToString("P2", CultureInfo.InvariantCulture)} on held-out images",
        { metric: "loss" } => $"loss {MetricFormat.Number(summary.val_loss ?? double.NaN)} (perplexity {MetricFormat.Number(summary.best.GetValueOrDefault("perplexity"))}) on held-out text",
        _ => $"{summary.metric} {MetricFormat.Value(summary.metric, summary.best.GetValueOrDefault(summary.metric))} on held-out data",
    };
}
