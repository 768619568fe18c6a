using System.ComponentModel.DataAnnotations;
using Attention.Engine.Configuration;
using Xunit;

namespace Attention.Tests.Configuration;

/// <summary>Records as a model's author writes them.</summary>
public class BinderTests
{
    public enum PoolKind { Token, GlobalAverage }

    public abstract record MixerConfig
    {
        public int num_heads { get; init; } = 8;
    }

    public record SoftmaxConfig : MixerConfig
    {
        public bool qkv_bias { get; init; } = true;
    }

    public record AgentConfig : MixerConfig
    {
        public int agents { get; init; } = 49;
    }

    public record NetConfig
    {
        public int[] depths { get; init; } = [2, 2, 6, 2];
        public IReadOnlyList<double> rates { get; init; } = [0.1];
        public (int, int) window { get; init; } = (7, 7);
        public PoolKind pool { get; init; } = PoolKind.Token;
        public float scale { get; init; } = 1;
        public long limit { get; init; } = 1;
        public Dictionary<string, double> weights { get; init; } = [];
        public MixerConfig attention { get; init; } = new SoftmaxConfig();

        [AllowedValues("layernorm", "batchnorm")]
        public string norm { get; init; } = "layernorm";

        [Range(1, 8)]
        public int? groups;

        public int Derived => depths.Length;
    }

    static BinderTests() => PartFamily.Register<MixerConfig>(
        ["softmax", "agent"],
        name => name == "agent" ? new AgentConfig() : new SoftmaxConfig(),
        part => part is AgentConfig ? "agent" : "softmax");

    private static NetConfig Bind(string options, NetConfig? defaults = null) =>
        Part(options).Bind(defaults ?? new NetConfig());

    private static NamedPart Part(string options) =>
        ConfigLoader.Parse<ExperimentConfig>($"data: {{name: shapes, path: x}}\nmodel:\n  name: net_tiny\n{options}", "x.yaml").Value.model;

    [Fact]
    public void Lists_tuples_enums_dictionaries_and_fields()
    {
        var net = Bind("""
              depths: [1, 1]
              rates:
              - 0.5
              - 1e-1
              window: [3, 5]
              pool: global_average
              scale: .5
              limit: 5000000000
              weights: {cat: 2, dog: 0.5}
              norm: batchnorm
              groups: 4
            """);
        Assert.Equal([1, 1], net.depths);
        Assert.Equal([0.5, 0.1], net.rates);
        Assert.Equal((3, 5), net.window);
        Assert.Equal(PoolKind.GlobalAverage, net.pool);
        Assert.Equal(0.5f, net.scale);
        Assert.Equal(5_000_000_000, net.limit);
        Assert.Equal(2, net.weights["cat"]);
        Assert.Equal("batchnorm", net.norm);
        Assert.Equal(4, net.groups);
    }

    [Fact]
    public void Options_are_laid_over_the_variants_record()
    {
        var variant = new NetConfig { depths = [9], norm = "batchnorm", attention = new AgentConfig { agents = 16, num_heads = 2 } };
        var net = Bind("  attention: {num_heads: 4}\n  scale: 2\n", variant);
        Assert.Equal([9], net.depths);
        Assert.Equal("batchnorm", net.norm);
        Assert.Equal(new AgentConfig { agents = 16, num_heads = 4 }, net.attention);
        Assert.Equal(1f, variant.scale);
    }

    [Fact]
    public void A_registered_family_is_chosen_by_name()
    {
        Assert.Equal(new AgentConfig { agents = 9 }, Bind("  attention: {name: agent, agents: 9}").attention);
        Assert.Equal(new AgentConfig(), Bind("  attention: agent").attention);
        Assert.Equal(new SoftmaxConfig { num_heads = 2 }, Bind("  attention: {num_heads: 2}").attention);
    }

    [Theory]
    [InlineData("  depts: [1]", "x.yaml:4: unknown key 'depts' in 'model' (net_tiny)", "did you mean 'depths'?")]
    [InlineData("  Derived: 3", "x.yaml:4: unknown key 'Derived' in 'model' (net_tiny)", "possible keys: groups, depths, rates, window, pool, scale, limit, weights, attention, norm")]
    [InlineData("  attention: {name: agnet}", "x.yaml:4: there is no model.attention named 'agnet'", "did you mean 'agent'?")]
    [InlineData("  attention: {name: agent, qkv_bias: true}", "x.yaml:4: unknown key 'qkv_bias' in 'model.attention' (agent)", "possible keys: name, num_heads, agents")]
    [InlineData("  depths: [1, two]", "x.yaml:4: 'model.depths[1]' is 'two', but must be a whole number", "for example: 1")]
    [InlineData("  norm: batch_norm", "x.yaml:4: 'model.norm' is 'batch_norm', but must be one of: layernorm, batchnorm", "did you mean 'batchnorm'?")]
    [InlineData("  groups: 9", "x.yaml:4: 'model.groups' is 9, but must be from 1 to 8", "write a value that is from 1 to 8")]
    [InlineData("  pool: GlobalAverage", "x.yaml:4: 'model.pool' is 'GlobalAverage', but must be one of: token, global_average", "did you mean 'global_average'?")]
    public void Options_are_checked_with_their_line(string options, string message, string advice)
    {
        var error = Assert.Throws<ConfigError>(() => Bind(options));
        Assert.Equal(message, error.Message);
        Assert.Equal(advice, error.Advice);
    }

    [Fact]
    public void An_unknown_part_is_named_with_its_line()
    {
        var error = Part("").Unknown(["net_small", "net_tiny_v2", "vit"]);
        Assert.Equal("x.yaml:3: there is no model named 'net_tiny'", error.Message);
        Assert.Equal("did you mean 'net_tiny_v2'?", error.Advice);
    }

    [Fact]
    public void A_bound_part_shows_all_of_its_fields()
    {
        var config = ConfigLoader.Parse<ExperimentConfig>("data: {name: shapes, path: x}\nmodel: {name: net_tiny, scale: 2, attention: agent}", "x.yaml");
        var shown = config.Showing(config.Value.model, config.Value.model.Bind(new NetConfig()));
        var values = shown.Flatten().ToDictionary(value => value.Key);
        Assert.Equal("net_tiny", values["model.name"].Value);
        Assert.Equal(("2", "x.yaml:2"), (values["model.scale"].Value, values["model.scale"].Origin.ToString()));
        Assert.Equal(("agent", "x.yaml:2"), (values["model.attention.name"].Value, values["model.attention.name"].Origin.ToString()));
        Assert.Equal(("49", "default"), (values["model.attention.agents"].Value, values["model.attention.agents"].Origin.ToString()));
        Assert.Equal(("[2, 2, 6, 2]", "default"), (values["model.depths"].Value, values["model.depths"].Origin.ToString()));
        // What is shown can be loaded and bound again.
        Assert.Equal(2, ConfigLoader.Parse<ExperimentConfig>(shown.ToCommentedYaml()).Value.model.Bind(new NetConfig()).scale);
    }

    [Theory]
    [InlineData("", "abc", 3)]
    [InlineData("optimizer", "optimzer", 1)]
    [InlineData("epochs", "epcohs", 1)]
    [InlineData("kitten", "sitting", 3)]
    public void Distance_counts_edits_and_swaps(string a, string b, int distance)
    {
        Assert.Equal(distance, Spelling.Distance(a, b));
        Assert.Equal(distance, Spelling.Distance(b, a));
    }
}
