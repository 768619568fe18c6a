using Attention.Torch;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Extensions;

public sealed class AuxiliaryLossesTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static float[] Values(Tensor tensor) => tensor.detach().data<float>().ToArray();

    [Fact]
    public void Nothing_happens_where_no_one_collects()
    {
        Assert.False(AuxiliaryLosses.Wanted);
        AuxiliaryLosses.Add("balance", ones([]));
        using var losses = AuxiliaryLosses.Collect();
        Assert.True(AuxiliaryLosses.Wanted);
        Assert.Empty(losses.Means());
        Assert.Equal(0, losses.Total().item<float>());
    }

    [Fact]
    public void Losses_of_a_name_count_by_their_mean_and_names_add_up()
    {
        using var losses = AuxiliaryLosses.Collect();
        var w = ones([]).requires_grad_();
        using (NewDisposeScope())
        {
            AuxiliaryLosses.Add("balance", w * 2, 0.5);
            AuxiliaryLosses.Add("balance", w * 4, 0.5);
            AuxiliaryLosses.Add("entropy", w * 10, 0.1);
        }
        Assert.Equal(3, losses.Means()["balance"]);
        Assert.Equal(10, losses.Means()["entropy"]);
        var total = losses.Total();
        Assert.Equal(2.5f, total.item<float>());
        total.backward();
        Assert.Equal(2.5f, w.grad!.item<float>());
    }

    [Fact]
    public void The_innermost_collector_takes_all()
    {
        using var outer = AuxiliaryLosses.Collect();
        using (var inner = AuxiliaryLosses.Collect())
        {
            AuxiliaryLosses.Add("balance", ones([]));
            Assert.Equal(1, inner.Total().item<float>());
        }
        Assert.Empty(outer.Means());
        AuxiliaryLosses.Add("balance", ones([]) * 3);
        Assert.Equal(3, outer.Total().item<float>());
    }

    // Value, losses and gradients of two blocks that each add a loss.
    private static float[][] Train(bool checkpoint, bool nested)
    {
        manual_seed(3);
        var input = randn(4, 8);
        var weights = Enumerable.Range(0, 2).Select(_ => randn(8, 8).requires_grad_()).ToArray();
        using var losses = AuxiliaryLosses.Collect();
        var x = input;
        foreach (var w in weights)
        {
            Tensor Block(Tensor t)
            {
                var y = t.matmul(w).tanh();
                AuxiliaryLosses.Add("size", y.pow(2).mean(), 0.3);
                return y;
            }
            Tensor Twice(Tensor t) => nested ? ActivationCheckpoint.Run(Block, Block(t)) : Block(Block(t));
            x = checkpoint ? ActivationCheckpoint.Run(Twice, x) : Block(Block(x));
        }
        var total = x.sum() + losses.Total();
        total.backward();
        // The second run adds nothing more.
        return [Values(total), [(float)losses.Means()["size"]], .. weights.Select(w => Values(w.grad!)), Values(losses.Total())];
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Recomputation_counts_a_loss_once_and_carries_its_gradient(bool nested) =>
        Assert.Equal(Train(checkpoint: false, nested: false), Train(checkpoint: true, nested));
}
