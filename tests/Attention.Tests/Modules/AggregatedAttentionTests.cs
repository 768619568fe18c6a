using Attention.Engine.Verification;
using Attention.Modules;
using Attention.Torch;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Modules;

public sealed class AggregatedAttentionTests : IDisposable
{
    private static readonly AggregatedAttentionConfig config = new() { num_heads = 2, sr_ratio = 2 };

    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    // Larger weights than a fresh module's, so that positions and neighbours matter.
    private static AggregatedAttention Filled(AggregatedAttentionConfig config)
    {
        var attention = new AggregatedAttention(8, config);
        using var _ = no_grad();
        foreach (var (name, parameter) in attention.named_parameters())
        {
            using var values = FormulaFill.Parameter(name, parameter.shape, parameter.ndim > 1 ? "weight" : "shift", 1);
            parameter.copy_(values);
        }
        return attention;
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 5)]
    [InlineData(7, 4)]
    public void Any_map_is_taken(int height, int width)
    {
        using var attention = Filled(config);
        var x = FormulaFill.Input("x", [2, height, width, 8]).requires_grad_();
        var y = attention.call(x);
        Assert.Equal(x.shape, y.shape);
        y.pow(2).sum().backward();
        Assert.True(x.grad!.isfinite().all().item<bool>());
        Assert.All(attention.named_parameters(), p => Assert.True(p.parameter.grad!.isfinite().all().item<bool>()));
    }

    [Fact]
    public void A_position_sees_its_neighbours_one_by_one_and_the_rest_pooled()
    {
        // One pooled cell for all: exchanging two distant positions changes a third one's result no more than rounding.
        using var attention = Filled(config with { fixed_pool_size = 1 });
        using var _ = no_grad();
        var x = FormulaFill.Input("x", [1, 6, 6, 8]);
        var order = arange(36, ScalarType.Int64);
        (order[30], order[35]) = (tensor(35L), tensor(30L));
        var exchanged = x.flatten(1, 2).index_select(1, order).view(1, 6, 6, 8);
        var (before, after) = (attention.call(x), attention.call(exchanged));
        Assert.True(allclose(before[0, 1, 1], after[0, 1, 1], 1e-4, 1e-5));
        Assert.False(allclose(before[0, 4, 4], after[0, 4, 4], 1e-3, 1e-3));
    }

    [Fact]
    public void A_bias_of_one_size_is_interpolated_to_others_and_kept_at_its_own()
    {
        using var _ = no_grad();
        using var own = Filled(config with { pretrain_size = 6 });
        using var trained = Filled(config with { pretrain_size = 6, trained_size = 6 });
        var (same, other) = (FormulaFill.Input("x", [1, 6, 6, 8]), FormulaFill.Input("x", [1, 10, 10, 8]));
        Assert.True(allclose(own.call(same), trained.call(same), 1e-4, 1e-5));
        Assert.False(allclose(own.call(other), trained.call(other), 1e-4, 1e-4));
    }

    [Fact]
    public void Half_precision_regions_give_nearly_the_same()
    {
        using var attention = Filled(config with { shared_head = 1, routed_head = 1 });
        var x = FormulaFill.Input("x", [1, 6, 6, 8]);
        var exact = attention.call(x).detach();
        Tensor near;
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16, true))
            near = attention.call(x).to_type(ScalarType.Float32);
        Assert.True(allclose(exact, near, 0.05, 0.05));
        near.sum().backward();
        Assert.All(attention.named_parameters(), p => Assert.True(p.parameter.grad!.isfinite().all().item<bool>()));
    }

    [Fact]
    public void Windows_without_a_middle_are_refused()
    {
        var error = Assert.Throws<UserError>(() => new AggregatedAttention(8, config with { window_size = 4 }));
        Assert.Contains("window_size 4", error.Message);
    }
}
