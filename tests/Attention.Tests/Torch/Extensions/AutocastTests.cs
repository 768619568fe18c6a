using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Extensions;

public sealed class AutocastTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static ScalarType ProductType() => randn(2, 3).matmul(randn(3, 2)).dtype;

    [Fact]
    public void CastsInsideOnly()
    {
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
        {
            Assert.True(Autocast.IsEnabled(DeviceType.CPU));
            Assert.Equal(ScalarType.BFloat16, ProductType());
        }
        Assert.False(Autocast.IsEnabled(DeviceType.CPU));
        Assert.Equal(ScalarType.Float32, ProductType());
    }

    [Fact]
    public void RegionsNest()
    {
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
        {
            using (new Autocast(DeviceType.CPU, ScalarType.BFloat16, enabled: false))
            {
                Assert.Equal(ScalarType.Float32, ProductType());
                using (new Autocast(DeviceType.CPU, ScalarType.BFloat16, cache: false))
                    Assert.Equal(ScalarType.BFloat16, ProductType());
                Assert.Equal(ScalarType.Float32, ProductType());
            }
            Assert.Equal(ScalarType.BFloat16, ProductType());
        }
        Assert.Equal(ScalarType.Float32, ProductType());
    }

    [Fact]
    public void EndsWithAnException()
    {
        Assert.ThrowsAny<Exception>(() =>
        {
            using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
                randn(2, 3).matmul(randn(2, 3));
        });
        Assert.Equal(ScalarType.Float32, ProductType());
    }

    [Fact]
    public void GradientsReachFullPrecisionWeights()
    {
        manual_seed(1);
        var (x, w) = (randn(8, 16), randn(16, 4).requires_grad_());
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
            (x.matmul(w).sum() + x.matmul(w).sum()).backward();
        Assert.Equal(ScalarType.Float32, w.grad!.dtype);
        var expected = x.t().matmul(ones(8, 4)) * 2;
        Assert.True((w.grad - expected).abs().max().item<float>() < 0.1);
    }

    [Fact]
    public void TypesThatTheDeviceLacksAreRefused()
    {
        var error = Assert.Throws<UserError>(() => new Autocast(DeviceType.CPU, ScalarType.Float64));
        Assert.Contains("BFloat16", error.Advice);
        Assert.False(Autocast.IsEnabled(DeviceType.CPU));
    }
}
