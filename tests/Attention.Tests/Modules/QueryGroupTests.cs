using Attention.Models;
using Attention.Models.Vision;
using Attention.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Modules;

public sealed class QueryGroupTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public QueryGroupTests() => manual_seed(0);

    public void Dispose() => scope.Dispose();

    private static readonly AttentionSite site = new(24, 6, 1, 1);

    private static QueryGroupConfig Config(string name) => name switch
    {
        "kdgqa" => new KeyDrivenGroupConfig { num_key_value_heads = 3 },
        "dgqa" => new DynamicGroupConfig { num_key_value_heads = 3 },
        "dgqa ema" => new DynamicGroupConfig { num_key_value_heads = 3, kind = "ema", window_size = 2 },
        _ => new PerturbedGroupConfig { num_key_value_heads = 3 },
    };

    [Theory]
    [InlineData(new float[] { 1, 1, 2 }, 8, new[] { 2, 2, 4 })]
    [InlineData(new float[] { 1, 1, 1 }, 8, new[] { 2, 3, 3 })]
    [InlineData(new float[] { 1, 1, 1 }, 10, new[] { 4, 3, 3 })]
    [InlineData(new float[] { 0, 0 }, 6, new[] { 3, 3 })]
    [InlineData(new float[] { 0, 5 }, 6, new[] { 0, 6 })]
    public void Heads_are_dealt_in_proportion(float[] weights, int heads, int[] expected) =>
        Assert.Equal(expected, QueryShares.InProportion(weights, heads));

    [Theory]
    [InlineData(new float[] { 3, 4, 5 }, 6, new[] { 0, 2, 4 })]
    [InlineData(new float[] { 4, 4, 4 }, 6, new[] { 2, 2, 2 })]
    [InlineData(new float[] { 7 }, 6, new[] { 6 })]
    public void The_weakest_head_serves_none(float[] lengths, int heads, int[] expected) =>
        Assert.Equal(expected, QueryShares.AboveLeast(lengths, heads));

    [Theory]
    [InlineData("kdgqa")]
    [InlineData("dgqa")]
    public void A_head_attends_with_the_keys_that_serve_it(string name)
    {
        using var attention = Config(name).Create(site);
        attention.eval();
        using var _ = no_grad();
        attention.state_dict()["k.weight"].narrow(0, 4, 4).mul_(3);
        var x = randn(2, 7, 24);
        var found = attention.call(x);
        var served = attention.Served!;
        Assert.Equal(6, served.Sum());
        Assert.Equal(served.Max(), served[1]);

        Tensor Heads(string part, int count) => nn.functional.linear(x, attention.state_dict()[$"{part}.weight"], attention.state_dict()[$"{part}.bias"]).view(2, 7, count, 4);
        var (q, k, v) = (Heads("q", 6), Heads("k", 3), Heads("v", 3));
        var results = new List<Tensor>();
        foreach (var (group, count) in served.Index())
            for (int i = 0; i < count; i++)
                results.Add((q[.., .., results.Count].matmul(k[.., .., group].transpose(1, 2)) / 2).softmax(-1).matmul(v[.., .., group]));
        var expected = nn.functional.linear(cat([.. results], -1), attention.state_dict()["proj.weight"], attention.state_dict()["proj.bias"]);
        Assert.True(allclose(expected, found, 1e-4, 1e-5));
    }

    [Theory]
    [InlineData("diff")]
    [InlineData("ema")]
    public void Dgqa_follows_the_lengths_over_training(string kind)
    {
        using var attention = new DynamicGroupConfig { num_key_value_heads = 3, kind = kind, window_size = 2 }.Create(site);
        var cache = attention.get_buffer("cache")!;
        Tensor Lengths(Tensor x) => linalg.vector_norm(nn.functional.linear(x, attention.state_dict()["k.weight"], attention.state_dict()["k.bias"]).view(2, 7, 3, 8 / 2), dims: [1, 3]).sum(dim: 0);
        var (first, second, third) = (randn(2, 7, 24), randn(2, 7, 24) * 5, randn(2, 7, 24));
        using var _ = no_grad();
        attention.call(first);
        var expected = Lengths(first) / 2;
        Assert.True(allclose(expected, cache));
        var served = attention.Served!;
        // Not due: nothing moves.
        attention.call(second);
        Assert.True(allclose(expected, cache));
        Assert.Equal(served, attention.Served!);
        attention.call(third);
        expected = (expected + Lengths(third)) / 2;
        Assert.True(allclose(expected, cache));
        // Outside training every call counts, alone.
        attention.eval();
        attention.call(second);
        Assert.True(allclose(Lengths(second), cache));
    }

    [Fact]
    public void Pgqa_subtracts_noise_of_the_same_mean_and_deviation_in_training()
    {
        var grouping = (QueryGrouping)new PerturbedGroups(new Owner(), causal: false);
        var (q, k, v) = (randn(2, 4, 9, 8), randn(2, 2, 9, 8), randn(2, 2, 9, 8) + 1);
        var plain = ScaledDotProduct.AttendGrouped(q, k, v, null);
        var noise = (plain - grouping.Attend(q, k, v, null, new())).flatten(2);
        Assert.True(allclose(plain.flatten(2).mean([-1]), noise.mean([-1]), 1e-4, 1e-5));
        Assert.True(allclose(plain.flatten(2).std(-1), noise.std(-1), 1e-4, 1e-5));
        Assert.True(noise.std(-1).gt(0.01).all().item<bool>());
    }

    private sealed class Owner() : nn.Module(nameof(Owner));

    [Fact]
    public void Pgqa_is_the_same_every_time_outside_training()
    {
        using var attention = Config("pgqa").Create(site);
        var x = randn(2, 7, 24);
        Assert.False(attention.call(x).equal(attention.call(x)).all().item<bool>());
        attention.eval();
        Assert.True(attention.call(x).equal(attention.call(x)).all().item<bool>());
    }

    // Key-driven allocation is a step function of the keys: between its steps gradients are those of plain attention.
    [Theory]
    [InlineData("kdgqa")]
    [InlineData("dgqa")]
    public void Gradients_agree_with_finite_differences(string name)
    {
        using var attention = Config(name).Create(site);
        attention.to(ScalarType.Float64);
        attention.eval();
        var probe = randn(1, 5, 24, ScalarType.Float64);
        double Loss(Tensor x)
        {
            using var _ = no_grad();
            attention.get_buffer("cache")?.zero_();
            return (attention.call(x) * probe).sum().item<double>();
        }
        var input = randn(1, 5, 24, ScalarType.Float64).requires_grad_();
        attention.get_buffer("cache")?.zero_();
        (attention.call(input) * probe).sum().backward();
        using var none = no_grad();
        foreach (int i in new[] { 0, 17, 60, 119 })
        {
            var step = zeros(120, ScalarType.Float64);
            step[i] = 1e-6;
            var difference = (Loss(input + step.view(1, 5, 24)) - Loss(input - step.view(1, 5, 24))) / 2e-6;
            Assert.Equal(difference, input.grad!.flatten()[i].item<double>(), 1e-6);
        }
    }

    [Theory]
    [InlineData("kdgqa")]
    [InlineData("dgqa")]
    [InlineData("dgqa ema")]
    [InlineData("pgqa")]
    public void Activation_checkpoints_change_nothing(string name)
    {
        var images = randn(2, 3, 32, 32);
        Dictionary<string, Tensor> Trained(bool checkpoint)
        {
            manual_seed(2);
            using var model = (ImageModel)ModelRegistry.Create<VitConfig>("vit_tiny_patch16_224", config => config with
            {
                img_size = 32,
                patch_size = 8,
                embed_dim = 24,
                depth = 2,
                num_heads = 6,
                num_classes = 3,
                attention = Config(name),
            });
            if (checkpoint)
                Assert.Equal(2, Block.Checkpoint(model));
            for (int step = 0; step < 3; step++)
                model.call(images * (step + 1)).sum().backward();
            return model.named_parameters().Select(p => (p.name, p.parameter.grad!)).Concat(model.named_buffers().Select(b => (b.name, b.buffer)))
                .ToDictionary(pair => pair.Item1, pair => pair.Item2.clone());
        }
        var (plain, again) = (Trained(false), Trained(true));
        Assert.All(plain, pair => Assert.True(allclose(pair.Value, again[pair.Key], 1e-4, 1e-6), pair.Key));
    }

    [Theory]
    [InlineData("kdgqa", 4, "6 heads do not divide into num_key_value_heads 4")]
    [InlineData("pgqa", 0, "6 heads do not divide into num_key_value_heads 0")]
    public void Groups_that_do_not_fit_are_named(string name, int groups, string message) =>
        Assert.Equal(message, Assert.Throws<UserError>(() => (Config(name) with { num_key_value_heads = groups }).Create(site)).Message);

    [Fact]
    public void Options_of_decoders_are_refused_in_image_models()
    {
        Assert.Equal("attention 'grouped_query' takes softcap in decoders only", Assert.Throws<UserError>(() => new GroupedQueryConfig { softcap = 2 }.Create(site)).Message);
        Assert.Equal("kind 'best' is not known", Assert.Throws<UserError>(() => new DynamicGroupConfig { kind = "best" }.Create(site)).Message);
        Assert.Equal("window_size 0 is below 1", Assert.Throws<UserError>(() => new DynamicGroupConfig { window_size = 0 }.Create(site)).Message);
    }
}
