using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Attention.Tests.Torch;

/// <summary>The table of <see cref="GradientTests"/>.</summary>
internal static class GradientCases
{
    private static readonly long[] image = [2, 6, 5, 7];

    // More elements than one thread takes.
    private static readonly long[] large = [2, 16, 33, 35];

    public static readonly GradientCase[] All =
    [
        .. Elementwise, .. Binary, .. Products, .. Reductions, .. Shapes, .. Indexing, .. Sorting, .. Activations, .. Normalisation,
        .. Convolutions, .. Pools, .. Vision, .. Losses, .. Scans, .. LinearAlgebra, .. Fourier, .. Attention,
    ];

    private static GradientInput In(params long[] shape) => new(shape, Domain.Any);
    private static GradientInput In(Domain domain, params long[] shape) => new(shape, domain);

    private static Tensor Call(string name, params object?[] args) => (Tensor)AtenOperators.Call(name, args)[0]!;

    private static GradientCase Unary(string name, Func<Tensor, Tensor> run, Domain domain = Domain.Any, double tolerance = 5e-5) =>
        new(name, [In(domain, large)], t => run(t[0]), t => Call(name, t[0]), tolerance);

    private static GradientCase On(string name, GradientInput input, Func<Tensor, Tensor> run, params object?[] rest) =>
        new(name, [input], t => run(t[0]), t => Call(name.Split(' ')[0], [t[0], .. rest]));

    private static GradientCase Two(string name, GradientInput a, GradientInput b, Func<Tensor, Tensor, Tensor> run, params object?[] rest) =>
        new(name, [a, b], t => run(t[0], t[1]), t => Call(name.Split(' ')[0], [t[0], t[1], .. rest]));

    private static Tensor Indices(params long[] values) => tensor(values);

    private static IEnumerable<GradientCase> Elementwise =>
    [
        Unary("abs", x => x.abs()), Unary("neg", x => x.neg()), Unary("exp", x => x.exp()), Unary("exp2", x => x.exp2()), Unary("expm1", x => x.expm1()),
        Unary("log", x => x.log(), Domain.Positive), Unary("log2", x => x.log2(), Domain.Positive), Unary("log10", x => x.log10(), Domain.Positive),
        Unary("log1p", x => x.log1p(), Domain.Positive), Unary("sqrt", x => x.sqrt(), Domain.Positive), Unary("rsqrt", x => x.rsqrt(), Domain.Positive),
        Unary("square", x => x.square()), Unary("reciprocal", x => x.reciprocal(), Domain.Positive), Unary("sin", x => x.sin()), Unary("cos", x => x.cos()),
        Unary("tan", x => x.tan(), Domain.Symmetric), Unary("asin", x => x.asin(), Domain.Symmetric), Unary("acos", x => x.acos(), Domain.Symmetric),
        Unary("atan", x => x.atan()), Unary("sinh", x => x.sinh()), Unary("cosh", x => x.cosh()), Unary("tanh", x => x.tanh()),
        Unary("asinh", x => x.asinh()), Unary("acosh", x => x.acosh(), Domain.AboveOne), Unary("atanh", x => x.atanh(), Domain.Symmetric),
        Unary("sigmoid", x => x.sigmoid()), Unary("erf", x => x.erf()), Unary("erfc", x => x.erfc()), Unary("erfinv", x => x.erfinv(), Domain.Symmetric),
        Unary("lgamma", x => x.lgamma(), Domain.Positive, 2e-4), Unary("digamma", x => x.digamma(), Domain.Positive, 2e-4), Unary("i0", x => x.i0()), Unary("sinc", x => x.sinc(), Domain.AboveOne),
        Unary("logit", x => x.logit(), Domain.Unit), Unary("frac", x => x.frac()), Unary("deg2rad", x => x.deg2rad()), Unary("rad2deg", x => x.rad2deg()),
        Unary("nan_to_num", x => x.nan_to_num()), Unary("positive", x => x.positive()), Unary("special_entr", x => special.entr(x), Domain.Positive),
        Unary("special_ndtr", x => special.ndtr(x)), Unary("special_i0e", x => special.i0e(x)), Unary("special_i1", x => special.i1(x), tolerance: 2e-4), Unary("special_erfcx", x => special.erfcx(x), Domain.Positive),
        On("clamp", In(image), x => x.clamp(-0.5, 0.7), -0.5, 0.7), On("clamp_min", In(image), x => x.clamp_min(0.1), 0.1), On("clamp_max", In(image), x => x.clamp_max(0.1), 0.1),
        On("pow.Tensor_Scalar", In(Domain.Positive, image), x => x.pow(1.7), 1.7), On("pow.Tensor_Scalar cube", In(image), x => x.pow(3), 3),
        On("add.Scalar", In(image), x => x + 2.5, 2.5), On("sub.Scalar", In(image), x => x - 2.5, 2.5), On("mul.Scalar", In(image), x => x * 2.5, 2.5), On("div.Scalar", In(image), x => x / 2.5, 2.5),
        On("rsub.Scalar", In(image), x => 2.5 - x, 2.5), On("fmod.Scalar", In(image), x => x.fmod(0.7), 0.7), On("remainder.Scalar", In(image), x => x % 0.7, 0.7),
        On("polygamma_by_order", In(Domain.AboveOne, image), x => x.polygamma(1)) with { ByName = t => Call("polygamma", 1, t[0]), Tolerance = 2e-4 },
        On("mvlgamma", In(Domain.AboveOne, image), x => x.mvlgamma(2), 2) with { Tolerance = 2e-4 },
        new("reciprocal of a number", [In(Domain.Positive, image)], t => 2.5 / t[0], t => Call("mul.Scalar", Call("reciprocal", t[0]), 2.5)),
    ];

    private static IEnumerable<GradientCase> Binary =>
    [
        Two("add.Tensor", In(large), In(large), (x, y) => x + y), Two("add.Tensor scaled", In(image), In(image), (x, y) => x.add(y, 0.3), 0.3), Two("sub.Tensor", In(large), In(large), (x, y) => x - y),
        Two("mul.Tensor", In(large), In(large), (x, y) => x * y), Two("div.Tensor", In(large), In(Domain.Positive, large), (x, y) => x / y),
        Two("add.Tensor broadcast", In(image), In(1, 6, 1, 7), (x, y) => x + y), Two("mul.Tensor broadcast", In(image), In(6, 1, 1), (x, y) => x * y), Two("div.Tensor broadcast", In(5, 7), In(Domain.Positive, image), (x, y) => x / y),
        Two("pow.Tensor_Tensor", In(Domain.Positive, image), In(image), (x, y) => x.pow(y)), Two("atan2", In(image), In(image), (x, y) => x.atan2(y)), Two("hypot", In(image), In(image), (x, y) => x.hypot(y)),
        Two("maximum", In(image), In(image), (x, y) => x.maximum(y)), Two("minimum", In(image), In(image), (x, y) => x.minimum(y)), Two("fmax", In(image), In(image), (x, y) => x.fmax(y)), Two("fmin", In(image), In(image), (x, y) => x.fmin(y)),
        Two("max.other", In(image), In(image), (x, y) => x.max(y)), Two("min.other", In(image), In(image), (x, y) => x.min(y)),
        Two("logaddexp", In(image), In(image), (x, y) => x.logaddexp(y)), Two("logaddexp2", In(image), In(image), (x, y) => x.logaddexp2(y)), Two("xlogy.Tensor", In(image), In(Domain.Positive, image), (x, y) => x.xlogy(y)),
        Two("special_xlog1py", In(image), In(Domain.Positive, image), (x, y) => special.xlog1py(x, y)), Two("copysign.Tensor", In(image), In(image), (x, y) => x.copysign(y)), Two("ldexp.Tensor", In(image), In(image), (x, y) => x.ldexp(y)),
        Two("fmod.Tensor", In(image), In(Domain.Positive, image), (x, y) => x.fmod(y)), Two("remainder.Tensor", In(image), In(Domain.Positive, image), (x, y) => x % y),
        new("lerp.Tensor", [In(image), In(image), In(Domain.Unit, image)], t => t[0].lerp(t[1], t[2]), t => Call("lerp.Tensor", t[0], t[1], t[2])),
        new("addcmul", [In(image), In(image), In(image)], t => t[0].addcmul(t[1], t[2], 0.7), t => Call("addcmul", t[0], t[1], t[2], 0.7)),
        new("addcdiv", [In(image), In(image), In(Domain.Positive, image)], t => t[0].addcdiv(t[1], t[2], 0.7), t => Call("addcdiv", t[0], t[1], t[2], 0.7)),
        new("where.self", [In(image), In(image)], t => where(Mask(), t[0], t[1]), t => Call("where.self", Mask(), t[0], t[1])),
        new("clamp.Tensor", [In(image), In(1), In(Domain.AboveOne, 1)], t => t[0].clamp(t[1] - 2, t[2]), t => Call("clamp.Tensor", t[0], t[1] - 2, t[2])),
        Two("cdist", In(2, 5, 4), In(2, 3, 4), (x, y) => cdist(x, y), 2.0), Two("dist", In(image), In(image), (x, y) => x.dist(y), 2),
        new("pairwise_distance", [In(5, 6), In(5, 6)], t => functional.pairwise_distance(t[0], t[1]), t => Call("pairwise_distance", t[0], t[1], 2.0, 1e-6)),
        new("cosine_similarity", [In(5, 6), In(5, 6)], t => functional.cosine_similarity(t[0], t[1], 1), t => Call("cosine_similarity", t[0], t[1], 1, 1e-8)),
    ];

    private static Tensor Mask() => (arange(2 * 6 * 5 * 7) % 3).eq(0).reshape(image);

    private static IEnumerable<GradientCase> Products =>
    [
        Two("matmul", In(2, 3, 5, 8), In(2, 3, 8, 4), (x, y) => x.matmul(y)), Two("matmul broadcast", In(3, 5, 8), In(8, 4), (x, y) => matmul(x, y)), Two("matmul vector", In(3, 5, 8), In(8), (x, y) => x.matmul(y)),
        Two("matmul large", In(70, 90), In(90, 60), (x, y) => x.matmul(y)), Two("mm", In(5, 8), In(8, 4), (x, y) => x.mm(y)), Two("bmm", In(3, 5, 8), In(3, 8, 4), (x, y) => x.bmm(y)), Two("mv", In(5, 8), In(8), (x, y) => x.mv(y)),
        Two("dot", In(33), In(33), (x, y) => x.dot(y)), Two("outer", In(5), In(7), (x, y) => x.outer(y)), Two("inner", In(4, 8), In(5, 8), (x, y) => x.inner(y)), Two("vdot", In(9), In(9), (x, y) => x.vdot(y)), Two("kron", In(3, 4), In(2, 5), (x, y) => x.kron(y)),
        new("addmm", [In(5, 4), In(5, 8), In(8, 4)], t => t[0].addmm(t[1], t[2], 0.5f, 2), t => Call("addmm", t[0], t[1], t[2], 0.5, 2)),
        new("addmm bias", [In(4), In(5, 8), In(8, 4)], t => addmm(t[0], t[1], t[2], 1, 1), t => Call("addmm", t[0], t[1], t[2])),
        new("addmv", [In(5), In(5, 8), In(8)], t => t[0].addmv(t[1], t[2], 0.5f, 2), t => Call("addmv", t[0], t[1], t[2], 0.5, 2)),
        new("addr", [In(5, 4), In(5), In(4)], t => t[0].addr(t[1], t[2], 0.5f, 2), t => Call("addr", t[0], t[1], t[2], 0.5, 2)),
        new("addbmm", [In(5, 4), In(3, 5, 8), In(3, 8, 4)], t => t[0].addbmm(t[1], t[2], 0.5f, 2), t => Call("addbmm", t[0], t[1], t[2], 0.5, 2)),
        new("baddbmm", [In(3, 5, 4), In(3, 5, 8), In(3, 8, 4)], t => t[0].baddbmm(t[1], t[2], 0.5f, 2), t => Call("baddbmm", t[0], t[1], t[2], 0.5, 2)),
        new("linear", [In(2, 5, 8), In(4, 8), In(4)], t => functional.linear(t[0], t[1], t[2]), t => Call("linear", t[0], t[1], t[2])),
        new("linear without bias", [In(5, 8), In(4, 8)], t => functional.linear(t[0], t[1]), t => Call("linear", t[0], t[1])),
        new("bilinear", [In(5, 3), In(5, 4), In(6, 3, 4), In(6)], t => functional.bilinear(t[0], t[1], t[2], t[3]), t => Call("bilinear", t[0], t[1], t[2], t[3])),
        new("einsum", [In(2, 3, 5, 8), In(2, 3, 4, 8)], t => einsum("bhqd,bhkd->bhqk", t[0], t[1]), t => Call("matmul", t[0], Call("transpose.int", t[1], 2, 3))),
        new("einsum decomposed", [In(2, 4, 5, 8), In(4, 6, 8)], t => einsum("bhwc,hkc->bhwk", t[0], t[1]), t => Call("matmul", t[0], Call("transpose.int", t[1], 1, 2))),
        new("tensordot", [In(3, 4, 5), In(4, 5, 6)], t => t[0].tensordot(t[1], [1, 2], [0, 1]), t => Call("tensordot", t[0], t[1], new[] { 1, 2 }, new[] { 0, 1 })),
        new("multi_dot", [In(3, 8), In(8, 5), In(5, 2)], t => linalg.multi_dot(t), t => Call("linalg_multi_dot", (object)t)),
    ];

    private static IEnumerable<GradientCase> Reductions =>
    [
        On("sum", In(large), x => x.sum()), On("sum.dim_IntList", In(image), x => x.sum([1, 3], true), new[] { 1, 3 }, true), On("mean", In(large), x => x.mean()), On("mean.dim", In(image), x => x.mean([2]), new[] { 2 }),
        On("prod", In(Domain.Positive, 4, 5), x => x.prod()), On("prod.dim_int", In(image), x => x.prod(1), 1), On("var", In(image), x => x.var(), true), On("var.dim", In(image), x => x.var(1), new[] { 1 }, true),
        On("var.dim biased", In(image), x => x.var([2, 3], false, true), new[] { 2, 3 }, false, true), On("std", In(image), x => x.std(), true), On("std.dim", In(image), x => x.std([2, 3], true), new[] { 2, 3 }, true),
        On("logsumexp", In(image), x => x.logsumexp(1), new[] { 1 }), On("amax", In(Domain.Distinct, image), x => x.amax([1]), new[] { 1 }), On("amin", In(Domain.Distinct, image), x => x.amin([2, 3]), new[] { 2, 3 }),
        On("max", In(Domain.Distinct, image), x => x.max()), On("min", In(Domain.Distinct, image), x => x.min()), On("max.dim", In(Domain.Distinct, image), x => x.max(1).values, 1), On("min.dim", In(Domain.Distinct, image), x => x.min(3).values, 3),
        On("median", In(Domain.Distinct, image), x => x.median()), On("norm.Scalar", In(image), x => x.norm(), 2), On("linalg_vector_norm", In(image), x => linalg.vector_norm(x, 2, [1]), 2, new[] { 1 }),
        On("linalg_vector_norm three", In(image), x => linalg.vector_norm(x, 3, [1, 2]), 3, new[] { 1, 2 }), On("linalg_norm", In(5, 6), x => linalg.norm(x)), On("nansum", In(image), x => x.nansum()), On("nanmean", In(image), x => x.nanmean(1), new[] { 1 }),
        On("trace", In(6, 6), x => x.trace()), new("var_mean", [In(image)], t => t[0].var_mean([1]).mean + t[0].std_mean([1]).std, t => Call("mean.dim", t[0], new[] { 1 }) + Call("std.dim", t[0], new[] { 1 }, true)),
        new("quantile", [In(Domain.Distinct, 5, 8)], t => t[0].quantile(tensor(0.3f, dtype: t[0].dtype), 1), t => Call("quantile.scalar", t[0], 0.3f, 1)),
    ];

    private static IEnumerable<GradientCase> Shapes =>
    [
        On("reshape", In(image), x => x.reshape(12, 35), new[] { 12, 35 }), On("permute", In(image), x => x.permute(0, 2, 3, 1), new[] { 0, 2, 3, 1 }), On("transpose.int", In(image), x => x.transpose(1, 3), 1, 3),
        On("flatten.using_ints", In(image), x => x.flatten(1), 1), On("unsqueeze", In(image), x => x.unsqueeze(2), 2), On("squeeze.dim", In(2, 1, 5), x => x.squeeze(1), 1), On("expand", In(2, 1, 5), x => x.expand(2, 4, 5), new[] { 2, 4, 5 }),
        On("repeat", In(2, 3), x => x.repeat(3, 1, 2), new[] { 3, 1, 2 }), On("tile", In(2, 3), x => x.tile([2, 2]), new[] { 2, 2 }), On("repeat_interleave.self_int", In(2, 3), x => x.repeat_interleave(3, 1), 3, 1),
        On("roll", In(image), x => x.roll([2, -1], [2, 3]), new[] { 2, -1 }, new[] { 2, 3 }), On("flip", In(image), x => x.flip(1, 3), new[] { 1, 3 }), On("rot90", In(image), x => x.rot90(1, (2, 3)), 1, new[] { 2, 3 }),
        On("tril", In(image), x => x.tril(1), 1), On("triu", In(image), x => x.triu(-1), -1), On("diagonal", In(image), x => x.diagonal(1, 2, 3), 1, 2, 3), On("diag_embed", In(3, 4), x => x.diag_embed()), On("diag", In(5), x => x.diag()),
        On("unfold", In(image), x => x.unfold(3, 3, 2), 3, 3, 2), On("movedim.int", In(image), x => x.movedim([1], [3]), 1, 3), On("unflatten.int", In(2, 6, 5), x => x.unflatten(1, 2, 3), 1, new[] { 2, 3 }),
        new("cat", [In(image), In(2, 3, 5, 7)], t => cat(t, 1), t => Call("cat", t, 1)), new("stack", [In(image), In(image)], t => stack(t, 2), t => Call("stack", t, 2)),
        new("hstack", [In(3, 4), In(3, 2)], t => hstack(t), t => Call("hstack", (object)t)), new("vstack", [In(3, 4), In(2, 4)], t => vstack(t), t => Call("vstack", (object)t)),
        new("chunk", [In(image)], t => t[0].chunk(3, 1)[1] * 2, t => Call("mul.Scalar", ((Tensor[])AtenOperators.Call("chunk", t[0], 3, 1)[0]!)[1], 2)),
        new("split", [In(image)], t => t[0].split(new long[] { 1, 5 }, 1)[1] * 2, t => Call("mul.Scalar", ((Tensor[])AtenOperators.Call("split_with_sizes", t[0], new[] { 1, 5 }, 1)[0]!)[1], 2)),
        new("unbind", [In(image)], t => t[0].unbind(1)[2] * 2, t => Call("mul.Scalar", Call("select.int", t[0], 1, 2), 2)),
        new("clone and contiguous", [In(image)], t => t[0].clone().contiguous() * 2, t => Call("mul.Scalar", t[0], 2)),
        new("to", [In(image)], t => t[0].to_type(ScalarType.Float64).sin().to_type(t[0].dtype), t => Call("sin", t[0])),
        new("view_as_complex", [In(3, 4, 2)], t => t[0].contiguous().view_as_complex().mul(2).view_as_real(), t => Call("mul.Scalar", t[0], 2)),
        new("meshgrid", [In(4), In(5)], t => meshgrid(t, "ij")[0] * meshgrid(t, "ij")[1], t => Call("outer", t[0], t[1])),
    ];

    private static IEnumerable<GradientCase> Indexing =>
    [
        new("index", [In(image)], t => t[0][TensorIndex.Colon, TensorIndex.Tensor(Indices(4, 0, 4))], t => Call("index_select", t[0], 1, Indices(4, 0, 4))),
        new("index by two", [In(image)], t => t[0][Indices(1, 0, 1), Indices(4, 0, 2)], t => Call("index.Tensor", t[0], new Tensor?[] { Indices(1, 0, 1), Indices(4, 0, 2) })),
        new("index by mask", [In(image)], t => t[0][Mask()], t => Call("masked_select", t[0], Mask())),
        new("slices", [In(image)], t => t[0][.., 1..4, TensorIndex.Ellipsis, TensorIndex.Slice(0, 7, 2)], t => Call("slice.Tensor", Call("slice.Tensor", t[0], 1, 1, 4, 1), 3, 0, 7, 2)),
        On("select.int", In(image), x => x.select(1, 2), 1, 2), On("narrow", In(image), x => x.narrow(2, 1, 3), 2, 1, 3), On("index_select", In(image), x => x.index_select(1, Indices(5, 0, 5)), 1, Indices(5, 0, 5)),
        On("masked_select", In(image), x => x.masked_select(Mask()), Mask()), On("masked_fill.Scalar", In(image), x => x.masked_fill(Mask(), 0.5), Mask(), 0.5), On("gather", In(4, 5), x => x.gather(1, Grid()), 1, Grid()),
        On("take", In(4, 5), x => x.take(Indices(3, 7, 7, 0)), Indices(3, 7, 7, 0)), On("take_along_dim", In(4, 5), x => x.take_along_dim(Grid(), 1), Grid(), 1),
        new("scatter.src", [In(4, 5), In(4, 3)], t => t[0].scatter(1, Distinct(), t[1]), t => Call("scatter.src", t[0], 1, Distinct(), t[1])),
        new("scatter_add", [In(4, 5), In(4, 3)], t => t[0].scatter_add(1, Grid(), t[1]), t => Call("scatter_add", t[0], 1, Grid(), t[1])),
        new("index_add", [In(4, 5), In(3, 5)], t => t[0].index_add(0, Indices(2, 0, 2), t[1], 2), t => Call("index_add", t[0], 0, Indices(2, 0, 2), t[1], 2)),
        new("index_copy", [In(4, 5), In(3, 5)], t => t[0].index_copy(0, Indices(2, 0, 1), t[1]), t => Call("index_copy", t[0], 0, Indices(2, 0, 1), t[1])),
        new("index_put", [In(4, 5), In(3, 5)], t => Assigned(t[0], t[1]), t => Call("index_put", t[0], new Tensor?[] { Indices(2, 0, 1) }, t[1])),
        new("masked_scatter", [In(image), In(image)], t => t[0].masked_scatter(Mask(), t[1]), t => Call("masked_scatter", t[0], Mask(), t[1])),
        new("select_scatter", [In(4, 5), In(4)], t => t[0].select_scatter(t[1], 1, 2), t => Call("select_scatter", t[0], t[1], 1, 2)),
        new("embedding", [In(10, 6)], t => Call("embedding", t[0], Indices(3, 3, 9)), t => Call("index_select", t[0], 0, Indices(3, 3, 9))),
        On("index_fill.int_Scalar", In(4, 5), x => x.index_fill(1, Indices(0, 3), 2), 1, Indices(0, 3), 2),
    ];

    private static Tensor Grid() => tensor(new long[] { 0, 4, 4, 1, 2, 3, 2, 2, 0, 4, 1, 1 }).reshape(4, 3);
    private static Tensor Distinct() => tensor(new long[] { 0, 4, 3, 1, 2, 3, 2, 1, 0, 4, 1, 0 }).reshape(4, 3);

    private static Tensor Assigned(Tensor target, Tensor values)
    {
        var copy = target.clone();
        copy[Indices(2, 0, 1)] = values;
        return copy;
    }

    private static IEnumerable<GradientCase> Sorting =>
    [
        On("sort", In(Domain.Distinct, image), x => x.sort(1, true).Values, 1, true), On("topk", In(Domain.Distinct, image), x => x.topk(3, 1).values, 3, 1), On("kthvalue", In(Domain.Distinct, image), x => x.kthvalue(2, 1).values, 2, 1),
        On("msort", In(Domain.Distinct, 6, 5), x => x.msort()), new("argsort and gather", [In(Domain.Distinct, 4, 5)], t => t[0].gather(1, t[0].argsort(1)), t => Call("sort", t[0], 1, false)),
        On("cummax", In(Domain.Distinct, image), x => x.cummax(1).values, 1), On("cummin", In(Domain.Distinct, image), x => x.cummin(3).values, 3), On("renorm", In(4, 6), x => x.renorm(2, 0, 1), 2, 0, 1),
    ];

    private static IEnumerable<GradientCase> Activations =>
    [
        Unary("relu", x => functional.relu(x)), Unary("relu6", x => functional.relu6(x * 3)) with { ByName = t => Call("relu6", t[0] * 3) }, Unary("gelu", x => functional.gelu(x)), Unary("silu", x => functional.silu(x)), Unary("mish", x => functional.mish(x)),
        Unary("selu", x => functional.selu(x)), Unary("hardswish", x => functional.hardswish(x * 3)) with { ByName = t => Call("hardswish", t[0] * 3) }, Unary("hardsigmoid", x => functional.hardsigmoid(x * 3)) with { ByName = t => Call("hardsigmoid", t[0] * 3) },
        Unary("log_sigmoid", x => functional.logsigmoid(x)), Unary("softsign", x => functional.softsign(x)) with { ByName = t => t[0] / (t[0].abs() + 1) }, Unary("tanhshrink", x => functional.tanhshrink(x), tolerance: 1e-3) with { ByName = t => t[0] - t[0].tanh() },
        new("gelu tanh", [In(large)], t => functional.gelu(t[0], TorchSharp.Modules.GELU.Approximate.tanh), t => Call("gelu", t[0], "tanh")),
        On("celu", In(large), x => functional.celu(x, 0.7), 0.7), On("elu", In(large), x => functional.elu(x, 0.7), 0.7), On("leaky_relu", In(large), x => functional.leaky_relu(x, 0.2), 0.2), On("hardtanh", In(large), x => functional.hardtanh(x, -0.5, 0.6), -0.5, 0.6),
        On("hardshrink", In(large), x => functional.hardshrink(x, 0.4), 0.4), On("softshrink", In(large), x => functional.softshrink(x, 0.4), 0.4), On("softplus", In(large), x => functional.softplus(x, 2, 10), 2, 10), On("threshold", In(large), x => functional.threshold(x, 0.1, 0.5), 0.1, 0.5),
        On("glu", In(image), x => functional.glu(x, 1), 1), On("softmax.int", In(image), x => functional.softmax(x, 1), 1), On("softmax.int last", In(3, 4, 40), x => functional.softmax(x, -1), -1), On("log_softmax.int", In(image), x => functional.log_softmax(x, 1), 1),
        On("log_softmax.int last", In(3, 40), x => functional.log_softmax(x, -1), -1), On("softmin", In(image), x => functional.softmin(x, 1)) with { ByName = t => Call("softmax.int", -t[0], 1) },
        new("prelu", [In(image), In(Domain.Unit, 6)], t => functional.prelu(t[0], t[1]), t => Call("prelu", t[0], t[1])), new("prelu single", [In(image), In(Domain.Unit, 1)], t => functional.prelu(t[0], t[1]), t => Call("prelu", t[0], t[1])),
    ];

    private static IEnumerable<GradientCase> Normalisation =>
    [
        new("layer_norm", [In(2, 5, 16), In(16), In(16)], t => functional.layer_norm(t[0], [16], t[1], t[2]), t => Call("layer_norm", t[0], new[] { 16 }, t[1], t[2])),
        new("layer_norm two", [In(2, 5, 4, 6), In(4, 6), In(4, 6)], t => functional.layer_norm(t[0], [4, 6], t[1], t[2], 1e-3), t => Call("layer_norm", t[0], new[] { 4, 6 }, t[1], t[2], 1e-3)),
        On("layer_norm plain", In(5, 40), x => functional.layer_norm(x, [40]), new[] { 40 }),
        new("group_norm", [In(image), In(6), In(6)], t => functional.group_norm(t[0], 3, t[1], t[2]), t => Call("group_norm", t[0], 3, t[1], t[2])),
        new("group_norm single", [In(image), In(6), In(6)], t => functional.group_norm(t[0], 1, t[1], t[2]), t => Call("group_norm", t[0], 1, t[1], t[2])),
        new("batch_norm", [In(image), In(6), In(6)], t => functional.batch_norm(t[0], null, null, t[1], t[2], true), t => Call("batch_norm", t[0], t[1], t[2], null, null, true, 0.1, 1e-5, true)),
        new("batch_norm evaluated", [In(image), In(6), In(6)], t => functional.batch_norm(t[0], Running(t[0], 0.3), Running(t[0], 2), t[1], t[2]), t => Call("batch_norm", t[0], t[1], t[2], Running(t[0], 0.3), Running(t[0], 2), false, 0.1, 1e-5, true)),
        new("instance_norm", [In(image), In(6), In(6)], t => functional.instance_norm(t[0], weight: t[1], bias: t[2]), t => Call("instance_norm", t[0], t[1], t[2], null, null, true, 0.1, 1e-5, true)),
        new("normalize", [In(image)], t => functional.normalize(t[0]), t => t[0] / Call("linalg_vector_norm", t[0], 2, new[] { 1 }, true)),
        new("local_response_norm", [In(image)], t => functional.local_response_norm(t[0], 3, 0.1), t => LocalResponse(t[0], 3, 0.1)),
    ];

    private static Tensor Running(Tensor like, double value) => full(6, value, dtype: like.dtype);

    private static Tensor LocalResponse(Tensor x, long size, double alpha)
    {
        var padded = Call("constant_pad_nd", x.square(), new[] { 0, 0, 0, 0, (int)(size / 2), (int)((size - 1) / 2) }, 0);
        return x / (Call("mean.dim", Call("unfold", padded, 1, size, 1), new[] { -1 }) * alpha + 1).pow(0.75);
    }

    private static IEnumerable<GradientCase> Convolutions =>
    [
        Convolution("conv1d", [2, 6, 11], [8, 6, 3], t => functional.conv1d(t[0], t[1], t[2], 2, 1), [2], [1]),
        Convolution("conv2d", [2, 6, 9, 8], [8, 6, 3, 3], t => functional.conv2d(t[0], t[1], t[2], [2, 1], [1, 1]), [2, 1], [1, 1]),
        Convolution("conv2d pointwise", [2, 6, 9, 8], [8, 6, 1, 1], t => functional.conv2d(t[0], t[1], t[2]), [1, 1], [0, 0]),
        Convolution("conv2d depthwise", [2, 6, 9, 8], [6, 1, 3, 3], t => functional.conv2d(t[0], t[1], t[2], padding: [1, 1], groups: 6), [1, 1], [1, 1], groups: 6),
        Convolution("conv2d grouped", [2, 6, 9, 8], [4, 3, 3, 3], t => functional.conv2d(t[0], t[1], t[2], groups: 2), [1, 1], [0, 0], groups: 2),
        Convolution("conv2d dilated", [2, 6, 9, 8], [8, 6, 3, 3], t => functional.conv2d(t[0], t[1], t[2], padding: [2, 2], dilation: [2, 2]), [1, 1], [2, 2], dilation: [2, 2]),
        Convolution("conv2d patches", [2, 3, 32, 32], [24, 3, 16, 16], t => functional.conv2d(t[0], t[1], t[2], [16, 16]), [16, 16], [0, 0]),
        Convolution("conv2d large", [2, 16, 24, 24], [32, 16, 3, 3], t => functional.conv2d(t[0], t[1], t[2], padding: [1, 1]), [1, 1], [1, 1]),
        Convolution("conv3d", [2, 3, 5, 6, 7], [4, 3, 2, 3, 3], t => functional.conv3d(t[0], t[1], t[2], padding: [0, 1, 1]), [1, 1, 1], [0, 1, 1]),
        Transposed("conv_transpose1d", [2, 6, 7], [6, 4, 3], t => functional.conv_transpose1d(t[0], t[1], t[2], 2, 1, 1), [2], [1], [1]),
        Transposed("conv_transpose2d.input", [2, 6, 5, 7], [6, 4, 2, 2], t => functional.conv_transpose2d(t[0], t[1], t[2], [2, 2]), [2, 2], [0, 0], [0, 0]),
        Transposed("conv_transpose3d.input", [1, 4, 3, 4, 5], [4, 3, 2, 2, 2], t => functional.conv_transpose3d(t[0], t[1], t[2], [2, 2, 2]), [2, 2, 2], [0, 0, 0], [0, 0, 0]),
    ];

    private static GradientCase Convolution(string name, long[] input, long[] weight, Func<Tensor[], Tensor> run, long[] stride, long[] padding, long[]? dilation = null, long groups = 1) =>
        new(name, [In(input), In(weight), In(weight[0])], run, t => Call(name.Split(' ')[0], t[0], t[1], t[2], stride, padding, dilation ?? stride.Select(_ => 1L).ToArray(), groups), 2e-4);

    private static GradientCase Transposed(string name, long[] input, long[] weight, Func<Tensor[], Tensor> run, long[] stride, long[] padding, long[] outputPadding) =>
        new(name, [In(input), In(weight), In(weight[1])], run, t => Call(name, t[0], t[1], t[2], stride, padding, outputPadding), 2e-4);

    private static IEnumerable<GradientCase> Pools =>
    [
        On("avg_pool1d", In(2, 6, 11), x => functional.avg_pool1d(x, 3, 2, 1), new[] { 3 }, new[] { 2 }, new[] { 1 }), On("avg_pool2d", In(image), x => functional.avg_pool2d(x, 3, 2, 1), new[] { 3, 3 }, new[] { 2, 2 }, new[] { 1, 1 }),
        On("avg_pool2d uncounted", In(image), x => functional.avg_pool2d(x, [3, 2], [2, 1], [1, 1], true, false), new[] { 3, 2 }, new[] { 2, 1 }, new[] { 1, 1 }, true, false),
        On("avg_pool3d", In(2, 3, 4, 5, 6), x => functional.avg_pool3d(x, [2, 2, 2]), new[] { 2, 2, 2 }), On("max_pool1d", In(Domain.Distinct, 2, 6, 11), x => functional.max_pool1d(x, 3, 2, 1), new[] { 3 }, new[] { 2 }, new[] { 1 }),
        On("max_pool2d", In(Domain.Distinct, image), x => functional.max_pool2d(x, 3, 2, 1), new[] { 3, 3 }, new[] { 2, 2 }, new[] { 1, 1 }), On("max_pool3d", In(Domain.Distinct, 2, 3, 4, 5, 6), x => functional.max_pool3d(x, [2, 2, 2]), new[] { 2, 2, 2 }),
        On("adaptive_avg_pool1d", In(2, 6, 11), x => functional.adaptive_avg_pool1d(x, 4), new[] { 4 }), On("adaptive_avg_pool2d", In(image), x => functional.adaptive_avg_pool2d(x, [3, 4]), new[] { 3, 4 }),
        On("adaptive_avg_pool2d one", In(image), x => functional.adaptive_avg_pool2d(x, 1), new[] { 1, 1 }), On("adaptive_avg_pool3d", In(2, 3, 4, 5, 6), x => functional.adaptive_avg_pool3d(x, 2), new[] { 2, 2, 2 }),
        On("adaptive_max_pool1d", In(Domain.Distinct, 2, 6, 11), x => functional.adaptive_max_pool1d(x, 4), new[] { 4 }), On("adaptive_max_pool2d", In(Domain.Distinct, image), x => functional.adaptive_max_pool2d(x, [3, 4]), new[] { 3, 4 }),
        On("adaptive_max_pool3d", In(Domain.Distinct, 2, 3, 4, 5, 6), x => functional.adaptive_max_pool3d(x, [2, 2, 2]), new[] { 2, 2, 2 }),
        new("lp_pool2d", [In(Domain.Positive, image)], t => functional.lp_pool2d(t[0], 2, 2), t => (Call("avg_pool2d", t[0].square(), new[] { 2, 2 }) * 4).sqrt()),
    ];

    private static IEnumerable<GradientCase> Vision =>
    [
        Interpolation("upsample_nearest2d.vec", InterpolationMode.Nearest, null), Interpolation("upsample_bilinear2d.vec", InterpolationMode.Bilinear, false), Interpolation("upsample_bilinear2d.vec aligned", InterpolationMode.Bilinear, true),
        Interpolation("upsample_bicubic2d.vec", InterpolationMode.Bicubic, false), Interpolation("upsample_bicubic2d.vec aligned", InterpolationMode.Bicubic, true),
        On("upsample_linear1d.vec", In(2, 6, 7), x => functional.interpolate(x, [12], mode: InterpolationMode.Linear, align_corners: false), new[] { 12 }, false, null), On("upsample_nearest1d.vec", In(2, 6, 7), x => functional.interpolate(x, [12]), new[] { 12 }, null),
        On("upsample_trilinear3d.vec", In(1, 3, 4, 5, 6), x => functional.interpolate(x, [6, 7, 8], mode: InterpolationMode.Trilinear, align_corners: false), new[] { 6, 7, 8 }, false, null), On("upsample_nearest3d.vec", In(1, 3, 4, 5, 6), x => functional.interpolate(x, [6, 7, 8]), new[] { 6, 7, 8 }, null),
        On("_upsample_bilinear2d_aa.vec", In(image), x => functional.interpolate(x, [3, 4], mode: InterpolationMode.Bilinear, align_corners: false, antialias: true), new[] { 3, 4 }, false, null),
        On("_upsample_bicubic2d_aa.vec", In(image), x => functional.interpolate(x, [3, 4], mode: InterpolationMode.Bicubic, align_corners: false, antialias: true), new[] { 3, 4 }, false, null),
        On("constant_pad_nd", In(image), x => functional.pad(x, (1, 2, 0, 3), PaddingModes.Constant, 0.5), new[] { 1, 2, 0, 3 }, 0.5), On("reflection_pad2d", In(image), x => functional.pad(x, (1, 2, 2, 1), PaddingModes.Reflect), new[] { 1, 2, 2, 1 }),
        On("replication_pad2d", In(image), x => functional.pad(x, (1, 2, 2, 1), PaddingModes.Replicate), new[] { 1, 2, 2, 1 }), On("pixel_shuffle", In(2, 8, 3, 5), x => functional.pixel_shuffle(x, 2), 2), On("pixel_unshuffle", In(2, 3, 4, 6), x => functional.pixel_unshuffle(x, 2), 2),
        On("im2col", In(image), x => functional.unfold(x, 3, 1, 1, 2), new[] { 3, 3 }, new[] { 1, 1 }, new[] { 1, 1 }, new[] { 2, 2 }), On("col2im", In(2, 27, 12), x => functional.fold(x, (5, 6), (3, 3)), new[] { 5, 6 }, new[] { 3, 3 }, new[] { 1, 1 }, new[] { 0, 0 }, new[] { 1, 1 }),
        new("grid_sampler", [In(image), In(Domain.Symmetric, 2, 4, 3, 2)], t => functional.grid_sample(t[0], t[1], align_corners: false), t => Call("grid_sampler", t[0], t[1], 0, 0, false)),
        new("grid_sampler border", [In(image), In(Domain.Any, 2, 4, 3, 2)], t => functional.grid_sample(t[0], t[1], GridSampleMode.Bilinear, GridSamplePaddingMode.Border, true), t => Call("grid_sampler", t[0], t[1], 0, 1, true), 2e-4),
        On("affine_grid_generator", In(2, 2, 3), x => functional.affine_grid(x, [2, 3, 4, 5]), new[] { 2, 3, 4, 5 }, false),
    ];

    private static GradientCase Interpolation(string name, InterpolationMode mode, bool? aligned) =>
        On(name, In(image), x => functional.interpolate(x, [8, 9], mode: mode, align_corners: aligned), aligned is null ? [new[] { 8, 9 }, null] : [new[] { 8, 9 }, aligned, null]) with { Tolerance = 2e-4 };

    private static IEnumerable<GradientCase> Losses =>
    [
        Two("mse_loss", In(4, 6), In(4, 6), (x, y) => functional.mse_loss(x, y)), Two("mse_loss none", In(4, 6), In(4, 6), (x, y) => functional.mse_loss(x, y, Reduction.None), 0), Two("l1_loss", In(4, 6), In(4, 6), (x, y) => functional.l1_loss(x, y)),
        Two("smooth_l1_loss", In(4, 6), In(4, 6), (x, y) => functional.smooth_l1_loss(x, y, beta: 0.5), 1, 0.5), Two("huber_loss", In(4, 6), In(4, 6), (x, y) => functional.huber_loss(x, y, 0.5), 1, 0.5),
        Two("binary_cross_entropy", In(Domain.Unit, 4, 6), In(Domain.Unit, 4, 6), (x, y) => functional.binary_cross_entropy(x, y.detach())) with { ByName = t => Call("binary_cross_entropy", t[0], t[1].detach()) },
        Two("binary_cross_entropy_with_logits", In(4, 6), In(Domain.Unit, 4, 6), (x, y) => functional.binary_cross_entropy_with_logits(x, y.detach())) with { ByName = t => Call("binary_cross_entropy_with_logits", t[0], t[1].detach()) },
        On("cross_entropy_loss", In(4, 6), x => functional.cross_entropy(x, Indices(0, 5, 2, 2)), Indices(0, 5, 2, 2)), On("cross_entropy_loss ignored", In(4, 6), x => functional.cross_entropy(x, Indices(0, -100, 2, 2), reduction: Reduction.Sum), Indices(0, -100, 2, 2), null, 2, -100),
        On("cross_entropy_loss smoothed", In(4, 6), x => functional.cross_entropy(x, Indices(0, 5, 2, 2), label_smoothing: 0.1), Indices(0, 5, 2, 2), null, 1, -100, 0.1),
        Two("cross_entropy_loss soft", In(4, 6), In(Domain.Unit, 4, 6), (x, y) => functional.cross_entropy(x, y)), On("cross_entropy_loss dense", In(2, 6, 3, 4), x => functional.cross_entropy(x, Classes()), Classes()),
        On("nll_loss_nd", In(4, 6), x => functional.nll_loss(x, Indices(0, 5, 2, 2)), Indices(0, 5, 2, 2)), On("nll_loss_nd dense", In(2, 6, 3, 4), x => functional.nll_loss(x, Classes()), Classes()),
        Two("kl_div", In(4, 6), In(4, 6), (x, y) => functional.kl_div(x, y, true), 1, true), Two("soft_margin_loss", In(4, 6), In(4, 6), (x, y) => functional.soft_margin_loss(x, y.detach().sign())) with { ByName = t => Call("soft_margin_loss", t[0], t[1].detach().sign()) },
        Two("poisson_nll_loss", In(4, 6), In(Domain.Positive, 4, 6), (x, y) => functional.poisson_nll_loss(x, y), true, false, 1e-8, 1), On("multi_margin_loss", In(4, 6), x => functional.multi_margin_loss(x, Indices(0, 5, 2, 2)), Indices(0, 5, 2, 2)),
        On("hinge_embedding_loss", In(4, 6), x => functional.hinge_embedding_loss(x, Signs(4, 6), 1), Signs(4, 6), 1),
        new("margin_ranking_loss", [In(6), In(6)], t => functional.margin_ranking_loss(t[0], t[1], Signs(6), 0.5), t => Call("margin_ranking_loss", t[0], t[1], Signs(6), 0.5)),
        new("cosine_embedding_loss", [In(4, 6), In(4, 6)], t => functional.cosine_embedding_loss(t[0], t[1], Signs(4)), t => Call("cosine_embedding_loss", t[0], t[1], Signs(4))),
        new("triplet_margin_loss", [In(4, 6), In(4, 6), In(4, 6)], t => functional.triplet_margin_loss(t[0], t[1], t[2]), t => Call("triplet_margin_loss", t[0], t[1], t[2])),
        new("gaussian_nll_loss", [In(4, 6), In(4, 6), In(Domain.Positive, 4, 6)], t => functional.gaussian_nll_loss(t[0], t[1], t[2]), t => (t[2].log() + (t[0] - t[1]).square() / t[2]).mean() * 0.5),
        new("ctc_loss", [In(7, 2, 5)], t => functional.ctc_loss(functional.log_softmax(t[0], 2), Labels(), Indices(7, 6), Indices(3, 2)), t => Call("ctc_loss.Tensor", Call("log_softmax.int", t[0], 2), Labels(), Indices(7, 6), Indices(3, 2)), 2e-4),
    ];

    private static Tensor Classes() => (arange(24) % 6).reshape(2, 3, 4);
    private static Tensor Labels() => tensor(new long[] { 1, 2, 2, 4, 1, 3 }).reshape(2, 3);
    private static Tensor Signs(params long[] shape) => (arange(shape.Aggregate(1L, (a, b) => a * b)) % 2 * 2 - 1).reshape(shape);

    private static IEnumerable<GradientCase> Scans =>
    [
        On("cumsum", In(image), x => x.cumsum(1), 1), On("cumsum last", In(image), x => x.cumsum(-1), -1), On("cumprod", In(Domain.Positive, image), x => x.cumprod(2), 2), On("logcumsumexp", In(image), x => x.logcumsumexp(1), 1),
        On("diff", In(image), x => x.diff(), 1), On("trapezoid.dx", In(image), x => x.trapezoid(0.5), 0.5), On("cumulative_trapezoid.dx", In(image), x => x.cumulative_trapezoid(0.5), 0.5),
    ];

    private static IEnumerable<GradientCase> LinearAlgebra =>
    [
        Algebra("linalg_inv", t => linalg.inv(t[0]), t => Call("linalg_inv", t[0])), Algebra("linalg_det", t => linalg.det(t[0]), t => Call("linalg_det", t[0])), Algebra("slogdet", t => linalg.slogdet(t[0]).Item2, t => (Tensor)AtenOperators.Call("linalg_slogdet", t[0])[1]!),
        Algebra("linalg_cholesky", t => linalg.cholesky(Symmetric(t[0])), t => Call("linalg_cholesky", Symmetric(t[0]))), Algebra("linalg_svdvals", t => linalg.svdvals(t[0]), t => Call("linalg_svdvals", t[0])),
        Algebra("linalg_eigvalsh", t => linalg.eigvalsh(Symmetric(t[0])), t => Call("linalg_eigvalsh", Symmetric(t[0]))), Algebra("linalg_pinv", t => linalg.pinv(t[0]), t => Call("linalg_pinv.atol_rtol_float", t[0])), Algebra("matrix_exp", t => t[0].matrix_exp(), t => Call("matrix_exp", t[0])),
        Algebra("matrix_power", t => t[0].matrix_power(3), t => Call("matrix_power", t[0], 3)), Algebra("linalg_qr", t => linalg.qr(t[0]).Q, t => Call("linalg_qr", t[0])), Algebra("linalg_matrix_norm", t => linalg.matrix_norm(t[0]), t => Call("linalg_matrix_norm.str_ord", t[0])),
        new("linalg_solve", [In(Domain.PositiveDefinite, 2, 4, 4), In(2, 4, 3)], t => linalg.solve(t[0], t[1]), t => Call("linalg_solve", t[0], t[1]), 5e-4), Two("linalg_cross", In(4, 3), In(4, 3), (x, y) => linalg.cross(x, y)),
        new("linalg_lu", [In(Domain.PositiveDefinite, 2, 4, 4)], t => linalg.lu(t[0]).U, t => (Tensor)AtenOperators.Call("linalg_lu", t[0])[2]!, 5e-4), Two("linalg_vecdot", In(4, 3), In(4, 3), (x, y) => linalg.vecdot(x, y)),
        new("triangular solve", [In(Domain.PositiveDefinite, 4, 4), In(4, 3)], t => linalg.solve_triangular(t[0].triu(), t[1], upper: true), t => Call("linalg_solve", t[0].triu(), t[1]), 5e-4),
    ];

    private static GradientCase Algebra(string name, Func<Tensor[], Tensor> run, Func<Tensor[], Tensor> byName) => new(name, [In(Domain.PositiveDefinite, 2, 4, 4)], run, byName, 5e-4);
    private static Tensor Symmetric(Tensor x) => (x + x.transpose(-2, -1)) * 0.5;

    private static IEnumerable<GradientCase> Fourier =>
    [
        new("fft", [In(3, 8)], t => fft.fft_(t[0]).view_as_real(), t => Call("view_as_real", Call("fft_fft", t[0]))), new("rfft", [In(3, 9)], t => fft.rfft(t[0]).view_as_real(), t => Call("view_as_real", Call("fft_rfft", t[0]))),
        new("rfft2", [In(image)], t => fft.rfft2(t[0], dim: [2, 3], norm: FFTNormType.Ortho).view_as_real(), t => Call("view_as_real", Call("fft_rfft2", t[0], null, new[] { 2, 3 }, "ortho"))),
        new("irfft2 of a product", [In(image), In(image)], t => fft.irfft2(fft.rfft2(t[0]) * fft.rfft2(t[1]), s: [5, 7]), t => Call("fft_irfft2", Call("fft_rfft2", t[0]) * Call("fft_rfft2", t[1]), new[] { 5, 7 }), 2e-4),
        new("fftn", [In(3, 4, 5)], t => fft.fftn(t[0]).real, t => Call("real", Call("fft_fftn", t[0]))), On("fft_fftshift", In(3, 8), x => fft.fftshift(x, [1]), new[] { 1 }),
    ];

    private static IEnumerable<GradientCase> Attention =>
    [
        new("scaled_dot_product_attention", [In(2, 3, 5, 8), In(2, 3, 6, 8), In(2, 3, 6, 8)], t => functional.scaled_dot_product_attention(t[0], t[1], t[2]), t => Attend(t[0], t[1], t[2])),
    ];

    private static Tensor Attend(Tensor q, Tensor k, Tensor v) =>
        Call("matmul", Call("softmax.int", Call("matmul", q, Call("transpose.int", k, 2, 3)) * (1 / Math.Sqrt(8)), -1), v);
}
