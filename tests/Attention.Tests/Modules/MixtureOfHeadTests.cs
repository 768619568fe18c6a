using Attention.Models;
using Attention.Models.Vision;
using Attention.Modules;
using Attention.Torch;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Modules;

public sealed class MixtureOfHeadTests : IDisposable
{
    private static readonly MixtureOfHeadAttentionConfig config = new() { num_heads = 8, shared_head = 2, routed_head = 3 };

    private readonly DisposeScope scope = NewDisposeScope();

    public MixtureOfHeadTests() => manual_seed(0);

    public void Dispose() => scope.Dispose();

    private static Tensor Weight(nn.Module module, string name) => module.get_parameter(name)!;

    private sealed class Owner() : nn.Module(nameof(Owner));

    [Fact]
    public void A_token_uses_the_shared_heads_and_its_best_of_the_others()
    {
        using var owner = new Owner();
        var router = new HeadRouter(owner, 16, num_heads: 8, shared_head: 2, routed_head: 3);
        var x = randn(4, 5, 16);
        var gates = router.Gates(x);
        Assert.Equal(new long[] { 4, 5, 8 }, gates.shape);

        var kinds = x.matmul(Weight(owner, "wg_0.weight").t()).softmax(-1) * 2;
        var shared = gates.narrow(-1, 0, 2);
        Assert.True(allclose(shared.sum(-1), kinds[.., .., 0] * 2, 1e-4, 1e-5));
        var routed = gates.narrow(-1, 2, 6);
        Assert.True(allclose(routed.sum(-1), kinds[.., .., 1] * 3, 1e-4, 1e-5));
        Assert.All(routed.ne(0).sum(-1).data<long>().ToArray(), count => Assert.Equal(3, count));
        // Those left out are less likely than those chosen.
        var shares = x.matmul(Weight(owner, "wg.weight").t()).softmax(-1);
        var worstChosen = shares.masked_fill(routed.eq(0), double.PositiveInfinity).amin([-1]);
        Assert.True(worstChosen.gt(shares.masked_fill(routed.ne(0), double.NegativeInfinity).amax([-1])).all().item<bool>());
    }

    [Theory]
    [InlineData(8, 9, 0)]
    [InlineData(8, 4, 5)]
    [InlineData(8, 4, 0)]
    [InlineData(8, -1, 2)]
    public void Numbers_of_heads_that_do_not_fit_are_refused(int heads, int shared, int routed)
    {
        var error = Assert.Throws<UserError>(() => new MixtureOfHeadAttention(16, config with { num_heads = heads, shared_head = shared, routed_head = routed }));
        Assert.Contains("heads cannot be", error.Message);
    }

    [Fact]
    public void The_balance_loss_reaches_the_router_and_no_other_weight()
    {
        using var attention = new MixtureOfHeadAttention(16, config);
        using var losses = AuxiliaryLosses.Collect();
        using (NewDisposeScope())
            attention.call(randn(4, 5, 16));
        losses.Total().backward();
        Assert.True(Weight(attention, "wg.weight").grad!.abs().max().item<float>() > 0);
        Assert.All(attention.named_parameters().Where(p => p.name != "wg.weight"), p => Assert.Null(p.parameter.grad));
    }

    [Fact]
    public void Only_training_adds_a_balance_loss()
    {
        using var attention = new MixtureOfHeadAttention(16, config);
        attention.eval();
        using var losses = AuxiliaryLosses.Collect();
        attention.call(randn(4, 5, 16));
        Assert.Empty(losses.Means());
        Assert.Equal(0, losses.Total().item<float>());
        attention.train();
        attention.call(randn(4, 5, 16));
        Assert.Equal([HeadRouter.BalanceLoss], losses.Means().Keys);
    }

    [Fact]
    public void The_balance_loss_is_least_where_heads_are_used_alike()
    {
        using var attention = new MixtureOfHeadAttention(6, config with { num_heads = 8, head_dim = 4, shared_head = 2, routed_head = 3 });
        // Each token prefers three heads of six; together they prefer all alike.
        using (no_grad())
            Weight(attention, "wg.weight").copy_(eye(6));
        double Loss(Tensor x)
        {
            using var losses = AuxiliaryLosses.Collect();
            attention.call(x);
            return losses.Means()[HeadRouter.BalanceLoss];
        }
        var balanced = tensor(new float[] { 9, 9, 9, 0, 0, 0, 0, 0, 0, 9, 9, 9 }, [1, 2, 6]);
        Assert.Equal(3, Loss(balanced), 1e-3);
        Assert.Equal(6, Loss(balanced.narrow(1, 0, 1)), 1e-2);
    }

    [Fact]
    public void Training_balances_a_router_that_prefers_some_heads()
    {
        using var attention = new MixtureOfHeadAttention(16, config with { routed_head = 2, balance_weight = 1 });
        var x = randn(16, 16, 16) + 1;
        using (no_grad())
            Weight(attention, "wg.weight").narrow(0, 0, 2).fill_(0.5f);
        double[] Shares()
        {
            using var use = HeadUse.Watch(attention);
            attention.call(x);
            return [.. use.Layers.Single().Shares];
        }
        var before = Shares();
        Assert.Equal([1.0, 1.0], before[..2]);
        Assert.Equal(2, before[2..].Sum(), 1e-5);
        Assert.True(before[2..].Max() > 0.9, string.Join(" ", before));
        using var optimizer = optim.AdamW(attention.parameters(), lr: 0.02);
        for (int step = 0; step < 100; step++)
        {
            using var inner = NewDisposeScope();
            using var losses = AuxiliaryLosses.Collect();
            var loss = (attention.call(x) - x).pow(2).mean() + losses.Total();
            optimizer.zero_grad();
            loss.backward();
            optimizer.step();
        }
        var after = Shares();
        Assert.All(after[2..], share => Assert.InRange(share, 0.2, 0.5));
    }

    [Fact]
    public void Head_use_names_the_layers_of_a_model()
    {
        using var model = (TransNeXt)ModelRegistry.Create<TransNeXtConfig>("moh_transnext_base_50", c => c with
        {
            img_size = 32,
            depths = [1, 1, 1, 2],
            embed_dims = [8, 8, 8, 8],
            num_heads = [4, 4, 4, 4],
            shared_head = [2, 4, 1, 0],
            routed_head = [1, 0, 2, 2],
        });
        model.eval();
        using var _ = no_grad();
        using var use = HeadUse.Watch(model);
        model.call(randn(2, 3, 32, 32));
        model.call(randn(2, 3, 32, 32));
        Assert.Equal(["block1.0.attn", "block2.0.attn", "block3.0.attn", "block4.0.attn", "block4.1.attn"], use.Layers.Select(layer => layer.Layer));
        Assert.Equal([3.0, 4, 3, 2, 2], use.Layers.Select(layer => Math.Round(layer.Shares.Sum(), 6)));
        Assert.All(use.Layers, layer => Assert.Equal(4, layer.Shares.Count));
        Assert.All(use.Layers[0].Shares, share => Assert.InRange(share, 0, 1));
    }

    [Fact]
    public void Query_norms_choose_the_heads_with_the_longest_queries()
    {
        using var owner = new Owner();
        owner.eval();
        var router = new QueryNormRouter(owner, num_heads: 8, shared_head: 3, routed_head: 2);
        var queries = randn(4, 5, 8, 6);
        var gates = router.Gates(queries);
        Assert.Equal(new long[] { 4, 5, 8 }, gates.shape);
        Assert.All(gates.sum(-1).data<float>().ToArray(), sum => Assert.Equal(5, sum));
        Assert.True(gates.narrow(-1, 0, 3).eq(1).all().item<bool>());
        var lengths = queries.narrow(2, 3, 5).pow(2).sum(-1).sqrt();
        var chosen = gates.narrow(-1, 3, 5);
        Assert.True(lengths.masked_fill(chosen.eq(0), double.PositiveInfinity).amin([-1]).gt(lengths.masked_fill(chosen.ne(0), double.NegativeInfinity).amax([-1])).all().item<bool>());
        Assert.Empty(owner.parameters());
    }

    [Fact]
    public void Quantised_scores_pass_their_gradients_straight_through_in_training_alone()
    {
        using var owner = new Owner();
        var router = new QueryNormRouter(owner, num_heads: 6, shared_head: 2, routed_head: 2);
        var probe = randn(3, 6, ScalarType.Float64);
        Tensor Gradient(Func<Tensor, Tensor> gates)
        {
            manual_seed(7);
            var queries = randn(3, 6, 4, ScalarType.Float64).requires_grad_();
            (gates(queries) * probe).sum().backward();
            return queries.grad!;
        }
        // As though the weights had been the probabilities, which come from the lengths over their deviation.
        Tensor Soft(Tensor queries)
        {
            var lengths = queries.narrow(1, 2, 4).pow(2).sum(-1).sqrt();
            return cat([zeros(3, 2, ScalarType.Float64), (lengths / lengths.std(-1, keepdim: true)).softmax(-1)], -1);
        }
        Assert.True(allclose(Gradient(Soft), Gradient(router.Gates), 1e-9, 1e-12));
        // The weights themselves stay whole numbers.
        var weights = router.Gates(randn(3, 6, 4)).data<float>().ToArray();
        Assert.All(weights, weight => Assert.True(weight is 0 or 1));
        owner.eval();
        Assert.False(router.Gates(randn(3, 6, 4).requires_grad_()).requires_grad);
    }

    [Theory]
    [InlineData(1, 1, 0)]
    [InlineData(2, 1, 1)]
    [InlineData(4, 0, 4)]
    public void Any_number_of_heads_has_finite_gradients(int heads, int shared, int routed)
    {
        using var owner = new Owner();
        var router = new QueryNormRouter(owner, heads, shared, routed);
        // Equal queries have lengths without any deviation.
        var queries = ones(2, 3, heads, 4).requires_grad_();
        var gates = router.Gates(queries);
        (gates * randn(2, 3, heads) + queries.sum(-1)).sum().backward();
        Assert.True(queries.grad!.isfinite().all().item<bool>());
        Assert.True(gates.eq(1).all().item<bool>());
    }

    [Fact]
    public void Query_norms_are_balanced_by_the_loss_too()
    {
        using var attention = new MixtureOfHeadAttention(16, config with { router = "query_norm" });
        using var losses = AuxiliaryLosses.Collect();
        using (NewDisposeScope())
            attention.call(randn(4, 5, 16));
        Assert.InRange(losses.Means()[HeadRouter.BalanceLoss], 2.5, 6);
        losses.Total().backward();
        Assert.True(Weight(attention, "qkv.weight").grad!.abs().max().item<float>() > 0);
    }

    [Fact]
    public void A_decoder_takes_no_settings_of_image_models()
    {
        var error = Assert.Throws<UserError>(() => new Attention.Models.Language.Decoder(new() { attention = config with { head_dim = 4 } }));
        Assert.Equal("attention 'moh' takes no head_dim in a decoder", error.Message);
        error = Assert.Throws<UserError>(() => new MixtureOfHeadAttention(16, config with { router = "best" }));
        Assert.Equal("router 'best' is not known", error.Message);
    }

    [Fact]
    public void Head_use_is_told_apart_by_the_tokens_classes()
    {
        using var attention = new MixtureOfHeadAttention(4, config with { num_heads = 4, shared_head = 1, routed_head = 1, router = "query_norm" });
        attention.eval();
        using var _ = no_grad();
        // Queries are the input itself, a channel for each head.
        Weight(attention, "qkv.weight").zero_();
        Weight(attention, "qkv.bias").zero_();
        Weight(attention, "qkv.weight").narrow(0, 0, 4).copy_(eye(4));
        using var use = HeadUse.Watch(attention, classes: 3);
        use.TokenClasses = tensor(new long[] { 0, 1, 1 }, [1, 3]);
        attention.call(tensor(new float[] { 0, 9, 1, 2, 0, 1, 9, 2, 0, 1, 2, 9 }, [1, 3, 4]));
        var layer = use.Layers.Single();
        Assert.Equal([1, 1, 0, 0], layer.SharesByClass[0]);
        Assert.Equal([1, 0, 0.5, 0.5], layer.SharesByClass[1]);
        Assert.Equal([1, double.NaN, double.NaN, double.NaN], layer.SharesByClass[2]);
        Assert.Equal(1.0 / 3, layer.Shares[1], 6);
    }
}
