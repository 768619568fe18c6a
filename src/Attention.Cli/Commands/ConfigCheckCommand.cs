using System.CommandLine;
using Attention.Engine.Configuration;
using Attention.Engine.Training;

namespace Attention.Cli.Commands;

/// <summary>Reports every mistake of one or more configurations, without training.</summary>
internal sealed class ConfigCheckCommand : CliCommand
{
    private readonly Argument<string[]> files = new("CONFIG") { Description = "One or more YAML files", Arity = ArgumentArity.OneOrMore };
    private readonly SetOption overrides = new();
    private readonly JsonOption json = new();

    public ConfigCheckCommand() : base("config check", "Report every mistake in configs, without training")
    {
        Add(files);
        Add(overrides);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        var table = new ResultTable(new("config"), new("from"), new("problem"), new("advice"));
        var (asJson, wrong) = (context.Get(json), 0);
        foreach (var file in context.Get(files))
        {
            var problems = Check(file, context.Get(overrides) ?? []);
            if (problems.Count > 0) wrong++;
            foreach (var problem in problems)
            {
                table.Add(file, problem.Origin.ToString(), problem.Message, problem.Advice);
                if (!asJson) context.Terminal.Problem(problem.ToString(), problem.Advice);
            }
            if (!asJson && problems.Count == 0) context.Terminal.Out.WriteLine($"{file}: no mistakes found");
        }
        if (asJson) table.Write(context.Terminal, asJson: true);
        return wrong == 0 ? 0 : 2;
    }

    private static IReadOnlyList<Problem> Check(string file, string[] overrides)
    {
        try
        {
            Experiment.Check(ExperimentConfig.Load(file, overrides).Value);
            return [];
        }
        catch (ConfigError error)
        {
            return error.Problems;
        }
        catch (UserError error)
        {
            return [new Problem(new Origin(file), error.Message, error.Advice)];
        }
    }
}
