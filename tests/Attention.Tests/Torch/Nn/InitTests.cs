using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Attention.Tests.Torch.Nn;

/// <summary>Distributions that initialisers draw from, and layers start with.</summary>
public sealed class InitTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public InitTests() => manual_seed(5);

    public void Dispose() => scope.Dispose();

    private static void HasMoments(Tensor tensor, double mean, double std, double bound = double.PositiveInfinity)
    {
        Assert.InRange(tensor.mean().ToDouble(), mean - std / 20, mean + std / 20);
        Assert.InRange(tensor.std().ToDouble(), 0.97 * std, 1.03 * std);
        Assert.True(tensor.abs().max().ToDouble() <= bound);
    }

    [Fact]
    public void Gains()
    {
        Assert.Equal(Math.Sqrt(2), init.calculate_gain(init.NonlinearityType.ReLU), 12);
        Assert.Equal(5.0 / 3, init.calculate_gain(init.NonlinearityType.Tanh), 12);
        Assert.Equal(Math.Sqrt(2 / 1.04), init.calculate_gain(init.NonlinearityType.LeakyReLU, 0.2), 12);
        Assert.Equal(1, init.calculate_gain(init.NonlinearityType.Sigmoid));
        Assert.Equal((12, 8), init.CalculateFanInAndFanOut(zeros(2, 3, 2, 2)));
        Assert.Throws<ArgumentException>(() => init.CalculateFanInAndFanOut(zeros(3)));
    }

    [Fact]
    public void VariancesByFan()
    {
        var w = zeros(200, 50, 2, 2).requires_grad_();
        HasMoments(init.xavier_uniform_(w), 0, Math.Sqrt(2.0 / 1000), Math.Sqrt(6.0 / 1000));
        HasMoments(init.xavier_normal_(w, 2), 0, 2 * Math.Sqrt(2.0 / 1000));
        HasMoments(init.kaiming_uniform_(w), 0, Math.Sqrt(2.0 / 200), Math.Sqrt(6.0 / 200));
        HasMoments(init.kaiming_normal_(w, 0, init.FanInOut.FanOut, init.NonlinearityType.ReLU), 0, Math.Sqrt(2.0 / 800));
        Assert.True(w.is_leaf && w.requires_grad);
    }

    [Fact]
    public void TruncatedNormal()
    {
        var w = zeros(40_000);
        // The standard deviation of a normal distribution that is cut at two of its own is 0.8796.
        HasMoments(init.trunc_normal_(w, std: 0.02, a: -0.04, b: 0.04), 0, 0.02 * 0.8796, 0.04);
        HasMoments(init.trunc_normal_(w, std: 0.02), 0, 0.02);
        Assert.True(init.trunc_normal_(w, 1, 0.5, 1, 2).min().ToDouble() >= 1);
    }

    [Fact]
    public void Matrices()
    {
        Assert.True(init.eye_(empty(2, 3)).equal(eye(2, 3)).ToBoolean());
        var wide = init.orthogonal_(empty(3, 2, 4), 2).reshape(3, 8);
        Assert.True(wide.matmul(wide.t()).allclose(eye(3) * 4, atol: 1e-5));
        var tall = init.orthogonal_(empty(8, 3));
        Assert.True(tall.t().matmul(tall).allclose(eye(3), atol: 1e-5));
        var kernel = init.dirac_(empty(4, 3, 3, 3));
        var x = randn(2, 3, 5, 5);
        var y = nn.functional.conv2d(x, kernel, padding: [1, 1]);
        Assert.True(y.narrow(1, 0, 3).allclose(x, atol: 1e-6));
        Assert.Equal(0, y.select(1, 3).abs().max().ToDouble());
        Assert.Equal(9, (init.sparse_(empty(10, 3), 0.3) == 0).sum().ToDouble());
        Assert.Equal(6, init.constant_(empty(3), 2).sum().ToDouble());
    }

    [Fact]
    public void LayersStartAsInPyTorch()
    {
        using var linear = Linear(300, 200);
        double bound = 1 / Math.Sqrt(300);
        HasMoments(linear.weight, 0, bound / Math.Sqrt(3), bound);
        Assert.True(linear.bias!.abs().max().ToDouble() <= bound);
        using var convolution = Conv2d(16, 64, 5);
        HasMoments(convolution.weight, 0, 0.05 / Math.Sqrt(3), 0.05);
        using var table = Embedding(300, 100, padding_idx: 3);
        HasMoments(table.weight!, 0, 1);
        Assert.Equal(0, table.weight![3].abs().sum().ToDouble());
        using var attention = MultiheadAttention(64, 4);
        HasMoments(attention.get_parameter("in_proj_weight")!, 0, Math.Sqrt(2.0 / 256));
        Assert.Equal(0, attention.get_parameter("out_proj.bias")!.abs().sum().ToDouble());
        using var lstm = LSTM(10, 100);
        HasMoments(lstm.get_parameter("weight_hh_l0")!, 0, 0.1 / Math.Sqrt(3), 0.1);
        Assert.Equal(ScalarType.BFloat16, Linear(2, 2, dtype: ScalarType.BFloat16).weight.dtype);
    }

    [Fact]
    public void SeedsDecide()
    {
        manual_seed(3);
        var first = Linear(4, 4).weight;
        manual_seed(3);
        Assert.True(first.equal(Linear(4, 4).weight).ToBoolean());
    }
}
