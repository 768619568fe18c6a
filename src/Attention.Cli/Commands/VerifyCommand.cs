using System.CommandLine;
using System.Globalization;
using Attention.Engine.Verification;

namespace Attention.Cli.Commands;

/// <summary>Compares models with recordings of their references.</summary>
internal sealed class VerifyCommand : CliCommand
{
    private const int ShownProblems = 20;

    private readonly Argument<string[]> recordings = new("RECORDING")
    {
        Description = "A recording, a JSON file, or a folder of them; several may be given",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly JsonOption json = new();

    public VerifyCommand() : base("verify", "Compare models with recordings of the reference: names, outputs, gradients")
    {
        Add(recordings);
        Add(json);
    }

    /// <summary>0 where all agree, 1 where one differs, 2 where one could not be compared and none differs.</summary>
    public override int Run(CommandContext context)
    {
        var results = new List<Verification>();
        foreach (var path in context.Get(recordings).SelectMany(Files))
        {
            context.Stop.ThrowIfCancellationRequested();
            var result = Verifier.Run(path);
            results.Add(result);
            if (!context.Get(json))
                foreach (var line in Lines(result))
                    context.Terminal.Out.WriteLine(line);
        }
        if (context.Get(json))
            Table(results).Write(context.Terminal, asJson: true);
        return results.Any(result => result is { IsCompared: true, Agrees: false }) ? 1 : results.Any(result => !result.IsCompared) ? 2 : 0;
    }

    private static IEnumerable<string> Files(string path) =>
        Directory.Exists(path) ? Directory.GetFiles(path, "*.json").Order(StringComparer.Ordinal) : [path];

    private static string Outcome(Verification result) => result.Agrees ? "agrees" : result.IsCompared ? "differs" : "skipped";

    // One line for each recording, then what is wrong with it.
    private static IEnumerable<string> Lines(Verification result)
    {
        if (!result.IsCompared)
        {
            yield return $"skipped  {result.Model,-36} {result.Problems[0]}";
            yield break;
        }
        yield return string.Create(CultureInfo.InvariantCulture,
            $"{Outcome(result),-8} {result.Model,-36} {result.Parameters,11} parameters   largest error {result.LargestError:0.0e-00}   (outputs {result.OutputError:0.0e-00}, features {result.FeatureError:0.0e-00}, gradients {result.GradientError:0.0e-00})");
        foreach (var problem in result.Problems.Take(ShownProblems))
            yield return $"           {problem}";
        if (result.Problems.Count > ShownProblems)
            yield return $"           and {result.Problems.Count - ShownProblems} more";
    }

    private static ResultTable Table(IEnumerable<Verification> results)
    {
        var table = new ResultTable(
            new("model"), new("result"), new("parameters"), new("largest_error"), new("output_error"), new("feature_error"), new("gradient_error"), new("problems"));
        foreach (var result in results)
            table.Add(result.Model, Outcome(result), result.Parameters, result.LargestError, result.OutputError, result.FeatureError, result.GradientError, string.Join("\n", result.Problems));
        return table;
    }
}
