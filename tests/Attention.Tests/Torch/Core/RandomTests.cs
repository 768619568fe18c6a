using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Core;

/// <summary>Random numbers: PyTorch's for the same seed, from a state that can be kept.</summary>
public sealed class RandomTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static void Near(float[] expected, Tensor actual) => Assert.Equal(expected, actual.data<float>().ToArray(), (a, b) => MathF.Abs(a - b) < 5e-5f);

    // Constants of PyTorch 1.13 on the CPU, after torch.manual_seed(0).
    [Fact]
    public void PyTorchsNumbers()
    {
        manual_seed(0);
        Near([0.4963f, 0.7682f, 0.0885f], rand(3));
        manual_seed(0);
        Near([1.5410f, -0.2934f, -2.1788f], randn(3));
        manual_seed(0);
        Assert.Equal([4L, 9, 3, 0], randint(10, [4]).data<long>().ToArray());
        manual_seed(0);
        Assert.Equal([0L, 1, 3, 2], randperm(4).data<long>().ToArray());
        manual_seed(0);
        Assert.Equal([1f, 0, 1, 1], bernoulli(full(4, 0.5)).data<float>().ToArray());
        manual_seed(0);
        Assert.Equal(0.4963f, rand_float(), 1e-4);
    }

    [Fact]
    public void AStateIsKeptAndRestored()
    {
        manual_seed(1);
        rand(5);
        var state = get_rng_state();
        var first = rand(20);
        set_rng_state(state);
        Assert.True(first.Equals(rand(20)));
        Assert.Equal(1, initial_seed());
    }

    [Fact]
    public void AGeneratorOfItsOwn()
    {
        using var generator = new Generator(3);
        Assert.Equal(3, generator.initial_seed());
        var first = rand(4, generator: generator);
        var state = generator.get_state();
        var second = randn(4, generator: generator);
        generator.set_state(state);
        Assert.True(second.Equals(randn(4, generator: generator)));
        generator.manual_seed(3);
        manual_seed(0);
        Assert.True(first.Equals(rand(4, generator: generator)));
        // The default generator was not touched.
        Near([0.4963f], rand(1));
    }

    [Fact]
    public void Distributions()
    {
        manual_seed(5);
        const int n = 20_000;
        Assert.Equal(0.5, rand(n).mean().ToSingle(), 0.02);
        Assert.Equal(2, normal(1, 2, [n]).std().ToSingle(), 0.05);
        Assert.Equal(0.25, empty(n).bernoulli_(0.25).mean().ToSingle(), 0.02);
        Assert.Equal(2, empty(n).exponential_(0.5).mean().ToSingle(), 0.06);
        var drawn = multinomial(tensor(new[] { 0f, 1, 3 }), n, replacement: true);
        Assert.Equal(0.75, drawn.eq(2).@float().mean().ToSingle(), 0.02);
        var range = randint(-3, 4, [n]);
        Assert.Equal(-3, range.min().ToInt64());
        Assert.Equal(3, range.max().ToInt64());
        Assert.Equal(3, poisson(full(n, 3.0)).mean().ToSingle(), 0.06);
    }

    [Fact]
    public void IntegersHaveNoUniformDistribution() =>
        Assert.Throws<ArgumentException>(() => rand(2, dtype: int32));
}
