using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Fixes;

/// <summary>Faults of libtorch that native/fixes.cpp covers: each shows without the cover, and is gone with it.</summary>
public sealed class FixTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        Cover(true);
        scope.Dispose();
    }

    private static void Cover(bool value) => AtenOperators.Call("attention::enable_fixes", value);

    private static bool IsMended(string? version) => version is not null && Version.Parse(Backend.Version.Split('+', 'a', 'r')[0]) >= Version.Parse(version);

    private static Tensor Call(string name, params object?[] args) => (Tensor)AtenOperators.Call(name, args)[0]!;

    private static double Difference(Tensor a, Tensor b) => (a.to_type(ScalarType.Float64) - b.to_type(ScalarType.Float64)).abs().max().item<double>();

    private static Tensor Transposed(Tensor t) => t.transpose(1, -1).contiguous().transpose(1, -1);
    private static Tensor Mask => (arange(2 * 6 * 5 * 4) % 3).eq(0).reshape(2, 6, 5, 4);

    /// <summary>An operator's gradient for an input and an incoming gradient of any layout.</summary>
    public sealed record LayoutCase(string Name, string? MendedIn, bool StridedInput, long[] Input, Func<Tensor, Tensor> Run)
    {
        public override string ToString() => Name;
    }

    private static readonly LayoutCase[] layoutCases =
    [
        new("gelu", "2.6", false, [2, 64, 8, 8], x => Call("gelu", x)),
        new("masked_select", "2.6", true, [2, 6, 5, 4], x => Call("masked_select", x, Mask)),
        new("masked_scatter_", "2.6", true, [2, 6, 5, 4], x => Call("masked_scatter_", x * 2, Mask, arange(120, dtype: x.dtype))),
        new("affine_grid_generator", "2.6", false, [2, 2, 3], x => Call("affine_grid_generator", x, new long[] { 2, 3, 4, 5 }, false)),
        new("nll_loss2d", null, true, [2, 6, 5, 4], x => Call("nll_loss_nd", x, (arange(40) % 6).reshape(2, 5, 4))),
    ];

    public static TheoryData<string> LayoutCases => new(layoutCases.Select(c => c.Name));

    /// <summary>Kernels that take a layout for granted give wrong numbers, or refuse.</summary>
    [Theory]
    [MemberData(nameof(LayoutCases))]
    public void LayoutsAreAccepted(string name)
    {
        var entry = layoutCases.Single(c => c.Name == name);
        manual_seed(1);
        var values = randn(entry.Input);
        var weights = randn(entry.Run(values).shape);
        var (expected, gradient) = Train(values.to_type(ScalarType.Float64), weights.to_type(ScalarType.Float64));
        var (input, incoming) = entry.StridedInput || weights.ndim < 3 ? (Transposed(values), weights) : (values, Transposed(weights));
        Assert.True(Error() < 1e-5);

        if (IsMended(entry.MendedIn))
            return;
        Cover(false);
        double without;
        try
        {
            without = Error();
        }
        catch (TorchException)
        {
            return;
        }
        // Not below the bound, NaN included.
        Assert.False(without < 0.5);

        double Error()
        {
            var (result, grad) = Train(input, incoming);
            return Math.Max(Difference(result, expected), Difference(grad, gradient));
        }

        (Tensor Result, Tensor Gradient) Train(Tensor values, Tensor incoming)
        {
            var x = values.detach().requires_grad_();
            var result = entry.Run(x);
            result.backward([incoming]);
            return (result, x.grad!);
        }
    }

    /// <summary>A batch of one is channels-last whatever its first stride is.</summary>
    [Theory]
    [InlineData(1, true)]
    [InlineData(64, true)]
    [InlineData(1, false)]
    [InlineData(64, false)]
    public void Batch_norm_takes_a_gradient_with_any_batch_stride(long batchStride, bool training)
    {
        manual_seed(1);
        var values = randn(1, 64, 8, 8);
        var incoming = randn(8 * 8 * 64).as_strided([1, 64, 8, 8], [batchStride, 1, 8 * 64, 64]);
        var (weight, mean, variance) = (randn(64), randn(64), rand(64) + 0.5);
        var expected = Gradient(ScalarType.Float64, incoming.contiguous());
        Assert.True(Difference(Gradient(ScalarType.Float32, incoming), expected) < 1e-5);

        // Seen in 1.13; later versions may or may not have it.
        if (IsMended("2.0"))
            return;
        Cover(false);
        Assert.False(Difference(Gradient(ScalarType.Float32, incoming), expected) < 0.5);

        Tensor Gradient(ScalarType type, Tensor grad)
        {
            var x = values.to_type(type).detach().requires_grad_();
            var y = nn.functional.batch_norm(x, mean.to_type(type).clone(), variance.to_type(type).clone(), weight.to_type(type), training: training);
            y.backward([grad.to_type(type)]);
            return x.grad!;
        }
    }

    public sealed record AutocastCase(string Name, string? MendedIn, ScalarType Result, Func<Tensor, Tensor, Tensor> Run)
    {
        public override string ToString() => Name;
    }

    // x is bfloat16 of (4, 8), w fp32 of the same shape, both with gradients.
    private static readonly AutocastCase[] cases =
    [
        new("layer_norm", "2.6", ScalarType.BFloat16, (x, w) => Call("layer_norm", x, new long[] { 8 }, w[0], w[1])),
        new("group_norm", "2.6", ScalarType.BFloat16, (x, w) => Call("group_norm", x, 2, w[0], w[1])),
        new("mish", "2.6", ScalarType.BFloat16, (x, w) => Call("mish", x)),
        new("hardtanh backward", "2.6", ScalarType.BFloat16, (x, w) => Call("hardtanh", x)),
        new("relu6 backward", "2.6", ScalarType.BFloat16, (x, w) => Call("relu6", x)),
        new("upsample nearest exact", "2.6", ScalarType.BFloat16, (x, w) => Call("_upsample_nearest_exact2d", x.reshape(1, 2, 4, 4), new long[] { 6, 6 })),
        new("upsample bilinear antialias", null, ScalarType.BFloat16, (x, w) => Call("_upsample_bilinear2d_aa", x.reshape(1, 2, 4, 4), new long[] { 3, 3 }, false)),
        new("upsample bicubic antialias", null, ScalarType.BFloat16, (x, w) => Call("_upsample_bicubic2d_aa", x.reshape(1, 2, 4, 4), new long[] { 3, 3 }, false)),
        new("det", null, ScalarType.Float32, (x, w) => Call("linalg_det", x.reshape(2, 4, 4))),
        new("pinv", null, ScalarType.Float32, (x, w) => Call("linalg_pinv.atol_rtol_float", x)),
        new("dot", null, ScalarType.Float32, (x, w) => Call("dot", x[0], w[0])),
        new("cross", null, ScalarType.Float32, (x, w) => Call("linalg_cross", x.narrow(1, 0, 3), w.narrow(1, 0, 3))),
        new("lerp", null, ScalarType.Float32, (x, w) => Call("lerp.Scalar", x, w, 0.3)),
        new("bilinear", null, ScalarType.Float32, (x, w) => Call("bilinear", x, w, w.detach().reshape(1, 4, 8).repeat(2, 2, 1))),
        new("index_put", null, ScalarType.Float32, (x, w) => Call("index_put", x, new[] { Rows }, w.narrow(0, 0, 2))),
        new("index_add", null, ScalarType.Float32, (x, w) => Call("index_add", x, 0, Rows, w.narrow(0, 0, 2))),
        new("scatter", null, ScalarType.Float32, (x, w) => Call("scatter.src", x, 0, Rows.reshape(1, 2), w.narrow(0, 0, 1).narrow(1, 0, 2))),
        new("scatter_add", null, ScalarType.Float32, (x, w) => Call("scatter_add", x, 0, Rows.reshape(1, 2), w.narrow(0, 0, 1).narrow(1, 0, 2))),
        new("masked_scatter", null, ScalarType.Float32, (x, w) => Call("masked_scatter", x, ones(4, 8, dtype: ScalarType.Bool), w)),
        new("mv", null, ScalarType.BFloat16, (x, w) => Call("mv", x, w[0])),
        new("addmv", null, ScalarType.BFloat16, (x, w) => Call("addmv", w[0].narrow(0, 0, 4), x, w[1])),
        new("multi_dot", null, ScalarType.BFloat16, (x, w) => Call("linalg_multi_dot", (object)new[] { x, w.t(), w })),
        new("index_put_", null, ScalarType.BFloat16, (x, w) => Call("index_put_", x.clone(), new[] { Rows }, w.narrow(0, 0, 2))),
        new("index_add_", null, ScalarType.BFloat16, (x, w) => Call("index_add_", x.clone(), 0, Rows, w.narrow(0, 0, 2))),
        new("scatter_", null, ScalarType.BFloat16, (x, w) => Call("scatter_.src", x.clone(), 0, Rows.reshape(1, 2), w.narrow(0, 0, 1).narrow(1, 0, 2))),
        new("scatter_add_", null, ScalarType.BFloat16, (x, w) => Call("scatter_add_", x.clone(), 0, Rows.reshape(1, 2), w.narrow(0, 0, 1).narrow(1, 0, 2))),
        new("masked_scatter_", null, ScalarType.BFloat16, (x, w) => Call("masked_scatter_", x.clone(), ones(4, 8, dtype: ScalarType.Bool), w)),
        new("lerp_", null, ScalarType.BFloat16, (x, w) => Call("lerp_.Scalar", x.clone(), w, 0.3)),
    ];

    private static Tensor Rows => tensor(new long[] { 2, 0 });

    public static TheoryData<string> AutocastCases => new(cases.Select(c => c.Name));

    /// <summary>Operators that CPU autocast refuses: a bfloat16 activation beside an fp32 weight, or no bfloat16 kernel.</summary>
    [Theory]
    [MemberData(nameof(AutocastCases))]
    public void AutocastAccepts(string name)
    {
        var entry = cases.Single(c => c.Name == name);
        manual_seed(2);
        var low = (randn(4, 8) * 0.5).to_type(ScalarType.BFloat16);
        var weight = (randn(4, 8) * 0.5).to_type(ScalarType.BFloat16).to_type(ScalarType.Float32);
        var (expected, expectedX, expectedW) = Train(low.to_type(ScalarType.Float32), autocast: false);
        var (result, x, w) = Train(low, autocast: true);
        Assert.Equal(entry.Result, result.dtype);
        // bfloat16 has eight bits.
        Close(expected, result);
        Close(expectedX, x);
        Close(expectedW, w);

        if (IsMended(entry.MendedIn))
            return;
        Cover(false);
        Assert.Throws<TorchException>(() => Train(low, autocast: true));

        (Tensor Result, Tensor? X, Tensor? W) Train(Tensor input, bool autocast)
        {
            var (x, w) = (input.detach().requires_grad_(), weight.detach().requires_grad_());
            Tensor result;
            using (new Autocast(DeviceType.CPU, ScalarType.BFloat16, autocast))
                result = entry.Run(x, w);
            result.to_type(ScalarType.Float32).sin().sum().backward();
            return (result, x.grad, w.grad);
        }

        static void Close(Tensor? expected, Tensor? actual)
        {
            Assert.Equal(expected is null, actual is null);
            if (expected is not null)
                Assert.True(Difference(expected, actual!) <= 0.03 * Math.Max(1, expected.abs().max().item<float>()), $"{Difference(expected, actual!)}");
        }
    }

    /// <summary>fp32 stays fp32, and without autocast nothing is cast.</summary>
    [Fact]
    public void CoversLeaveTheRestAlone()
    {
        var (x, w) = (randn(4, 8), randn(8));
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
        {
            Assert.Equal(ScalarType.Float32, Call("layer_norm", x, new long[] { 8 }, w, w).dtype);
            Assert.Equal(ScalarType.Float64, Call("layer_norm", x.to_type(ScalarType.Float64), new long[] { 8 }, w.to_type(ScalarType.Float64), null).dtype);
            Assert.Equal(ScalarType.Int64, Call("index_put", Rows, new[] { Rows.narrow(0, 1, 1) }, Rows.narrow(0, 0, 1)).dtype);
        }
        Assert.Throws<TorchException>(() => Call("dot", x[0].to_type(ScalarType.BFloat16), w));
    }
}
