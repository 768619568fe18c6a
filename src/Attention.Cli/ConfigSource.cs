using System.CommandLine;
using Attention.Engine.Configuration;

namespace Attention.Cli;

/// <summary>The arguments <c>CONFIG [--set key=value]...</c>, which every command that takes a configuration has.</summary>
internal sealed class ConfigSource
{
    private readonly Argument<string> file = new("CONFIG") { Description = "The YAML file" };
    private readonly SetOption overrides = new();

    public void AddTo(Command command)
    {
        command.Add(file);
        command.Add(overrides);
    }

    public Config<ExperimentConfig> Load(CommandContext context) => ExperimentConfig.Load(context.Get(file), context.Get(overrides) ?? []);
}

/// <summary>Values laid over the file's.</summary>
internal sealed class SetOption : Option<string[]>
{
    public SetOption() : base("--set")
    {
        Description = "Replace a value of the file, for example --set optimizer.lr=1e-3; may be given again";
        HelpName = "key=value";
    }
}
