using System.CommandLine;
using Attention.Engine.Verification;

namespace Attention.Cli.Commands;

/// <summary>Compares models with recordings of their references.</summary>
internal sealed class VerifyCommand : CliCommand
{
    private readonly Argument<string[]> recordings = new("RECORDING")
    {
        Description = "A recording, a JSON file; several may be given",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly JsonOption json = new();

    public VerifyCommand() : base("verify", "Compare models with recordings of the reference: names, outputs, gradients")
    {
        Add(recordings);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        var results = new List<Verification>();
        foreach (var path in context.Get(recordings))
        {
            context.Stop.ThrowIfCancellationRequested();
            results.Add(Verifier.Run(path));
        }
        var table = new ResultTable(
            new("model"), new("result"), new("parameters"),
            new("output_error", Scientific), new("feature_error", Scientific), new("gradient_error", Scientific));
        foreach (var result in results)
            table.Add(result.Model, result.Agrees ? "agrees" : "differs", result.Parameters, result.OutputError, result.FeatureError, result.GradientError);
        table.Write(context.Terminal, context.Get(json));
        if (!context.Get(json))
            foreach (var result in results)
                foreach (var problem in result.Problems)
                    context.Terminal.Out.WriteLine($"{result.Model}: {problem}");
        return results.All(result => result.Agrees) ? 0 : 1;
    }

    private static string Scientific(object value) => ((double)value).ToString("e1", System.Globalization.CultureInfo.InvariantCulture);
}
