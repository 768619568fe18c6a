using System.Text.Json.Nodes;
using Attention.Engine.Configuration;
using Attention.Models;
using Xunit;

namespace Attention.Tests.Configuration;

public class JsonSchemaTests
{
    private static readonly JsonObject schema = JsonSchema.Of<ExperimentConfig>();

    private static JsonNode At(string path) => path.Split('.').Aggregate((JsonNode)schema, (node, key) => node["properties"]![key]!);

    [Theory]
    [InlineData("train.epochs", """{"description":"Passes over the training data.","type":"integer","minimum":1,"default":100}""")]
    [InlineData("clip_grad_norm", """{"description":"The largest norm that all gradients together may have; null for no limit.","type":["number","null"],"exclusiveMinimum":0}""")]
    [InlineData("task", """{"description":"What is learnt.","enum":["image_classification","language_modeling","object_detection","semantic_segmentation"],"default":"image_classification"}""")]
    [InlineData("log.report", """{"description":"Whether report.html is written.","type":"boolean","default":true}""")]
    public void A_key_has_type_limits_default_and_description(string path, string json) =>
        Assert.Equal(json, At(path).ToJsonString());

    [Fact]
    public void A_family_is_a_choice_by_name()
    {
        var choices = At("optimizer")["anyOf"]!.AsArray();
        Assert.Equal("""{"enum":["adamw","adam","sgd","lamb","lion","adafactor","muon"]}""", choices[0]!.ToJsonString());
        var adamw = choices[1]!["properties"]!;
        Assert.Equal("adamw", (string?)adamw["name"]!["const"]);
        Assert.Equal(2, (int)adamw["betas"]!["minItems"]!);
        Assert.Equal(1, (double)adamw["betas"]!["items"]![1]!["exclusiveMaximum"]!);
        Assert.Equal("[0.9,0.999]", adamw["betas"]!["default"]!.ToJsonString());
        Assert.False((bool)choices[1]!["additionalProperties"]!);
    }

    /// <summary>Lists of numbers that may be left out among them.</summary>
    [Fact]
    public void Every_model_of_the_registry_has_a_schema()
    {
        var models = ModelRegistry.Names.GroupBy(name => ModelRegistry.Family(name).Name)
            .Select(family => new JsonSchema.NamedRecord(family.ToArray(), ModelRegistry.Family(family.First()).Config(family.First()))).ToArray();
        var json = JsonSchema.Of<ExperimentConfig>(models).ToJsonString();
        Assert.Contains("""{"type":["integer","null"]}""", json);
    }

    [Fact]
    public void Every_key_of_a_resolved_config_is_known_to_the_schema()
    {
        var resolved = ConfigLoader.Parse<ExperimentConfig>("model: vit\ndata: {name: shapes, path: x}").Resolved;
        Covers(schema, resolved, "");

        static void Covers(JsonNode schema, MapNode map, string path)
        {
            foreach (var entry in map.Entries)
            {
                var maps = schema["anyOf"] is JsonArray choices && schema["properties"] is null ? choices.Where(choice => choice!["properties"] is not null) : [schema];
                var found = maps.Select(each => each!["properties"]![entry.Key]).FirstOrDefault(each => each is not null);
                Assert.True(found is not null, $"the schema lacks '{path}{entry.Key}'");
                if (entry.Value is MapNode inner && entry.Key != "model") Covers(Choice(found, inner), inner, $"{path}{entry.Key}.");
            }
        }

        static JsonNode Choice(JsonNode schema, MapNode map) => schema["anyOf"] is JsonArray choices && map["name"] is ScalarNode name
            ? choices.First(choice => (string?)choice!["properties"]?["name"]?["const"] == name.Value)!
            : schema;
    }

    private sealed record NetConfig
    {
        public int depth { get; init; } = 12;
    }

    [Fact]
    public void Models_are_a_choice_by_name_with_the_fields_of_their_record()
    {
        var model = JsonSchema.Of<ExperimentConfig>(new JsonSchema.NamedRecord(["net_tiny", "net_small"], new NetConfig()))["properties"]!["model"]!;
        Assert.Equal(
            """[{"enum":["net_tiny","net_small"]},{"type":"object","properties":{"name":{"enum":["net_tiny","net_small"]},"depth":{"type":"integer"}},"additionalProperties":false}]""",
            model["anyOf"]!.ToJsonString());
        Assert.Equal("""[{"type":"string"},{"type":"object","properties":{"name":{"type":"string"}}}]""", At("model")["anyOf"]!.ToJsonString());
    }

    [Fact]
    public void What_is_missing_may_be_the_bases() =>
        Assert.Equal("""[{"required":["base"]},{"required":["model","data"]}]""", schema["anyOf"]!.ToJsonString());
}
