using Attention.Models;
using Attention.Models.Vision;
using Attention.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Models;

public sealed class DiTTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public DiTTests() => manual_seed(0);

    public void Dispose() => scope.Dispose();

    private static DiTConfig Small(DiTConfig config) => config with { input_size = 8, hidden_size = 24, depth = 2, num_heads = [4], num_classes = 5 };

    private static DiT Build(DiTConfig config)
    {
        var model = new DiT(config);
        using var _ = no_grad();
        foreach (var parameter in model.parameters())
            nn.init.normal_(parameter, std: 0.1);
        model.eval();
        return model;
    }

    private static (Tensor, Tensor, Tensor) Inputs(int batch) =>
        (randn(batch, 4, 8, 8), randint(0L, 1000L, new long[] { batch }, ScalarType.Int64), randint(0L, 5L, new long[] { batch }, ScalarType.Int64));

    [Fact]
    public void A_fresh_model_gives_zeros()
    {
        using var model = new DiT(Small(new DiTConfig()));
        var (x, t, y) = Inputs(2);
        var noise = model.call(x, t, y);
        Assert.Equal(new long[] { 2, 8, 8, 8 }, noise.shape);
        Assert.Equal(0, noise.abs().max().item<float>());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_trained_parameter_receives_a_gradient(bool moh)
    {
        using var model = Build(Small(new DiTConfig { moh = moh, shared_head = [2, 4], routed_head = [1, 0], learn_sigma = false }));
        var (x, t, y) = Inputs(3);
        (model.call(x, t, y) * randn(3, 4, 8, 8)).sum().backward();
        Assert.Equal(["pos_embed"], model.named_parameters().Where(p => p.parameter.grad is null).Select(p => p.name));
    }

    [Fact]
    public void Guidance_goes_from_the_classless_to_the_class_and_beyond()
    {
        using var model = Build(Small(new DiTConfig()));
        using var _ = no_grad();
        var (x, t, y) = Inputs(1);
        Tensor Twice(Tensor half) => cat([half, half], 0);
        var both = cat([y, full_like(y, 5)], 0);
        var (with, without) = (model.call(x, t, y), model.call(x, t, full_like(y, 5)));
        var led = model.forward_with_cfg(Twice(x), Twice(t), both, cfg_scale: 3);
        var expected = (without + (with - without) * 3).narrow(1, 0, 3);
        Assert.True(allclose(expected, led.narrow(0, 0, 1).narrow(1, 0, 3), 1e-3, 1e-4));
        Assert.True(allclose(expected, led.narrow(0, 1, 1).narrow(1, 0, 3), 1e-3, 1e-4));
        Assert.True(allclose(with.narrow(1, 3, 5), led.narrow(0, 0, 1).narrow(1, 3, 5), 1e-3, 1e-4));
    }

    [Fact]
    public void Another_attention_takes_its_place()
    {
        using var model = Build(Small(new DiTConfig { attention = new AggregatedAttentionConfig() }));
        Assert.Equal(2, model.modules().OfType<AggregatedAttention>().Count());
        var (x, t, y) = Inputs(2);
        Assert.True(model.call(x, t, y).isfinite().all().item<bool>());
    }

    [Fact]
    public void Lists_of_heads_must_fit_the_depth()
    {
        var error = Assert.Throws<UserError>(() => new DiT(Small(new DiTConfig { moh = true, shared_head = [2], routed_head = [1, 1] })));
        Assert.Contains("depth is 2", error.Message);
    }

    [Fact]
    public void Every_variant_can_be_built()
    {
        var before = get_default_device();
        set_default_device(META);
        try
        {
            foreach (var name in DiT.Family.Variants.Concat(DiT.MohFamily.Variants))
                using (var model = ModelRegistry.Create(name))
                    Assert.True(model.parameters().Sum(p => p.numel()) > 30_000_000, name);
        }
        finally
        {
            set_default_device(before);
        }
    }
}
