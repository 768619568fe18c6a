using Attention.Engine.Configuration;
using Attention.Models;

namespace Attention.Cli.Commands;

/// <summary>
/// Prints the JSON schema of a configuration. An editor takes it from a first line such as
/// <c># yaml-language-server: $schema=schema.json</c>.
/// </summary>
internal sealed class ConfigSchemaCommand() : CliCommand("config schema", "Print the JSON schema of configs, for editors")
{
    public override int Run(CommandContext context)
    {
        var models = ModelRegistry.Names.GroupBy(name => ModelRegistry.Family(name).Name)
            .Select(family => new JsonSchema.NamedRecord(family.ToArray(), ModelRegistry.Family(family.First()).Config(family.First())));
        var schema = JsonSchema.Of<ExperimentConfig>([.. models]);
        JsonText.Write(context.Terminal.Out, json => schema.WriteTo(json));
        return 0;
    }
}
