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

    private static bool IsVersion(int major, int minor) => Version.Parse(Backend.Version.Split('+', 'a', 'r')[0]) >= new Version(major, minor);

    private static Tensor Call(string name, params object?[] args) => (Tensor)AtenOperators.Call(name, args)[0]!;

    private static double Difference(Tensor a, Tensor b) => (a.to_type(ScalarType.Float64) - b.to_type(ScalarType.Float64)).abs().max().item<double>();

    /// <summary>1.13: GELU's gradient is garbage where the input is contiguous and the incoming gradient is not.</summary>
    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void GeluBackwardOfStridedGradient(bool transposed)
    {
        manual_seed(1);
        var values = randn(2, 64, 8, 8);
        var incoming = transposed ? randn(2, 8, 8, 64).transpose(1, 3) : randn(2, 8, 8, 64).permute(0, 3, 1, 2);
        var expected = Gradient(values.to_type(ScalarType.Float64), incoming.to_type(ScalarType.Float64).contiguous());
        Assert.True(Difference(Gradient(values, incoming), expected) < 1e-5);

        Skip.If(IsVersion(2, 6), "this libtorch is right by itself");
        Cover(false);
        // Not below the bound, NaN included.
        Assert.False(Difference(Gradient(values, incoming), expected) < 1);

        static Tensor Gradient(Tensor values, Tensor incoming)
        {
            var x = values.detach().requires_grad_();
            Call("gelu", x).backward([incoming]);
            return x.grad!;
        }
    }

    public sealed record AutocastCase(string Name, int FaultyBefore, ScalarType Result, Func<Tensor, Tensor, Tensor> Run)
    {
        public override string ToString() => Name;
    }

    private const int All = int.MaxValue;

    // x is bfloat16 of (4, 8), w fp32 of the same shape, both with gradients.
    private static readonly AutocastCase[] cases =
    [
        new("layer_norm", 26, ScalarType.BFloat16, (x, w) => Call("layer_norm", x, new long[] { 8 }, w[0], w[1])),
        new("group_norm", 26, ScalarType.BFloat16, (x, w) => Call("group_norm", x, 2, w[0], w[1])),
        new("mish", 26, ScalarType.BFloat16, (x, w) => Call("mish", x)),
        new("hardtanh backward", 26, ScalarType.BFloat16, (x, w) => Call("hardtanh", x)),
        new("relu6 backward", 26, ScalarType.BFloat16, (x, w) => Call("relu6", x)),
        new("upsample nearest exact", 26, ScalarType.BFloat16, (x, w) => Call("_upsample_nearest_exact2d", x.reshape(1, 2, 4, 4), new long[] { 6, 6 })),
        new("upsample bilinear antialias", All, ScalarType.BFloat16, (x, w) => Call("_upsample_bilinear2d_aa", x.reshape(1, 2, 4, 4), new long[] { 3, 3 }, false)),
        new("upsample bicubic antialias", All, ScalarType.BFloat16, (x, w) => Call("_upsample_bicubic2d_aa", x.reshape(1, 2, 4, 4), new long[] { 3, 3 }, false)),
        new("det", All, ScalarType.Float32, (x, w) => Call("linalg_det", x.reshape(2, 4, 4))),
        new("pinv", All, ScalarType.Float32, (x, w) => Call("linalg_pinv.atol_rtol_float", x)),
        new("dot", All, ScalarType.Float32, (x, w) => Call("dot", x[0], w[0])),
        new("cross", All, ScalarType.Float32, (x, w) => Call("linalg_cross", x.narrow(1, 0, 3), w.narrow(1, 0, 3))),
        new("lerp", All, ScalarType.Float32, (x, w) => Call("lerp.Scalar", x, w, 0.3)),
        new("bilinear", All, ScalarType.Float32, (x, w) => Call("bilinear", x, w, w.detach().reshape(1, 4, 8).repeat(2, 2, 1))),
        new("index_put", All, ScalarType.Float32, (x, w) => Call("index_put", x, new[] { Rows }, w.narrow(0, 0, 2))),
        new("index_add", All, ScalarType.Float32, (x, w) => Call("index_add", x, 0, Rows, w.narrow(0, 0, 2))),
        new("scatter", All, ScalarType.Float32, (x, w) => Call("scatter.src", x, 0, Rows.reshape(1, 2), w.narrow(0, 0, 1).narrow(1, 0, 2))),
        new("scatter_add", All, ScalarType.Float32, (x, w) => Call("scatter_add", x, 0, Rows.reshape(1, 2), w.narrow(0, 0, 1).narrow(1, 0, 2))),
        new("masked_scatter", All, ScalarType.Float32, (x, w) => Call("masked_scatter", x, ones(4, 8, dtype: ScalarType.Bool), w)),
        new("mv", All, ScalarType.BFloat16, (x, w) => Call("mv", x, w[0])),
        new("addmv", All, ScalarType.BFloat16, (x, w) => Call("addmv", w[0].narrow(0, 0, 4), x, w[1])),
        new("multi_dot", All, ScalarType.BFloat16, (x, w) => Call("linalg_multi_dot", (object)new[] { x, w.t(), w })),
        new("index_put_", All, ScalarType.BFloat16, (x, w) => Call("index_put_", x.clone(), new[] { Rows }, w.narrow(0, 0, 2))),
        new("index_add_", All, ScalarType.BFloat16, (x, w) => Call("index_add_", x.clone(), 0, Rows, w.narrow(0, 0, 2))),
        new("scatter_", All, ScalarType.BFloat16, (x, w) => Call("scatter_.src", x.clone(), 0, Rows.reshape(1, 2), w.narrow(0, 0, 1).narrow(1, 0, 2))),
        new("scatter_add_", All, ScalarType.BFloat16, (x, w) => Call("scatter_add_", x.clone(), 0, Rows.reshape(1, 2), w.narrow(0, 0, 1).narrow(1, 0, 2))),
        new("masked_scatter_", All, ScalarType.BFloat16, (x, w) => Call("masked_scatter_", x.clone(), ones(4, 8, dtype: ScalarType.Bool), w)),
        new("lerp_", All, ScalarType.BFloat16, (x, w) => Call("lerp_.Scalar", x.clone(), w, 0.3)),
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

        if (entry.FaultyBefore < All && IsVersion(entry.FaultyBefore / 10, entry.FaultyBefore % 10))
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
