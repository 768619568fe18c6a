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
}
