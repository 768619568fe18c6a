using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    // One line an operator, in alphabetical order. What each does is PyTorch's documentation of the same name.
    public partial class Tensor
    {
        public Tensor abs() => Aten.Call("abs", this);
        public Tensor abs_() => Aten.CallInPlace("abs_", this);
        public Tensor absolute() => Aten.Call("absolute", this);
        public Tensor absolute_() => Aten.CallInPlace("absolute_", this);
        public Tensor acos() => Aten.Call("acos", this);
        public Tensor acos_() => Aten.CallInPlace("acos_", this);
        public Tensor acosh() => Aten.Call("acosh", this);
        public Tensor acosh_() => Aten.CallInPlace("acosh_", this);
        public Tensor addbmm(Tensor batch1, Tensor batch2, float beta = 1f, float alpha = 1f) =>
            Aten.Call("addbmm", this, batch1, batch2, beta, alpha);
        public Tensor addbmm_(Tensor batch1, Tensor batch2, float beta = 1f, float alpha = 1f) =>
            Aten.CallInPlace("addbmm_", this, batch1, batch2, beta, alpha);
        public Tensor addcdiv(Tensor tensor1, Tensor tensor2) => Aten.Call("addcdiv", this, tensor1, tensor2);
        public Tensor addcdiv(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Aten.Call("addcdiv", this, tensor1, tensor2, value);
        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2) => Aten.CallInPlace("addcdiv_", this, tensor1, tensor2);
        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Aten.CallInPlace("addcdiv_", this, tensor1, tensor2, value);
        public Tensor addcmul(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Aten.Call("addcmul", this, tensor1, tensor2, value);
        public Tensor addcmul_(Tensor tensor1, Tensor tensor2, Scalar value) =>
            Aten.CallInPlace("addcmul_", this, tensor1, tensor2, value);
        public Tensor addmm(Tensor mat1, Tensor mat2, float beta = 1f, float alpha = 1f) =>
            Aten.Call("addmm", this, mat1, mat2, beta, alpha);
        public Tensor addmm_(Tensor mat1, Tensor mat2, float beta = 1f, float alpha = 1f) =>
            Aten.CallInPlace("addmm_", this, mat1, mat2, beta, alpha);
        public Tensor addmv(Tensor mat, Tensor vec, float beta = 1f, float alpha = 1f) =>
            Aten.Call("addmv", this, mat, vec, beta, alpha);
        public Tensor addmv_(Tensor mat, Tensor vec, float beta = 1f, float alpha = 1f) =>
            Aten.CallInPlace("addmv_", this, mat, vec, beta, alpha);
        public Tensor addr(Tensor vec1, Tensor vec2, float beta = 1f, float alpha = 1f) =>
            Aten.Call("addr", this, vec1, vec2, beta, alpha);
        public Tensor addr_(Tensor vec1, Tensor vec2, float beta = 1f, float alpha = 1f) =>
            Aten.CallInPlace("addr_", this, vec1, vec2, beta, alpha);
        public Tensor adjoint() => Aten.Call("adjoint", this);
        public Tensor all() => Aten.Call("all", this);
        public Tensor all(long dim, bool keepdim = false) => Aten.Call("all.dim", this, dim, keepdim);
        public bool allclose(Tensor target, double rtol = 1E-05, double atol = 1E-08, bool equal_nan = false) =>
            Aten.CallBool("allclose", this, target, rtol, atol, equal_nan);
        public Tensor amax(params long[] dims) => Aten.Call("amax", this, dims);
        public Tensor amin(params long[] dims) => Aten.Call("amin", this, dims);
        public (Tensor min, Tensor max) aminmax(long? dim = null, bool keepdim = false) =>
            Aten.Call2("aminmax", this, dim, keepdim);
        public Tensor angle() => Aten.Call("angle", this);
        public Tensor any() => Aten.Call("any", this);
        public Tensor any(long dim, bool keepdim = false) => Aten.Call("any.dim", this, dim, keepdim);
        public Tensor arccos() => Aten.Call("arccos", this);
        public Tensor arccos_() => Aten.CallInPlace("arccos_", this);
        public Tensor arccosh() => Aten.Call("arccosh", this);
        public Tensor arccosh_() => Aten.CallInPlace("arccosh_", this);
        public Tensor arcsin() => Aten.Call("arcsin", this);
        public Tensor arcsin_() => Aten.CallInPlace("arcsin_", this);
        public Tensor arcsinh() => Aten.Call("arcsinh", this);
        public Tensor arcsinh_() => Aten.CallInPlace("arcsinh_", this);
        public Tensor arctan() => Aten.Call("arctan", this);
        public Tensor arctan_() => Aten.CallInPlace("arctan_", this);
        public Tensor arctan2(Tensor other) => Aten.Call("arctan2", this, other);
        public Tensor arctan2_(Tensor other) => Aten.CallInPlace("arctan2_", this, other);
        public Tensor arctanh() => Aten.Call("arctanh", this);
        public Tensor arctanh_() => Aten.CallInPlace("arctanh_", this);
        public Tensor argmax() => Aten.Call("argmax", this);
        public Tensor argmax(long dim, bool keepdim = false) => Aten.Call("argmax", this, dim, keepdim);
        public Tensor argmin() => Aten.Call("argmin", this);
        public Tensor argmin(long dim, bool keepdim = false) => Aten.Call("argmin", this, dim, keepdim);
        public Tensor argsort(long dim = -1, bool descending = false) => Aten.Call("argsort", this, dim, descending);
        public Tensor argwhere() => Aten.Call("argwhere", this);
        public Tensor as_strided(long[] size, long[] strides, long storageOffset = 0) =>
            Aten.Call("as_strided", this, size, strides, storageOffset);
        public Tensor asin() => Aten.Call("asin", this);
        public Tensor asin_() => Aten.CallInPlace("asin_", this);
        public Tensor asinh() => Aten.Call("asinh", this);
        public Tensor asinh_() => Aten.CallInPlace("asinh_", this);
        public Tensor atan() => Aten.Call("atan", this);
        public Tensor atan_() => Aten.CallInPlace("atan_", this);
        public Tensor atan2(Tensor other) => Aten.Call("atan2", this, other);
        public Tensor atan2_(Tensor other) => Aten.CallInPlace("atan2_", this, other);
        public Tensor atanh() => Aten.Call("atanh", this);
        public Tensor atanh_() => Aten.CallInPlace("atanh_", this);
        public Tensor atleast_1d() => Aten.Call("atleast_1d", this);
        public Tensor atleast_2d() => Aten.Call("atleast_2d", this);
        public Tensor atleast_3d() => Aten.Call("atleast_3d", this);
        public Tensor baddbmm(Tensor batch1, Tensor batch2, float beta = 1f, float alpha = 1f) =>
            Aten.Call("baddbmm", this, batch1, batch2, beta, alpha);
        public Tensor bernoulli(Generator? generator = null) => Aten.Call("bernoulli", this, generator);
        public Tensor binomial(Tensor prob, Generator? generator = null) => Aten.Call("binomial", this, prob, generator);
        public Tensor bitwise_and(Tensor other) => Aten.Call("bitwise_and.Tensor", this, other);
        public Tensor bitwise_and_(Tensor other) => Aten.CallInPlace("bitwise_and_.Tensor", this, other);
        public Tensor bitwise_left_shift(Tensor other) => Aten.Call("bitwise_left_shift.Tensor", this, other);
        public Tensor bitwise_left_shift_(Tensor other) => Aten.CallInPlace("bitwise_left_shift_.Tensor", this, other);
        public Tensor bitwise_not() => Aten.Call("bitwise_not", this);
        public Tensor bitwise_not_() => Aten.CallInPlace("bitwise_not_", this);
        public Tensor bitwise_or(Tensor other) => Aten.Call("bitwise_or.Tensor", this, other);
        public Tensor bitwise_or_(Tensor other) => Aten.CallInPlace("bitwise_or_.Tensor", this, other);
        public Tensor bitwise_right_shift(Tensor other) => Aten.Call("bitwise_right_shift.Tensor", this, other);
        public Tensor bitwise_right_shift_(Tensor other) => Aten.CallInPlace("bitwise_right_shift_.Tensor", this, other);
        public Tensor bitwise_xor(Tensor other) => Aten.Call("bitwise_xor.Tensor", this, other);
        public Tensor bitwise_xor_(Tensor other) => Aten.CallInPlace("bitwise_xor_.Tensor", this, other);
        public Tensor bmm(Tensor batch2) => Aten.Call("bmm", this, batch2);
        public Tensor broadcast_to(params long[] shape) => Aten.Call("broadcast_to", this, shape);
        public Tensor bucketize(Tensor boundaries, bool outInt32 = false, bool right = false) =>
            Aten.Call("bucketize.Tensor", this, boundaries, outInt32, right);
        public Tensor cauchy_(double median = 0, double sigma = 1, Generator? generator = null) =>
            Aten.CallInPlace("cauchy_", this, median, sigma, generator);
        public Tensor ceil() => Aten.Call("ceil", this);
        public Tensor ceil_() => Aten.CallInPlace("ceil_", this);
        public Tensor celu() => Aten.Call("celu", this);
        public Tensor celu(Scalar alpha) => Aten.Call("celu", this, alpha);
        public Tensor celu_() => Aten.CallInPlace("celu_", this);
        public Tensor celu_(Scalar alpha) => Aten.CallInPlace("celu_", this, alpha);
        public Tensor channel_shuffle(long groups) => Aten.Call("channel_shuffle", this, groups);
        public Tensor cholesky_inverse(bool upper = false) => Aten.Call("cholesky_inverse", this, upper);
        public Tensor cholesky_solve(Tensor input2, bool upper = false) => Aten.Call("cholesky_solve", this, input2, upper);
        public Tensor[] chunk(long chunks, long dim = 0) => Aten.CallMany("chunk", this, chunks, dim);
        public Tensor clamp(Scalar? min = null, Scalar? max = null) => Aten.Call("clamp", this, min, max);
        public Tensor clamp(Tensor? min = null, Tensor? max = null) => Aten.Call("clamp.Tensor", this, min, max);
        public Tensor clamp_(Scalar? min = null, Scalar? max = null) => Aten.CallInPlace("clamp_", this, min, max);
        public Tensor clamp_(Tensor? min = null, Tensor? max = null) => Aten.CallInPlace("clamp_.Tensor", this, min, max);
        public Tensor clamp_max(Scalar max) => Aten.Call("clamp_max", this, max);
        public Tensor clamp_max_(Scalar max) => Aten.CallInPlace("clamp_max_", this, max);
        public Tensor clamp_min(Scalar min) => Aten.Call("clamp_min", this, min);
        public Tensor clamp_min_(Scalar min) => Aten.CallInPlace("clamp_min_", this, min);
        public Tensor clip(Scalar? min = null, Scalar? max = null) => Aten.Call("clip", this, min, max);
        public Tensor conj() => Aten.Call("conj", this);
        public Tensor conj_physical() => Aten.Call("conj_physical", this);
        public Tensor conj_physical_() => Aten.CallInPlace("conj_physical_", this);
        public Tensor contiguous() => Aten.Call("contiguous", this);
        public Tensor copy_(Tensor source, bool nonBlocking = false) => Aten.CallInPlace("copy_", this, source, nonBlocking);
        public Tensor copysign(Tensor other) => Aten.Call("copysign.Tensor", this, other);
        public Tensor copysign_(Tensor other) => Aten.CallInPlace("copysign_.Tensor", this, other);
        public Tensor corrcoef() => Aten.Call("corrcoef", this);
        public Tensor cos() => Aten.Call("cos", this);
        public Tensor cos_() => Aten.CallInPlace("cos_", this);
        public Tensor cosh() => Aten.Call("cosh", this);
        public Tensor cosh_() => Aten.CallInPlace("cosh_", this);
        public Tensor count_nonzero(long[]? dims = null) =>
            dims is null ? Aten.Call("count_nonzero", this) : Aten.Call("count_nonzero.dim_IntList", this, dims);
        public Tensor cov(long correction = 1, Tensor? fweights = null, Tensor? aweights = null) =>
            Aten.Call("cov", this, correction, fweights, aweights);
        public (Tensor values, Tensor indexes) cummax(long dim) => Aten.Call2("cummax", this, dim);
        public (Tensor values, Tensor indexes) cummin(long dim) => Aten.Call2("cummin", this, dim);
        public Tensor cumprod(long dim, ScalarType? type = null) => Aten.Call("cumprod", this, dim, type);
        public Tensor cumsum(long dim, ScalarType? type = null) => Aten.Call("cumsum", this, dim, type);
        public Tensor cumulative_trapezoid(Tensor x, long dim = -1) => Aten.Call("cumulative_trapezoid.x", this, x, dim);
        public Tensor cumulative_trapezoid(double dx = 1, long dim = -1) => Aten.Call("cumulative_trapezoid.dx", this, dx, dim);
        public Tensor deg2rad() => Aten.Call("deg2rad", this);
        public Tensor deg2rad_() => Aten.CallInPlace("deg2rad_", this);
        public Tensor dequantize() => Aten.Call("dequantize.self", this);
        public Tensor det() => Aten.Call("det", this);
        public Tensor detach_() => Aten.CallInPlace("detach_", this);
        public Tensor diag(long diagonal = 0) => Aten.Call("diag", this, diagonal);
        public Tensor diag_embed(long offset = 0, long dim1 = -2, long dim2 = -1) =>
            Aten.Call("diag_embed", this, offset, dim1, dim2);
        public Tensor diagflat(long offset = 0) => Aten.Call("diagflat", this, offset);
        public Tensor diagonal(long offset = 0, long dim1 = 0, long dim2 = 1) => Aten.Call("diagonal", this, offset, dim1, dim2);
        public Tensor diagonal_scatter(Tensor src, long offset = 0, long dim1 = 0, long dim2 = 1) =>
            Aten.Call("diagonal_scatter", this, src, offset, dim1, dim2);
        public Tensor diff(long n = 1, long dim = -1, Tensor? prepend = null, Tensor? append = null) =>
            Aten.Call("diff", this, n, dim, prepend, append);
        public Tensor digamma() => Aten.Call("digamma", this);
        public Tensor digamma_() => Aten.CallInPlace("digamma_", this);
        public Tensor dist(Tensor other, float p = 2f) => Aten.Call("dist", this, other, p);
        public Tensor dot(Tensor target) => Aten.Call("dot", this, target);
        public Tensor[] dsplit((long, long) indices_or_sections) =>
            Aten.CallMany("dsplit.array", this, new long[] { indices_or_sections.Item1, indices_or_sections.Item2 });
        public Tensor[] dsplit((long, long, long) indices_or_sections) =>
            Aten.CallMany("dsplit.array", this, new long[] { indices_or_sections.Item1, indices_or_sections.Item2, indices_or_sections.Item3 });
        public Tensor[] dsplit(long size) => Aten.CallMany("dsplit.int", this, size);
        public Tensor[] dsplit(params long[] sizes) => Aten.CallMany("dsplit.array", this, sizes);
        public Tensor elu(Scalar alpha, Scalar scale, Scalar input_scale) => Aten.Call("elu", this, alpha, scale, input_scale);
        public Tensor elu(double alpha = 1) => Aten.Call("elu", this, alpha);
        public Tensor elu_(Scalar alpha, Scalar scale, Scalar input_scale) => Aten.CallInPlace("elu_", this, alpha, scale, input_scale);
        public Tensor elu_(double alpha = 1) => Aten.CallInPlace("elu_", this, alpha);
        public Tensor eq(Scalar target) => Aten.Call("eq.Scalar", this, target);
        public Tensor eq(Tensor target) => Aten.Call("eq.Tensor", this, target);
        public Tensor eq_(Scalar target) => Aten.CallInPlace("eq_.Scalar", this, target);
        public Tensor eq_(Tensor target) => Aten.CallInPlace("eq_.Tensor", this, target);
        public Tensor erf() => Aten.Call("erf", this);
        public Tensor erf_() => Aten.CallInPlace("erf_", this);
        public Tensor erfc() => Aten.Call("erfc", this);
        public Tensor erfc_() => Aten.CallInPlace("erfc_", this);
        public Tensor erfinv() => Aten.Call("erfinv", this);
        public Tensor erfinv_() => Aten.CallInPlace("erfinv_", this);
        public Tensor exp() => Aten.Call("exp", this);
        public Tensor exp_() => Aten.CallInPlace("exp_", this);
        public Tensor exp2() => Aten.Call("exp2", this);
        public Tensor exp2_() => Aten.CallInPlace("exp2_", this);
        public Tensor expand(ReadOnlySpan<long> sizes, bool isImplicit = false) =>
            Aten.Call("expand", this, sizes.ToArray(), isImplicit);
        public Tensor expand(Size sizes, bool isImplicit = false) => Aten.Call("expand", this, sizes, isImplicit);
        public Tensor expand(long[] sizes, bool isImplicit = false) => Aten.Call("expand", this, sizes, isImplicit);
        public Tensor expand(params long[] sizes) => Aten.Call("expand", this, sizes);
        public Tensor expand_as(Tensor other) => Aten.Call("expand_as", this, other);
        public Tensor expm1() => Aten.Call("expm1", this);
        public Tensor expm1_() => Aten.CallInPlace("expm1_", this);
        public Tensor exponential_(double lambda = 1, Generator? generator = null) =>
            Aten.CallInPlace("exponential_", this, lambda, generator);
        public Tensor fill_(Scalar value) => Aten.CallInPlace("fill_.Scalar", this, value);
        public Tensor fix() => Aten.Call("fix", this);
        public Tensor fix_() => Aten.CallInPlace("fix_", this);
        public Tensor flatten(long start_dim = 0, long end_dim = -1) => Aten.Call("flatten.using_ints", this, start_dim, end_dim);
        public Tensor flip(params long[] dims) => Aten.Call("flip", this, dims);
        public Tensor fliplr() => Aten.Call("fliplr", this);
        public Tensor flipud() => Aten.Call("flipud", this);
        public Tensor float_power(Tensor target) => Aten.Call("float_power.Tensor_Tensor", this, target);
        public Tensor float_power_(Tensor target) => Aten.CallInPlace("float_power_.Tensor", this, target);
        public Tensor floor() => Aten.Call("floor", this);
        public Tensor floor_() => Aten.CallInPlace("floor_", this);
        public Tensor floor_divide(Scalar other) => Aten.Call("floor_divide.Scalar", this, other);
        public Tensor floor_divide(Tensor other) => Aten.Call("floor_divide", this, other);
        public Tensor floor_divide_(Scalar other) => Aten.CallInPlace("floor_divide_.Scalar", this, other);
        public Tensor floor_divide_(Tensor other) => Aten.CallInPlace("floor_divide_.Tensor", this, other);
        public Tensor fmax(Tensor other) => Aten.Call("fmax", this, other);
        public Tensor fmin(Tensor other) => Aten.Call("fmin", this, other);
        public Tensor fmod(Scalar scalar) => Aten.Call("fmod.Scalar", this, scalar);
        public Tensor fmod(Tensor target) => Aten.Call("fmod.Tensor", this, target);
        public Tensor fmod_(Scalar scalar) => Aten.CallInPlace("fmod_.Scalar", this, scalar);
        public Tensor fmod_(Tensor target) => Aten.CallInPlace("fmod_.Tensor", this, target);
        public Tensor frac() => Aten.Call("frac", this);
        public Tensor frac_() => Aten.CallInPlace("frac_", this);
        public (Tensor Mantissa, Tensor Exponent) frexp() => Aten.Call2("frexp.Tensor", this);
        public Tensor gather(long dim, Tensor index) => Aten.Call("gather", this, dim, index);
        public Tensor gcd(Tensor other) => Aten.Call("gcd", this, other);
        public Tensor gcd_(Tensor other) => Aten.CallInPlace("gcd_", this, other);
        public Tensor ge(Scalar target) => Aten.Call("ge.Scalar", this, target);
        public Tensor ge(Tensor target) => Aten.Call("ge.Tensor", this, target);
        public Tensor ge_(Scalar target) => Aten.CallInPlace("ge_.Scalar", this, target);
        public Tensor ge_(Tensor target) => Aten.CallInPlace("ge_.Tensor", this, target);
        public Tensor geometric_(double p, Generator? generator = null) => Aten.CallInPlace("geometric_", this, p, generator);
        public (Tensor a, Tensor tau) geqrf() => Aten.Call2("geqrf", this);
        public Tensor ger(Tensor vec2) => Aten.Call("ger", this, vec2);
        public Tensor glu(long dim = -1) => Aten.Call("glu", this, dim);
        public Tensor greater(Tensor target) => Aten.Call("greater.Tensor", this, target);
        public Tensor greater_equal(Tensor target) => Aten.Call("greater_equal.Tensor", this, target);
        public Tensor gt(Scalar target) => Aten.Call("gt.Scalar", this, target);
        public Tensor gt(Tensor target) => Aten.Call("gt.Tensor", this, target);
        public Tensor gt_(Scalar target) => Aten.CallInPlace("gt_.Scalar", this, target);
        public Tensor gt_(Tensor target) => Aten.CallInPlace("gt_.Tensor", this, target);
        public Tensor hardsigmoid() => Aten.Call("hardsigmoid", this);
        public Tensor hardsigmoid_() => Aten.CallInPlace("hardsigmoid_", this);
        public Tensor hardswish() => Aten.Call("hardswish", this);
        public Tensor hardswish_() => Aten.CallInPlace("hardswish_", this);
        public Tensor hardtanh(Scalar min, Scalar max) => Aten.Call("hardtanh", this, min, max);
        public Tensor hardtanh_(Scalar min, Scalar max) => Aten.CallInPlace("hardtanh_", this, min, max);
        public Tensor heaviside(Tensor other) => Aten.Call("heaviside", this, other);
        public Tensor heaviside_(Tensor other) => Aten.CallInPlace("heaviside_", this, other);
        public Tensor histc(long bins = 100, long min = 0, long max = 0) => Aten.Call("histc", this, bins, min, max);
        public Tensor[] hsplit(long size) => Aten.CallMany("hsplit.int", this, size);
        public Tensor[] hsplit(params long[] sizes) => Aten.CallMany("hsplit.array", this, sizes);
        public Tensor hypot(Tensor other) => Aten.Call("hypot", this, other);
        public Tensor i0() => Aten.Call("i0", this);
        public Tensor i0_() => Aten.CallInPlace("i0_", this);
        public Tensor igamma(Tensor other) => Aten.Call("igamma", this, other);
        public Tensor igammac(Tensor other) => Aten.Call("igammac", this, other);
        public Tensor index_add(long dim, Tensor index, Tensor source, Scalar alpha) =>
            Aten.Call("index_add", this, dim, index, source, alpha);
        public Tensor index_add_(long dim, Tensor index, Tensor source, Scalar alpha) =>
            Aten.CallInPlace("index_add_", this, dim, index, source, alpha);
        public Tensor index_copy(long dim, Tensor index, Tensor source) => Aten.Call("index_copy", this, dim, index, source);
        public Tensor index_copy_(long dim, Tensor index, Tensor source) => Aten.CallInPlace("index_copy_", this, dim, index, source);
        public Tensor index_select(long dim, Tensor index) => Aten.Call("index_select", this, dim, index);
        public Tensor inner(Tensor vec2) => Aten.Call("inner", this, vec2);
        public Tensor int_repr() => Aten.Call("int_repr", this);
        public Tensor inverse() => Aten.Call("inverse", this);
        public bool is_complex() => torch.is_complex(dtype);
        public bool is_conj() => Aten.CallBool("is_conj", this);
        public bool is_floating_point() => torch.is_floating_point(dtype);
        public bool is_neg() => Aten.CallBool("is_neg", this);
        public Tensor isclose(Tensor other, double rtol = 1E-05, double atol = 1E-08, bool nanEqual = false) =>
            Aten.Call("isclose", this, other, rtol, atol, nanEqual);
        public Tensor isfinite() => Aten.Call("isfinite", this);
        public Tensor isin(Tensor test_elements, bool assumeUnique = false, bool invert = false) =>
            Aten.Call("isin.Tensor_Tensor", this, test_elements, assumeUnique, invert);
        public Tensor isinf() => Aten.Call("isinf", this);
        public Tensor isnan() => Aten.Call("isnan", this);
        public Tensor isneginf() => Aten.Call("isneginf", this);
        public Tensor isposinf() => Aten.Call("isposinf", this);
        public Tensor isreal() => Aten.Call("isreal", this);
        public Tensor kron(Tensor other) => Aten.Call("kron", this, other);
        public (Tensor values, Tensor indices) kthvalue(long k, long? dim, bool keepdim = false) =>
            Aten.Call2("kthvalue", this, k, dim, keepdim);
        public Tensor lcm(Tensor other) => Aten.Call("lcm", this, other);
        public Tensor lcm_(Tensor other) => Aten.CallInPlace("lcm_", this, other);
        public Tensor ldexp(Tensor other) => Aten.Call("ldexp.Tensor", this, other);
        public Tensor ldexp_(Tensor other) => Aten.CallInPlace("ldexp_", this, other);
        public Tensor le(Scalar target) => Aten.Call("le.Scalar", this, target);
        public Tensor le(Tensor target) => Aten.Call("le.Tensor", this, target);
        public Tensor le_(Scalar target) => Aten.CallInPlace("le_.Scalar", this, target);
        public Tensor le_(Tensor target) => Aten.CallInPlace("le_.Tensor", this, target);
        public Tensor leaky_relu(Scalar negative_slope) => Aten.Call("leaky_relu", this, negative_slope);
        public Tensor leaky_relu_(Scalar negative_slope) => Aten.CallInPlace("leaky_relu_", this, negative_slope);
        public Tensor lerp(Tensor end, Tensor weight) => Aten.Call("lerp.Tensor", this, end, weight);
        public Tensor lerp_(Tensor end, Tensor weight) => Aten.CallInPlace("lerp_.Tensor", this, end, weight);
        public Tensor less(Tensor target) => Aten.Call("less.Tensor", this, target);
        public Tensor less_equal(Tensor target) => Aten.Call("less_equal.Tensor", this, target);
        public Tensor less_equal_(Tensor target) => Aten.CallInPlace("less_equal_.Tensor", this, target);
        public Tensor lgamma() => Aten.Call("lgamma", this);
        public Tensor lgamma_() => Aten.CallInPlace("lgamma_", this);
        public Tensor log() => Aten.Call("log", this);
        public Tensor log_() => Aten.CallInPlace("log_", this);
        public Tensor log10() => Aten.Call("log10", this);
        public Tensor log10_() => Aten.CallInPlace("log10_", this);
        public Tensor log1p() => Aten.Call("log1p", this);
        public Tensor log1p_() => Aten.CallInPlace("log1p_", this);
        public Tensor log2() => Aten.Call("log2", this);
        public Tensor log2_() => Aten.CallInPlace("log2_", this);
        public Tensor log_normal_(double mean = 0, double std = 1, Generator? generator = null) =>
            Aten.CallInPlace("log_normal_", this, mean, std, generator);
        public Tensor log_sigmoid() => Aten.Call("log_sigmoid", this);
        public Tensor log_softmax(long dim, ScalarType? dtype = null) => Aten.Call("log_softmax.int", this, dim, dtype);
        public Tensor logaddexp(Tensor other) => Aten.Call("logaddexp", this, other);
        public Tensor logaddexp2(Tensor other) => Aten.Call("logaddexp2", this, other);
        public Tensor logcumsumexp(long dim) => Aten.Call("logcumsumexp", this, dim);
        public Tensor logdet() => Aten.Call("logdet", this);
        public Tensor logical_and(Tensor other) => Aten.Call("logical_and", this, other);
        public Tensor logical_and_(Tensor other) => Aten.CallInPlace("logical_and_", this, other);
        public Tensor logical_not() => Aten.Call("logical_not", this);
        public Tensor logical_not_() => Aten.CallInPlace("logical_not_", this);
        public Tensor logical_or(Tensor other) => Aten.Call("logical_or", this, other);
        public Tensor logical_or_(Tensor other) => Aten.CallInPlace("logical_or_", this, other);
        public Tensor logical_xor(Tensor other) => Aten.Call("logical_xor", this, other);
        public Tensor logical_xor_(Tensor other) => Aten.CallInPlace("logical_xor_", this, other);
        public Tensor logit(double? eps = null) => Aten.Call("logit", this, eps);
        public Tensor logit_(double? eps = null) => Aten.CallInPlace("logit_", this, eps);
        public Tensor logsumexp(long dim, bool keepdim = false) => Aten.Call("logsumexp", this, dim, keepdim);
        public Tensor lt(Scalar target) => Aten.Call("lt.Scalar", this, target);
        public Tensor lt(Tensor target) => Aten.Call("lt.Tensor", this, target);
        public Tensor lt_(Scalar target) => Aten.CallInPlace("lt_.Scalar", this, target);
        public Tensor lt_(Tensor target) => Aten.CallInPlace("lt_.Tensor", this, target);
        public Tensor masked_fill(Tensor mask, Scalar value) => Aten.Call("masked_fill.Scalar", this, mask, value);
        public Tensor masked_fill_(Tensor mask, Scalar value) => Aten.CallInPlace("masked_fill_.Scalar", this, mask, value);
        public Tensor masked_scatter(Tensor mask, Tensor value) => Aten.Call("masked_scatter", this, mask, value);
        public Tensor masked_scatter_(Tensor mask, Tensor value) => Aten.CallInPlace("masked_scatter_", this, mask, value);
        public Tensor masked_select(Tensor mask) => Aten.Call("masked_select", this, mask);
        public Tensor matmul(Tensor target) => Aten.Call("matmul", this, target);
        public Tensor matrix_exp() => Aten.Call("matrix_exp", this);
        public Tensor matrix_power(int n) => Aten.Call("matrix_power", this, n);
        public Tensor maximum(Tensor other) => Aten.Call("maximum", this, other);
        public Tensor mean() => Aten.Call("mean", this);
        public Tensor mean(long[] dimensions, bool keepdim = false, ScalarType? type = null) =>
            Aten.Call("mean.dim", this, dimensions, keepdim, type);
        public Tensor median() => Aten.Call("median", this);
        public Tensor minimum(Tensor other) => Aten.Call("minimum", this, other);
        public Tensor mm(Tensor target) => Aten.Call("mm", this, target);
        public (Tensor values, Tensor indices) mode(long dim = -1, bool keepdim = false) => Aten.Call2("mode", this, dim, keepdim);
        public Tensor msort() => Aten.Call("msort", this);
        public Tensor mul(Scalar target) => Aten.Call("mul.Scalar", this, target);
        public Tensor mul(Tensor target) => Aten.Call("mul.Tensor", this, target);
        public Tensor mul_(Scalar target) => Aten.CallInPlace("mul_.Scalar", this, target);
        public Tensor mul_(Tensor target) => Aten.CallInPlace("mul_.Tensor", this, target);
        public Tensor multinomial(long num_samples, bool replacement = false, Generator? generator = null) =>
            Aten.Call("multinomial", this, num_samples, replacement, generator);
        public Tensor multiply(Scalar target) => Aten.Call("multiply.Scalar", this, target);
        public Tensor multiply(Tensor target) => Aten.Call("multiply.Tensor", this, target);
        public Tensor mv(Tensor target) => Aten.Call("mv", this, target);
        public Tensor mvlgamma(long p) => Aten.Call("mvlgamma", this, p);
        public Tensor mvlgamma_(long p) => Aten.CallInPlace("mvlgamma_", this, p);
        public Tensor nan_to_num(double nan = 0, double? posinf = null, double? neginf = null) =>
            Aten.Call("nan_to_num", this, nan, posinf, neginf);
        public Tensor nan_to_num_(double nan = 0, double? posinf = null, double? neginf = null) =>
            Aten.CallInPlace("nan_to_num_", this, nan, posinf, neginf);
        public Tensor nanmean(int? dim = null, bool keepdim = false, ScalarType? dtype = null) =>
            Aten.Call("nanmean", this, dim, keepdim, dtype);
        public Tensor nanmedian() => Aten.Call("nanmedian", this);
        public Tensor nanquantile(Tensor q, long dim = -1, bool keepdim = false) =>
            Aten.Call("nanquantile", this, q, dim, keepdim);
        public Tensor nansum() => Aten.Call("nansum", this);
        public Tensor narrow(long dim, long start, long length) => Aten.Call("narrow", this, dim, start, length);
        public Tensor ne(Scalar target) => Aten.Call("ne.Scalar", this, target);
        public Tensor ne(Tensor target) => Aten.Call("ne.Tensor", this, target);
        public Tensor ne_(Scalar target) => Aten.CallInPlace("ne_.Scalar", this, target);
        public Tensor ne_(Tensor target) => Aten.CallInPlace("ne_.Tensor", this, target);
        public Tensor neg() => Aten.Call("neg", this);
        public Tensor neg_() => Aten.CallInPlace("neg_", this);
        public Tensor negative() => Aten.Call("negative", this);
        public Tensor nextafter(Tensor other) => Aten.Call("nextafter", this, other);
        public Tensor nextafter_(Tensor other) => Aten.CallInPlace("nextafter_", this, other);
        public Tensor nonzero() => Aten.Call("nonzero", this);
        public Tensor norm(float p = 2f) => Aten.Call("norm.Scalar", this, p);
        public Tensor norm(int dim, bool keepdim = false, float p = 2f) =>
            Aten.Call("norm.ScalarOpt_dim(self,dim,keepdim,p)", this, dim, keepdim, p);
        public Tensor normal_(double mean = 0, double std = 1, Generator? generator = null) =>
            Aten.CallInPlace("normal_", this, mean, std, generator);
        public Tensor not_equal(Tensor target) => Aten.Call("not_equal.Tensor", this, target);
        public Tensor not_equal_(Tensor target) => Aten.CallInPlace("not_equal_.Tensor", this, target);
        public Tensor ormqr(Tensor tau, Tensor other, bool left = true, bool transpose = false) =>
            Aten.Call("ormqr", this, tau, other, left, transpose);
        public Tensor outer(Tensor vec2) => Aten.Call("outer", this, vec2);
        public Tensor permute(params long[] permutation) => Aten.Call("permute", this, permutation);
        public Tensor pin_memory() => Aten.Call("pin_memory", this);
        public Tensor poisson(Generator? generator = null) => Aten.Call("poisson", this, generator);
        public Tensor polygamma_(long p) => Aten.CallInPlace("polygamma_", this, p);
        public Tensor positive() => Aten.Call("positive", this);
        public Tensor pow(Scalar exponent) => Aten.Call("pow.Tensor_Scalar", this, exponent);
        public Tensor pow(Tensor exponent) => Aten.Call("pow.Tensor_Tensor", this, exponent);
        public Tensor pow_(Scalar exponent) => Aten.CallInPlace("pow_.Scalar", this, exponent);
        public Tensor pow_(Tensor exponent) => Aten.CallInPlace("pow_.Tensor", this, exponent);
        public Tensor prod(ScalarType? type = null) => Aten.Call("prod", this, type);
        public Tensor prod(long dim, bool keepdim = false, ScalarType? type = null) =>
            Aten.Call("prod.dim_int", this, dim, keepdim, type);
        public long q_per_channel_axis() => Aten.CallInt("q_per_channel_axis", this);
        public Tensor q_per_channel_scales() => Aten.Call("q_per_channel_scales", this);
        public Tensor q_per_channel_zero_points() => Aten.Call("q_per_channel_zero_points", this);
        public long q_zero_point() => Aten.CallInt("q_zero_point", this);
        public Tensor quantile(Tensor q, long dim = -1, bool keepdim = false) => Aten.Call("quantile", this, q, dim, keepdim);
        public Tensor rad2deg() => Aten.Call("rad2deg", this);
        public Tensor rad2deg_() => Aten.CallInPlace("rad2deg_", this);
        public Tensor ravel() => Aten.Call("ravel", this);
        public Tensor reciprocal() => Aten.Call("reciprocal", this);
        public Tensor reciprocal_() => Aten.CallInPlace("reciprocal_", this);
        public Tensor relu() => Aten.Call("relu", this);
        public Tensor relu_() => Aten.CallInPlace("relu_", this);
        public Tensor relu6() => Aten.Call("relu6", this);
        public Tensor relu6_() => Aten.CallInPlace("relu6_", this);
        public Tensor remainder(Scalar scalar) => Aten.Call("remainder.Scalar", this, scalar);
        public Tensor remainder(Tensor target) => Aten.Call("remainder.Tensor", this, target);
        public Tensor remainder_(Scalar scalar) => Aten.CallInPlace("remainder_.Scalar", this, scalar);
        public Tensor remainder_(Tensor target) => Aten.CallInPlace("remainder_.Tensor", this, target);
        public Tensor renorm(float p, long dim, float maxnorm) => Aten.Call("renorm", this, p, dim, maxnorm);
        public Tensor repeat(params long[] sizes) => Aten.Call("repeat", this, sizes);
        public Tensor repeat_interleave(Tensor repeats, long? dim = null, long? output_size = null) =>
            Aten.Call("repeat_interleave.self_Tensor", this, repeats, dim, output_size);
        public Tensor repeat_interleave(long repeats, long? dim = null, long? output_size = null) =>
            Aten.Call("repeat_interleave.self_int", this, repeats, dim, output_size);
        public Tensor reshape(params long[] shape) => Aten.Call("reshape", this, shape);
        public Tensor resolve_conj() => Aten.Call("resolve_conj", this);
        public Tensor resolve_neg() => Aten.Call("resolve_neg", this);
        public Tensor roll(ReadOnlySpan<long> shifts, ReadOnlySpan<long> dims = default) =>
            Aten.Call("roll", this, shifts.ToArray(), dims.ToArray());
        public Tensor roll(long shifts, long? dims = null) => Aten.Call("roll", this, shifts, dims);
        public Tensor roll(long[] shifts) => Aten.Call("roll", this, shifts);
        public Tensor roll(long[] shifts, long[] dims) => Aten.Call("roll", this, shifts, dims);
        public Tensor rot90(long k = 1, (long, long)? dims = null) =>
            Aten.Call("rot90", this, k, new long[] { dims?.Item1 ?? 0, dims?.Item2 ?? 1 });
        public Tensor round(long decimals = 0) =>
            decimals == 0 ? Aten.Call("round", this) : Aten.Call("round.decimals", this, decimals);
        public Tensor round_(long decimals = 0) =>
            decimals == 0 ? Aten.CallInPlace("round_", this) : Aten.CallInPlace("round_.decimals", this, decimals);
        public Tensor rrelu(double lower = 0.125, double upper = 0.3333333333333333) => Aten.Call("rrelu", this, lower, upper);
        public Tensor rrelu_(double lower = 0.125, double upper = 0.3333333333333333) => Aten.CallInPlace("rrelu_", this, lower, upper);
        public Tensor rsqrt() => Aten.Call("rsqrt", this);
        public Tensor rsqrt_() => Aten.CallInPlace("rsqrt_", this);
        public Tensor scatter(long dim, Tensor index, Tensor src) => Aten.Call("scatter.src", this, dim, index, src);
        public Tensor scatter_(long dim, Tensor index, Tensor src) => Aten.CallInPlace("scatter_.src", this, dim, index, src);
        public Tensor scatter_add(long dim, Tensor index, Tensor src) => Aten.Call("scatter_add", this, dim, index, src);
        public Tensor scatter_add_(long dim, Tensor index, Tensor src) => Aten.CallInPlace("scatter_add_", this, dim, index, src);
        public Tensor select(long dim, long index) => Aten.Call("select.int", this, dim, index);
        public Tensor select_scatter(Tensor src, long dim, long index) => Aten.Call("select_scatter", this, src, dim, index);
        public Tensor selu() => Aten.Call("selu", this);
        public Tensor selu_() => Aten.CallInPlace("selu_", this);
        public Tensor set_(Tensor source) => Aten.CallInPlace("set_.source_Tensor", this, source);
        public Tensor sgn() => Aten.Call("sgn", this);
        public Tensor sgn_() => Aten.CallInPlace("sgn_", this);
        public Tensor sigmoid() => Aten.Call("sigmoid", this);
        public Tensor sigmoid_() => Aten.CallInPlace("sigmoid_", this);
        public Tensor sign() => Aten.Call("sign", this);
        public Tensor sign_() => Aten.CallInPlace("sign_", this);
        public Tensor signbit() => Aten.Call("signbit", this);
        public Tensor silu() => Aten.Call("silu", this);
        public Tensor silu_() => Aten.CallInPlace("silu_", this);
        public Tensor sin() => Aten.Call("sin", this);
        public Tensor sin_() => Aten.CallInPlace("sin_", this);
        public Tensor sinc() => Aten.Call("sinc", this);
        public Tensor sinc_() => Aten.CallInPlace("sinc_", this);
        public Tensor sinh() => Aten.Call("sinh", this);
        public Tensor sinh_() => Aten.CallInPlace("sinh_", this);
        public Tensor slice_scatter(Tensor src, long dim = 0, long? start = null, long? end = null, long step = 1) =>
            Aten.Call("slice_scatter", this, src, dim, start, end, step);
        public Tensor softmax(long dim, ScalarType? dtype = null) => Aten.Call("softmax.int", this, dim, dtype);
        public Tensor softplus(double beta = 1, double threshold = 20) => Aten.Call("softplus", this, beta, threshold);
        public (Tensor Values, Tensor Indices) sort(long dim = -1, bool descending = false, bool stable = false) =>
            Aten.Call2("sort.stable(self,dim,descending,stable)", this, dim, descending, stable);
        public Tensor sqrt() => Aten.Call("sqrt", this);
        public Tensor sqrt_() => Aten.CallInPlace("sqrt_", this);
        public Tensor square() => Aten.Call("square", this);
        public Tensor squeeze(long? dim = null) => dim is null ? Aten.Call("squeeze", this) : Aten.Call("squeeze.dim", this, dim);
        public Tensor squeeze_(long? dim = null) =>
            dim is null ? Aten.CallInPlace("squeeze_", this) : Aten.CallInPlace("squeeze_.dim", this, dim);
        public (Tensor std, Tensor mean) std_mean(bool unbiased = true) => Aten.Call2("std_mean", this, unbiased);
        public Tensor subtract(Scalar target) => Aten.Call("subtract.Scalar", this, target);
        public Tensor subtract(Tensor target) => Aten.Call("subtract.Tensor", this, target);
        public Tensor subtract_(Scalar target) => Aten.CallInPlace("subtract_.Scalar", this, target);
        public Tensor subtract_(Tensor target) => Aten.CallInPlace("subtract_.Tensor", this, target);
        public Tensor swapaxes(long dim0, long dim1) => Aten.Call("swapaxes", this, dim0, dim1);
        public Tensor swapdims(long dim0, long dim1) => Aten.Call("swapdims", this, dim0, dim1);
        public Tensor t() => Aten.Call("t", this);
        public Tensor take(Tensor index) => Aten.Call("take", this, index);
        public Tensor take_along_dim(Tensor indices) => Aten.Call("take_along_dim", this, indices);
        public Tensor take_along_dim(Tensor indices, long dim) => Aten.Call("take_along_dim", this, indices, dim);
        public Tensor tan() => Aten.Call("tan", this);
        public Tensor tan_() => Aten.CallInPlace("tan_", this);
        public Tensor tanh() => Aten.Call("tanh", this);
        public Tensor tanh_() => Aten.CallInPlace("tanh_", this);
        public Tensor[] tensor_split(Tensor indices, long dim = 0) =>
            Aten.CallMany("tensor_split.tensor_indices_or_sections", this, indices, dim);
        public Tensor[] tensor_split(long size, long dim = 0) => Aten.CallMany("tensor_split.sections", this, size, dim);
        public Tensor[] tensor_split(long[] sizes, long dim = 0) => Aten.CallMany("tensor_split.indices", this, sizes, dim);
        public Tensor tensordot(Tensor b, long[] dims1, long[] dims2) => Aten.Call("tensordot", this, b, dims1, dims2);
        public Tensor threshold(Scalar threshold, Scalar value) => Aten.Call("threshold", this, threshold, value);
        public Tensor threshold_(Scalar threshold, Scalar value) => Aten.CallInPlace("threshold_", this, threshold, value);
        public Tensor tile(long[] reps) => Aten.Call("tile", this, reps);
        public Tensor to_dense() => Aten.Call("to_dense", this);
        public Tensor to_sparse() => Aten.Call("to_sparse", this);
        public Tensor to_sparse(int sparse_dim) => Aten.Call("to_sparse.sparse_dim", this, sparse_dim);
        public (Tensor values, Tensor indexes) topk(int k, int dim = -1, bool largest = true, bool sorted = true) =>
            Aten.Call2("topk", this, k, dim, largest, sorted);
        public Tensor trace() => Aten.Call("trace", this);
        public Tensor transpose(long dim0, long dim1) => Aten.Call("transpose.int", this, dim0, dim1);
        public Tensor transpose_(long dim0, long dim1) => Aten.CallInPlace("transpose_", this, dim0, dim1);
        public Tensor trapezoid(Tensor x, long dim = -1) => Aten.Call("trapezoid.x", this, x, dim);
        public Tensor trapezoid(double dx = 1, long dim = -1) => Aten.Call("trapezoid.dx", this, dx, dim);
        public Tensor tril(long diagonal = 0) => Aten.Call("tril", this, diagonal);
        public Tensor tril_(long diagonal = 0) => Aten.CallInPlace("tril_", this, diagonal);
        public Tensor triu(long diagonal = 0) => Aten.Call("triu", this, diagonal);
        public Tensor triu_(long diagonal = 0) => Aten.CallInPlace("triu_", this, diagonal);
        public Tensor true_divide(Scalar other) => Aten.Call("true_divide.Scalar", this, other);
        public Tensor true_divide(Tensor other) => Aten.Call("true_divide.Tensor", this, other);
        public Tensor true_divide_(Scalar other) => Aten.CallInPlace("true_divide_.Scalar", this, other);
        public Tensor true_divide_(Tensor other) => Aten.CallInPlace("true_divide_.Tensor", this, other);
        public Tensor trunc() => Aten.Call("trunc", this);
        public Tensor trunc_() => Aten.CallInPlace("trunc_", this);
        public Tensor type_as(Tensor tensor) => Aten.Call("type_as", this, tensor);
        public Tensor[] unbind(long dimension = 0) => Aten.CallMany("unbind.int", this, dimension);
        public Tensor unflatten(long dim, Size sizes) => Aten.Call("unflatten.int", this, dim, sizes);
        public Tensor unflatten(long dim, params long[] sizes) => Aten.Call("unflatten.int", this, dim, sizes);
        public Tensor unfold(long dimension, long size, long step) => Aten.Call("unfold", this, dimension, size, step);
        public Tensor uniform_(double from, double to, Generator? generator = null) =>
            Aten.CallInPlace("uniform_", this, from, to, generator);
        public Tensor unsqueeze(long dim) => Aten.Call("unsqueeze", this, dim);
        public Tensor unsqueeze_(long dim) => Aten.CallInPlace("unsqueeze_", this, dim);
        public Tensor vander(long N = -1, bool increasing = false) =>
            Aten.Call("vander", this, N < 0 ? null : (long?)N, increasing);
        public Tensor vdot(Tensor target) => Aten.Call("vdot", this, target);
        public Tensor view(params long[] shape) => Aten.Call("view", this, shape);
        public Tensor view_as(Tensor other) => Aten.Call("view_as", this, other);
        public Tensor view_as_complex() => Aten.Call("view_as_complex", this);
        public Tensor view_as_real() => Aten.Call("view_as_real", this);
        public Tensor[] vsplit(long size) => Aten.CallMany("vsplit.int", this, size);
        public Tensor[] vsplit(params long[] sizes) => Aten.CallMany("vsplit.array", this, sizes);
        public Tensor xlogy(Scalar y) => Aten.Call("xlogy.Scalar_Other", this, y);
        public Tensor xlogy(Tensor y) => Aten.Call("xlogy.Tensor", this, y);
        public Tensor xlogy_(Scalar y) => Aten.CallInPlace("xlogy_.Scalar_Other", this, y);
        public Tensor xlogy_(Tensor y) => Aten.CallInPlace("xlogy_.Tensor", this, y);
        public Tensor zero_() => Aten.CallInPlace("zero_", this);
    }
}
