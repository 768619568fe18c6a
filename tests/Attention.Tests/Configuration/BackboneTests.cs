using System.Text.Json.Nodes;
using Attention.Engine.Configuration;
using Attention.Models;
using Attention.Models.Dense;
using Attention.Models.Vision;
using Xunit;

namespace Attention.Tests.Configuration;

/// <summary>A backbone within another model's record.</summary>
public class BackboneTests
{
    private sealed record FrameConfig : DenseModelConfig;

    private static FrameConfig Bound(string yaml) => ConfigLoader.Parse<FrameConfig>(yaml).Value;

    [Fact]
    public void Its_fields_are_laid_over_the_variants_record()
    {
        var backbone = Bound("backbone: {name: swin_tiny_patch4_window7_224, drop_path_rate: 0.2}\nnum_classes: 3").backbone;
        Assert.Equal("swin_tiny_patch4_window7_224", backbone.name);
        var swin = Assert.IsType<SwinConfig>(backbone.config);
        Assert.Equal(0.2, swin.drop_path_rate);
        Assert.Equal([2, 2, 6, 2], swin.depths);
    }

    [Fact]
    public void Without_a_name_the_frames_own_backbone_is_changed()
    {
        var backbone = Bound("backbone: {in_chans: 1}").backbone;
        Assert.Equal(("resnet50", 1), (backbone.name, backbone.config.in_chans));
    }

    [Fact]
    public void A_name_alone_is_enough() => Assert.Equal("van_b0", Bound("backbone: van_b0").backbone.name);

    [Theory]
    [InlineData("backbone: vit_tny_patch16_224", "there is no backbone named 'vit_tny_patch16_224'")]
    [InlineData("backbone: gpt2", "there is no backbone named 'gpt2'")]
    [InlineData("backbone: {name: resnet18, dept: 2}", "unknown key 'dept' in 'backbone' (resnet18)")]
    [InlineData("backbone: [resnet18]", "'backbone' is a list, but must be a map with a name")]
    public void Mistakes_are_named(string yaml, string message) =>
        Assert.Contains(message, Assert.Throws<ConfigError>(() => Bound(yaml)).Message);

    [Fact]
    public void It_is_written_as_it_is_read()
    {
        var config = ConfigLoader.Parse<FrameConfig>("backbone: {name: resnet18, drop_path_rate: 0.1}");
        var again = Bound(config.ToYaml()).backbone;
        Assert.Equal(("resnet18", 0.1), (again.name, again.config.drop_path_rate));
    }

    [Fact]
    public void The_schema_has_it_once()
    {
        var models = new JsonSchema.NamedRecord(["frame"], new FrameConfig());
        var resnet = new JsonSchema.NamedRecord(["resnet18"], ModelRegistry.Family("resnet18").Config("resnet18"));
        var schema = JsonSchema.Of<ExperimentConfig>(models, resnet);
        var frame = schema["properties"]!["model"]!["anyOf"]![1]!;
        Assert.Equal("#/definitions/backbone", (string?)frame["properties"]!["backbone"]!["allOf"]![0]!["$ref"]);
        Assert.Equal("""{"enum":["resnet18"]}""", schema["definitions"]!["backbone"]!["anyOf"]![0]!.ToJsonString());
        Assert.IsType<JsonObject>(schema["definitions"]!["backbone"]!["anyOf"]![1]!["properties"]!["drop_path_rate"]);
    }

    [Fact]
    public void It_is_built_without_a_classifier()
    {
        using var model = BackboneConfig.Of("resnet18").Create();
        Assert.Equal(0, model.num_classes);
    }
}
