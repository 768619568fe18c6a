using Attention.Engine.Configuration;

namespace Attention.Cli.Commands;

/// <summary>
/// Prints the JSON schema of a configuration. An editor takes it from a first line such as
/// <c># yaml-language-server: $schema=schema.json</c>.
/// </summary>
internal sealed class ConfigSchemaCommand() : CliCommand("config schema", "Print the JSON schema of configs, for editors")
{
    public override int Run(CommandContext context)
    {
        JsonText.Write(context.Terminal.Out, json => JsonSchema.Of<ExperimentConfig>().WriteTo(json));
        return 0;
    }
}
