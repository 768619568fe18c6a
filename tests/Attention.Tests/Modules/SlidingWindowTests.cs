using Attention.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Modules;

public sealed class SlidingWindowTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public SlidingWindowTests() => manual_seed(0);

    public void Dispose() => scope.Dispose();

    // (B, H, W, heads, d) to (B, H, W, heads, window², d), by unfolding.
    private static Tensor Unfolded(Tensor x, int window)
    {
        var (batch, height, width, heads, dim) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3], x.shape[4]);
        return nn.functional.unfold(x.permute(0, 3, 4, 1, 2).reshape(batch, heads * dim, height, width), window, padding: window / 2)
            .view(batch, heads, dim, window * window, height, width).permute(0, 4, 5, 1, 3, 2);
    }

    private static Tensor Random(params long[] shape) => randn(shape, ScalarType.Float64).requires_grad_();

    private static void Same(Tensor[] leaves, Tensor expected, Tensor found)
    {
        Assert.Equal(expected.shape, found.shape);
        Assert.True(allclose(expected, found, 1e-10, 1e-10));
        var probe = randn_like(expected);
        (expected * probe).sum().backward();
        var wanted = leaves.Select(leaf => leaf.grad!.clone()).ToArray();
        foreach (var leaf in leaves)
            leaf.grad!.zero_();
        (found * probe).sum().backward();
        foreach (var (leaf, grad) in leaves.Zip(wanted))
            Assert.True(allclose(grad, leaf.grad!, 1e-10, 1e-10));
    }

    [Theory]
    [InlineData(3, 5, 7)]
    [InlineData(5, 4, 6)]
    [InlineData(7, 2, 3)]
    [InlineData(1, 3, 3)]
    public void Scores_are_those_of_unfolded_keys(int window, int height, int width)
    {
        var (q, k) = (Random(2, height, width, 3, 4), Random(2, height, width, 3, 4));
        Same([q, k], (q.unsqueeze(-2) * Unfolded(k, window)).sum(-1), SlidingWindow.Scores(q, k, window));
    }

    [Theory]
    [InlineData(3, 5, 7)]
    [InlineData(5, 4, 6)]
    [InlineData(7, 2, 3)]
    public void Mixes_are_those_of_unfolded_values(int window, int height, int width)
    {
        var (weights, v) = (Random(2, height, width, 3, window * window), Random(2, height, width, 3, 4));
        Same([weights, v], (weights.unsqueeze(-1) * Unfolded(v, window)).sum(-2), SlidingWindow.Mix(weights, v, window));
    }

    [Fact]
    public void Strided_and_single_precision_inputs_give_the_same()
    {
        // As an attention has them: heads in front.
        static Tensor Float(params long[] shape) => randn(shape);
        var (q, k) = (Float(2, 3, 5, 7, 4).permute(0, 2, 3, 1, 4), Float(2, 5, 7, 3, 8).narrow(-1, 4, 4));
        Assert.True(allclose((q.unsqueeze(-2) * Unfolded(k, 3)).sum(-1), SlidingWindow.Scores(q, k, 3), 1e-4, 1e-5));
        var weights = Float(2, 3, 5, 7, 9).permute(0, 2, 3, 1, 4);
        Assert.True(allclose((weights.unsqueeze(-1) * Unfolded(k, 3)).sum(-2), SlidingWindow.Mix(weights, k, 3), 1e-4, 1e-5));
    }
}
