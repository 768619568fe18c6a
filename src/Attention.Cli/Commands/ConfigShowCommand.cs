using System.Text.Json;
using Attention.Engine;
using Attention.Engine.Configuration;

namespace Attention.Cli.Commands;

/// <summary>Prints a configuration as it will be used: every value, defaults included, and where it came from.</summary>
internal sealed class ConfigShowCommand : CliCommand
{
    private readonly ConfigSource source = new();
    private readonly JsonOption asJson = new();

    public ConfigShowCommand() : base("config show", "Print every value of a config and where it came from")
    {
        source.AddTo(this);
        Add(asJson);
    }

    public override int Run(CommandContext context)
    {
        var config = source.Load(context);
        config = config.Showing(config.Value.model, ModelBuilder.Config(config.Value.model));
        if (context.Get(asJson)) JsonText.Write(context.Terminal.Out, json => WriteJson(config, json));
        else context.Terminal.Out.Write(config.ToCommentedYaml());
        return 0;
    }

    private static void WriteJson(Config<ExperimentConfig> config, Utf8JsonWriter json)
    {
        json.WriteStartArray();
        foreach (var value in config.Flatten())
        {
            json.WriteStartObject();
            json.WriteString("key", value.Key);
            json.WritePropertyName("value");
            if (JsonValues.Of(value.Node) is { } node) node.WriteTo(json);
            else json.WriteNullValue();
            json.WriteString("from", value.Origin.ToString());
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
