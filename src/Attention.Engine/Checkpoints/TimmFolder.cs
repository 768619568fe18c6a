using System.Text.Json;
using System.Text.Json.Nodes;
using Attention.Engine.Configuration;
using Attention.Engine.Runs;
using Attention.Models;

namespace Attention.Engine.Checkpoints;

/// <summary>
/// A model as timm publishes its own: <c>model.safetensors</c>, and <c>config.json</c> with the architecture and the preparation of
/// images. timm loads it by <c>timm.create_model("local-dir:FOLDER", pretrained=True)</c>.
/// </summary>
public static class TimmFolder
{
    /// <summary>Fields that timm keeps beside the model, or takes from there.</summary>
    private static readonly HashSet<string> besideTheModel =
    [
        nameof(ImageModelConfig.img_size), nameof(ImageModelConfig.in_chans), nameof(ImageModelConfig.num_classes), nameof(ImageModelConfig.crop_pct),
        nameof(ImageModelConfig.interpolation), nameof(ImageModelConfig.mean), nameof(ImageModelConfig.std),
    ];

    /// <param name="folder">Made where it is not there.</param>
    /// <param name="model">The model.</param>
    /// <param name="part">What it was built from; fields that differ from the variant's become timm's <c>model_args</c>.</param>
    /// <param name="classNames">The names of the classes; null where they are not known.</param>
    /// <exception cref="UserError">timm has nothing that would be this model.</exception>
    public static void Write(string folder, ImageModel model, NamedPart part, IReadOnlyList<string>? classNames = null)
    {
        var config = (ImageModelConfig)ModelBuilder.Config(part);
        if (config is AttentionHostConfig { attention: not null })
            throw new UserError($"'{part.name}' has another attention than its own, which timm cannot build", "export the weights alone, to a file that ends in .safetensors or .pth");
        SafeTensors.WriteFolder(folder, model.state_dict());
        AtomicFile.WriteText(Path.Combine(folder, "config.json"), Describe(model, part, config, classNames).ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
    }

    private static JsonObject Describe(ImageModel model, NamedPart part, ImageModelConfig config, IReadOnlyList<string>? classNames)
    {
        var description = new JsonObject
        {
            ["architecture"] = part.name,
            ["num_classes"] = config.num_classes,
            ["num_features"] = model.num_features,
            ["model_args"] = Differences(ModelRegistry.Family(part.name).Config(part.name), config),
            ["pretrained_cfg"] = new JsonObject
            {
                ["input_size"] = new JsonArray(config.in_chans, config.img_size, config.img_size),
                ["fixed_input_size"] = model.fixed_input_size,
                ["interpolation"] = config.interpolation,
                ["crop_pct"] = config.crop_pct,
                ["crop_mode"] = "center",
                ["mean"] = Numbers(config.mean),
                ["std"] = Numbers(config.std),
                ["num_classes"] = config.num_classes,
            },
        };
        if (classNames is not null)
            description["label_names"] = new JsonArray([.. classNames.Select(name => JsonValue.Create(name))]);
        return description;
    }

    private static JsonObject Differences(object variant, object config)
    {
        var usual = (MapNode)RecordWriter.ToNode(variant);
        var differences = new JsonObject();
        foreach (var entry in ((MapNode)RecordWriter.ToNode(config)).Entries)
        {
            var value = JsonValues.Of(entry.Value);
            if (!besideTheModel.Contains(entry.Key) && !JsonNode.DeepEquals(value, usual[entry.Key] is { } node ? JsonValues.Of(node) : null))
                differences[entry.Key] = value;
        }
        return differences;
    }

    private static JsonArray Numbers(double[] values) => new([.. values.Select(value => JsonValue.Create(value))]);
}
