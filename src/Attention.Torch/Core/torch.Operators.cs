using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    // One line an operator, in alphabetical order. What each does is PyTorch's documentation of the same name.
    public static Tensor _sample_dirichlet(Tensor input, Generator? generator = null) =>
        Aten.Call("_sample_dirichlet", input, generator);
    public static Tensor _standard_gamma(Tensor input, Generator? generator = null) =>
        Aten.Call("_standard_gamma", input, generator);
    public static Tensor abs(Tensor input) => Aten.Call("abs", input);
    public static Tensor abs_(Tensor input) => Aten.CallInPlace("abs_", input);
    public static Tensor absolute(Tensor input) => Aten.Call("absolute", input);
    public static Tensor absolute_(Tensor input) => Aten.CallInPlace("absolute_", input);
    public static Tensor acos(Tensor input) => Aten.Call("acos", input);
    public static Tensor acos_(Tensor input) => Aten.CallInPlace("acos_", input);
    public static Tensor acosh(Tensor input) => Aten.Call("acosh", input);
    public static Tensor acosh_(Tensor input) => Aten.CallInPlace("acosh_", input);
    public static Tensor add(Tensor left, Scalar right) => Aten.Call("add.Scalar", left, right);
    public static Tensor add(Tensor left, Scalar right, Scalar alpha) => Aten.Call("add.Scalar", left, right, alpha);
    public static Tensor add(Tensor left, Tensor right) => Aten.Call("add.Tensor", left, right);
    public static Tensor add(Tensor left, Tensor right, Scalar alpha) => Aten.Call("add.Tensor", left, right, alpha);
    public static Tensor add_(Tensor left, Scalar right) => Aten.CallInPlace("add_.Scalar", left, right);
    public static Tensor add_(Tensor left, Scalar right, Scalar alpha) => Aten.CallInPlace("add_.Scalar", left, right, alpha);
    public static Tensor add_(Tensor left, Tensor right) => Aten.CallInPlace("add_.Tensor", left, right);
    public static Tensor add_(Tensor left, Tensor right, Scalar alpha) => Aten.CallInPlace("add_.Tensor", left, right, alpha);
    public static Tensor addbmm(Tensor input, Tensor batch1, Tensor batch2, float beta = 1f, float alpha = 1f) =>
        Aten.Call("addbmm", input, batch1, batch2, beta, alpha);
    public static Tensor addbmm_(Tensor input, Tensor batch1, Tensor batch2, float beta = 1f, float alpha = 1f) =>
        Aten.CallInPlace("addbmm_", input, batch1, batch2, beta, alpha);
    public static Tensor addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, Scalar value) =>
        Aten.Call("addcdiv", input, tensor1, tensor2, value);
    public static Tensor addcdiv_(Tensor input, Tensor tensor1, Tensor tensor2, Scalar value) =>
        Aten.CallInPlace("addcdiv_", input, tensor1, tensor2, value);
    public static Tensor addcmul(Tensor input, Tensor tensor1, Tensor tensor2, Scalar value) =>
        Aten.Call("addcmul", input, tensor1, tensor2, value);
    public static Tensor addcmul_(Tensor input, Tensor tensor1, Tensor tensor2, Scalar value) =>
        Aten.CallInPlace("addcmul_", input, tensor1, tensor2, value);
    public static Tensor addmm(Tensor input, Tensor mat1, Tensor mat2, float beta, float alpha) =>
        Aten.Call("addmm", input, mat1, mat2, beta, alpha);
    public static Tensor addmm_(Tensor input, Tensor mat1, Tensor mat2, float beta, float alpha) =>
        Aten.CallInPlace("addmm_", input, mat1, mat2, beta, alpha);
    public static Tensor addmv(Tensor input, Tensor mat1, Tensor mat2, float beta, float alpha) =>
        Aten.Call("addmv", input, mat1, mat2, beta, alpha);
    public static Tensor addmv_(Tensor input, Tensor mat1, Tensor mat2, float beta, float alpha) =>
        Aten.CallInPlace("addmv_", input, mat1, mat2, beta, alpha);
    public static Tensor addr(Tensor input, Tensor vec1, Tensor vec2, float beta = 1f, float alpha = 1f) =>
        Aten.Call("addr", input, vec1, vec2, beta, alpha);
    public static Tensor addr_(Tensor input, Tensor vec1, Tensor vec2, float beta = 1f, float alpha = 1f) =>
        Aten.CallInPlace("addr_", input, vec1, vec2, beta, alpha);
    public static Tensor adjoint(Tensor input) => Aten.Call("adjoint", input);
    public static Tensor all(Tensor input) => Aten.Call("all", input);
    public static Tensor all(Tensor input, long dim, bool keepdim = false) => Aten.Call("all.dim", input, dim, keepdim);
    public static bool allclose(Tensor tensor, Tensor target, double rtol = 1E-05, double atol = 1E-08, bool equal_nan = false) =>
        Aten.CallBool("allclose", tensor, target, rtol, atol, equal_nan);
    public static Tensor amax(Tensor input, long[] dims) => Aten.Call("amax", input, dims);
    public static (Tensor min, Tensor max) aminmax(Tensor input, long? dim = null, bool keepdim = false) =>
        Aten.Call2("aminmax", input, dim, keepdim);
    public static Tensor angle(Tensor input) => Aten.Call("angle", input);
    public static Tensor any(Tensor input) => Aten.Call("any", input);
    public static Tensor any(Tensor input, long dim, bool keepdim = false) => Aten.Call("any.dim", input, dim, keepdim);
    public static Tensor arccos(Tensor input) => Aten.Call("arccos", input);
    public static Tensor arccos_(Tensor input) => Aten.CallInPlace("arccos_", input);
    public static Tensor arccosh(Tensor input) => Aten.Call("arccosh", input);
    public static Tensor arccosh_(Tensor input) => Aten.CallInPlace("arccosh_", input);
    public static Tensor arcsin(Tensor input) => Aten.Call("arcsin", input);
    public static Tensor arcsin_(Tensor input) => Aten.CallInPlace("arcsin_", input);
    public static Tensor arcsinh(Tensor input) => Aten.Call("arcsinh", input);
    public static Tensor arcsinh_(Tensor input) => Aten.CallInPlace("arcsinh_", input);
    public static Tensor arctan(Tensor input) => Aten.Call("arctan", input);
    public static Tensor arctan_(Tensor input) => Aten.CallInPlace("arctan_", input);
    public static Tensor arctan2(Tensor input, Tensor other) => Aten.Call("arctan2", input, other);
    public static Tensor arctan2_(Tensor input, Tensor other) => Aten.CallInPlace("arctan2_", input, other);
    public static Tensor arctanh(Tensor input) => Aten.Call("arctanh", input);
    public static Tensor arctanh_(Tensor input) => Aten.CallInPlace("arctanh_", input);
    public static Tensor argmax(Tensor input) => Aten.Call("argmax", input);
    public static Tensor argmax(Tensor input, long dim, bool keepdim = false) => Aten.Call("argmax", input, dim, keepdim);
    public static Tensor argmin(Tensor input) => Aten.Call("argmin", input);
    public static Tensor argmin(Tensor input, long dim, bool keepdim = false) => Aten.Call("argmin", input, dim, keepdim);
    public static Tensor argsort(Tensor input, long dim = -1, bool descending = false) =>
        Aten.Call("argsort", input, dim, descending);
    public static Tensor argwhere(Tensor input) => Aten.Call("argwhere", input);
    public static Tensor asin(Tensor input) => Aten.Call("asin", input);
    public static Tensor asin_(Tensor input) => Aten.CallInPlace("asin_", input);
    public static Tensor asinh(Tensor input) => Aten.Call("asinh", input);
    public static Tensor asinh_(Tensor input) => Aten.CallInPlace("asinh_", input);
    public static Tensor atan(Tensor input) => Aten.Call("atan", input);
    public static Tensor atan_(Tensor input) => Aten.CallInPlace("atan_", input);
    public static Tensor atan2(Tensor input, Tensor other) => Aten.Call("atan2", input, other);
    public static Tensor atan2_(Tensor input, Tensor other) => Aten.CallInPlace("atan2_", input, other);
    public static Tensor atanh(Tensor input) => Aten.Call("atanh", input);
    public static Tensor atanh_(Tensor input) => Aten.CallInPlace("atanh_", input);
    public static Tensor baddbmm(Tensor input, Tensor batch1, Tensor batch2, float beta = 1f, float alpha = 1f) =>
        Aten.Call("baddbmm", input, batch1, batch2, beta, alpha);
    public static Tensor bincount(Tensor input, Tensor? weights = null, long minlength = 0) =>
        Aten.Call("bincount", input, weights, minlength);
    public static Tensor binomial(Tensor count, Tensor probs, Generator? generator = null) =>
        Aten.Call("binomial", count, probs, generator);
    public static Tensor bitwise_and(Tensor left, Tensor right) => Aten.Call("bitwise_and.Tensor", left, right);
    public static Tensor bitwise_and_(Tensor left, Tensor right) => Aten.CallInPlace("bitwise_and_.Tensor", left, right);
    public static Tensor bitwise_left_shift(Tensor left, Tensor right) => Aten.Call("bitwise_left_shift.Tensor", left, right);
    public static Tensor bitwise_left_shift_(Tensor left, Tensor right) =>
        Aten.CallInPlace("bitwise_left_shift_.Tensor", left, right);
    public static Tensor bitwise_not(Tensor input) => Aten.Call("bitwise_not", input);
    public static Tensor bitwise_not_(Tensor input) => Aten.CallInPlace("bitwise_not_", input);
    public static Tensor bitwise_or(Tensor left, Tensor right) => Aten.Call("bitwise_or.Tensor", left, right);
    public static Tensor bitwise_or_(Tensor left, Tensor right) => Aten.CallInPlace("bitwise_or_.Tensor", left, right);
    public static Tensor bitwise_right_shift(Tensor left, Tensor right) =>
        Aten.Call("bitwise_right_shift.Tensor", left, right);
    public static Tensor bitwise_right_shift_(Tensor left, Tensor right) =>
        Aten.CallInPlace("bitwise_right_shift_.Tensor", left, right);
    public static Tensor bitwise_xor(Tensor left, Tensor right) => Aten.Call("bitwise_xor.Tensor", left, right);
    public static Tensor bitwise_xor_(Tensor left, Tensor right) => Aten.CallInPlace("bitwise_xor_.Tensor", left, right);
    public static Tensor block_diag(params Tensor[] tensors) => Aten.Call("block_diag", tensors);
    public static Tensor bmm(Tensor input, Tensor batch2) => Aten.Call("bmm", input, batch2);
    public static Tensor bucketize(Tensor input, Tensor boundaries, bool outInt32 = false, bool right = false) =>
        Aten.Call("bucketize.Tensor", input, boundaries, outInt32, right);
    public static bool can_cast(ScalarType from, ScalarType to) => Aten.CallBool("can_cast", from, to);
    public static Tensor cartesian_prod(IList<Tensor> tensors) => Aten.Call("cartesian_prod", tensors.ToArray());
    public static Tensor cartesian_prod(params Tensor[] tensors) => Aten.Call("cartesian_prod", tensors);
    public static Tensor cat(IList<Tensor> tensors, long dim = 0) => Aten.Call("cat", tensors.ToArray(), dim);
    public static Tensor cat(Tensor[] tensors, long dim = 0) => Aten.Call("cat", tensors, dim);
    public static Tensor ceil(Tensor input) => Aten.Call("ceil", input);
    public static Tensor ceil_(Tensor input) => Aten.CallInPlace("ceil_", input);
    public static Tensor chain_matmul(params Tensor[] matrices) => Aten.Call("chain_matmul", matrices);
    public static Tensor cholesky_inverse(Tensor input, bool upper = false) => Aten.Call("cholesky_inverse", input, upper);
    public static Tensor cholesky_solve(Tensor input, Tensor input2, bool upper = false) =>
        Aten.Call("cholesky_solve", input, input2, upper);
    public static Tensor[] chunk(Tensor input, long chunks, long dim = 0) => Aten.CallMany("chunk", input, chunks, dim);
    public static Tensor clamp_(Tensor input, Scalar? min = null, Scalar? max = null) => Aten.CallInPlace("clamp_", input, min, max);
    public static Tensor clamp_(Tensor input, Tensor? min = null, Tensor? max = null) =>
        Aten.CallInPlace("clamp_.Tensor", input, min, max);
    public static Tensor clamp_max(Tensor input, Scalar max) => Aten.Call("clamp_max", input, max);
    public static Tensor clamp_max_(Tensor input, Scalar max) => Aten.CallInPlace("clamp_max_", input, max);
    public static Tensor clamp_min(Tensor input, Scalar min) => Aten.Call("clamp_min", input, min);
    public static Tensor clamp_min_(Tensor input, Scalar min) => Aten.CallInPlace("clamp_min_", input, min);
    public static Tensor clip(Tensor input, Scalar? min = null, Scalar? max = null) => Aten.Call("clip", input, min, max);
    public static Tensor clone(Tensor input) => Aten.Call("clone", input);
    public static Tensor column_stack(IList<Tensor> tensors) => Aten.Call("column_stack", tensors.ToArray());
    public static Tensor column_stack(params Tensor[] tensors) => Aten.Call("column_stack", tensors);
    public static Tensor combinations(Tensor input, int r = 2, bool with_replacement = false) =>
        Aten.Call("combinations", input, r, with_replacement);
    public static Tensor concat(IList<Tensor> tensors, long dim = 0) => Aten.Call("concat", tensors.ToArray(), dim);
    public static Tensor concat(Tensor[] tensors, long dim = 0) => Aten.Call("concat", tensors, dim);
    public static Tensor conj(Tensor input) => Aten.Call("conj", input);
    public static Tensor conj_physical(Tensor input) => Aten.Call("conj_physical", input);
    public static Tensor conj_physical_(Tensor input) => Aten.CallInPlace("conj_physical_", input);
    public static Tensor copysign(Tensor input, Tensor other) => Aten.Call("copysign.Tensor", input, other);
    public static Tensor copysign_(Tensor input, Tensor other) => Aten.CallInPlace("copysign_.Tensor", input, other);
    public static Tensor corrcoef(Tensor input) => Aten.Call("corrcoef", input);
    public static Tensor cos(Tensor input) => Aten.Call("cos", input);
    public static Tensor cos_(Tensor input) => Aten.CallInPlace("cos_", input);
    public static Tensor cosh(Tensor input) => Aten.Call("cosh", input);
    public static Tensor cosh_(Tensor input) => Aten.CallInPlace("cosh_", input);
    public static Tensor count_nonzero(Tensor input, long[]? dims = null) => input.count_nonzero(dims);
    public static Tensor cov(Tensor input, long correction = 1, Tensor? fweights = null, Tensor? aweights = null) =>
        Aten.Call("cov", input, correction, fweights, aweights);
    public static (Tensor values, Tensor indices) cummax(Tensor input, long dim) => Aten.Call2("cummax", input, dim);
    public static (Tensor values, Tensor indices) cummin(Tensor input, long dim) => Aten.Call2("cummin", input, dim);
    public static Tensor cumprod(Tensor input, long dim, ScalarType? dtype = null) => Aten.Call("cumprod", input, dim, dtype);
    public static Tensor cumsum(Tensor input, long dim, ScalarType? type = null) => Aten.Call("cumsum", input, dim, type);
    public static Tensor deg2rad(Tensor input) => Aten.Call("deg2rad", input);
    public static Tensor deg2rad_(Tensor input) => Aten.CallInPlace("deg2rad_", input);
    public static Tensor dequantize(Tensor input) => Aten.Call("dequantize.self", input);
    public static Tensor det(Tensor input) => Aten.Call("det", input);
    public static Tensor diag(Tensor input, long diagonal = 0) => Aten.Call("diag", input, diagonal);
    public static Tensor diag_embed(Tensor input, long offset = 0, long dim1 = -2, long dim2 = -1) =>
        Aten.Call("diag_embed", input, offset, dim1, dim2);
    public static Tensor diagflat(Tensor input, long offset = 0) => Aten.Call("diagflat", input, offset);
    public static Tensor diagonal(Tensor input, long offset = 0, long dim1 = 0, long dim2 = 1) =>
        Aten.Call("diagonal", input, offset, dim1, dim2);
    public static Tensor diagonal_scatter(Tensor input, Tensor src, long offset = 0, long dim1 = 0, long dim2 = 1) =>
        Aten.Call("diagonal_scatter", input, src, offset, dim1, dim2);
    public static Tensor diff(Tensor input, long n = 1, long dim = -1, Tensor? prepend = null, Tensor? append = null) =>
        Aten.Call("diff", input, n, dim, prepend, append);
    public static Tensor digamma(Tensor input) => Aten.Call("digamma", input);
    public static Tensor digamma_(Tensor input) => Aten.CallInPlace("digamma_", input);
    public static Tensor dist(Tensor input, Tensor other, float p = 2f) => Aten.Call("dist", input, other, p);
    public static Tensor divide_(Tensor left, Scalar right) => Aten.CallInPlace("divide_.Scalar", left, right);
    public static Tensor dot(Tensor input, Tensor other) => Aten.Call("dot", input, other);
    public static Tensor[] dsplit(Tensor input, (long, long) indices_or_sections) =>
        Aten.CallMany("dsplit.array", input, new long[] { indices_or_sections.Item1, indices_or_sections.Item2 });
    public static Tensor[] dsplit(Tensor input, (long, long, long) indices_or_sections) =>
        Aten.CallMany("dsplit.array", input, new long[] { indices_or_sections.Item1, indices_or_sections.Item2, indices_or_sections.Item3 });
    public static Tensor[] dsplit(Tensor input, long size) => Aten.CallMany("dsplit.int", input, size);
    public static Tensor[] dsplit(Tensor input, long[] indices_or_sections) =>
        Aten.CallMany("dsplit.array", input, indices_or_sections);
    public static Tensor dstack(IEnumerable<Tensor> tensors) => Aten.Call("dstack", tensors.ToArray());
    public static Tensor dstack(IList<Tensor> tensors) => Aten.Call("dstack", tensors.ToArray());
    public static Tensor dstack(params Tensor[] tensors) => Aten.Call("dstack", tensors);
    public static Tensor einsum(string equation, params Tensor[] tensors) => Aten.Call("einsum", equation, tensors);
    public static Tensor eq(Tensor left, Tensor right) => Aten.Call("eq.Tensor", left, right);
    public static Tensor erf(Tensor input) => Aten.Call("erf", input);
    public static Tensor erf_(Tensor input) => Aten.CallInPlace("erf_", input);
    public static Tensor erfc(Tensor input) => Aten.Call("erfc", input);
    public static Tensor erfc_(Tensor input) => Aten.CallInPlace("erfc_", input);
    public static Tensor erfinv(Tensor input) => Aten.Call("erfinv", input);
    public static Tensor erfinv_(Tensor input) => Aten.CallInPlace("erfinv_", input);
    public static Tensor exp(Tensor input) => Aten.Call("exp", input);
    public static Tensor exp_(Tensor input) => Aten.CallInPlace("exp_", input);
    public static Tensor exp2(Tensor input) => Aten.Call("exp2", input);
    public static Tensor exp2_(Tensor input) => Aten.CallInPlace("exp2_", input);
    public static Tensor expm1(Tensor input) => Aten.Call("expm1", input);
    public static Tensor expm1_(Tensor input) => Aten.CallInPlace("expm1_", input);
    public static Tensor fix(Tensor input) => Aten.Call("fix", input);
    public static Tensor fix_(Tensor input) => Aten.CallInPlace("fix_", input);
    public static Tensor flatten(Tensor input, long start_dim = 0, long end_dim = -1) =>
        Aten.Call("flatten.using_ints", input, start_dim, end_dim);
    public static Tensor flip(Tensor input, params long[] dims) => Aten.Call("flip", input, dims);
    public static Tensor fliplr(Tensor input) => Aten.Call("fliplr", input);
    public static Tensor flipud(Tensor input) => Aten.Call("flipud", input);
    public static Tensor float_power(Tensor input, Tensor target) => Aten.Call("float_power.Tensor_Tensor", input, target);
    public static Tensor float_power_(Tensor input, Tensor target) => Aten.CallInPlace("float_power_.Tensor", input, target);
    public static Tensor floor(Tensor input) => Aten.Call("floor", input);
    public static Tensor floor_(Tensor input) => Aten.CallInPlace("floor_", input);
    public static Tensor floor_divide(Tensor input, Tensor other) => Aten.Call("floor_divide", input, other);
    public static Tensor floor_divide_(Tensor input, Tensor other) => Aten.CallInPlace("floor_divide_.Tensor", input, other);
    public static Tensor fmax(Tensor input, Tensor other) => Aten.Call("fmax", input, other);
    public static Tensor fmin(Tensor input, Tensor other) => Aten.Call("fmin", input, other);
    public static Tensor fmod(Tensor left, Scalar right) => Aten.Call("fmod.Scalar", left, right);
    public static Tensor fmod(Tensor left, Tensor right) => Aten.Call("fmod.Tensor", left, right);
    public static Tensor fmod_(Tensor left, Scalar right) => Aten.CallInPlace("fmod_.Scalar", left, right);
    public static Tensor fmod_(Tensor left, Tensor right) => Aten.CallInPlace("fmod_.Tensor", left, right);
    public static Tensor frac(Tensor input) => Aten.Call("frac", input);
    public static Tensor frac_(Tensor input) => Aten.CallInPlace("frac_", input);
    public static (Tensor Mantissa, Tensor Exponent) frexp(Tensor input) => Aten.Call2("frexp.Tensor", input);
    public static Tensor gather(Tensor input, long dim, Tensor index) => Aten.Call("gather", input, dim, index);
    public static Tensor gather(Tensor input, long dim, Tensor index, bool sparse_grad = false) =>
        Aten.Call("gather", input, dim, index, sparse_grad);
    public static Tensor gcd(Tensor left, Tensor right) => Aten.Call("gcd", left, right);
    public static Tensor gcd_(Tensor left, Tensor right) => Aten.CallInPlace("gcd_", left, right);
    public static Tensor ge(Tensor left, Tensor right) => Aten.Call("ge.Tensor", left, right);
    public static (Tensor a, Tensor tau) geqrf(Tensor input) => Aten.Call2("geqrf", input);
    public static Tensor ger(Tensor input, Tensor vec2) => Aten.Call("ger", input, vec2);
    public static Tensor greater(Tensor tensor, Tensor target) => Aten.Call("greater.Tensor", tensor, target);
    public static Tensor greater_equal(Tensor tensor, Tensor target) => Aten.Call("greater_equal.Tensor", tensor, target);
    public static Tensor gt(Tensor left, Tensor right) => Aten.Call("gt.Tensor", left, right);
    public static Tensor heaviside(Tensor input, Tensor values) => Aten.Call("heaviside", input, values);
    public static Tensor heaviside_(Tensor input, Tensor values) => Aten.CallInPlace("heaviside_", input, values);
    public static Tensor histc(Tensor input, long bins = 100, long min = 0, long max = 0) =>
        Aten.Call("histc", input, bins, min, max);
    public static (Tensor hist, Tensor bin_edges) histogram(Tensor input, Tensor bins, Tensor weight = null!, bool density = false) =>
        Aten.Call2("histogram.bins_tensor", input, bins, weight, density);
    public static Tensor[] hsplit(Tensor input, (long, long) indices_or_sections) =>
        Aten.CallMany("hsplit.array", input, new long[] { indices_or_sections.Item1, indices_or_sections.Item2 });
    public static Tensor[] hsplit(Tensor input, (long, long, long) indices_or_sections) =>
        Aten.CallMany("hsplit.array", input, new long[] { indices_or_sections.Item1, indices_or_sections.Item2, indices_or_sections.Item3 });
    public static Tensor[] hsplit(Tensor input, long indices_or_sections) =>
        Aten.CallMany("hsplit.int", input, indices_or_sections);
    public static Tensor[] hsplit(Tensor input, long[] indices_or_sections) =>
        Aten.CallMany("hsplit.array", input, indices_or_sections);
    public static Tensor hstack(IEnumerable<Tensor> tensors) => Aten.Call("hstack", tensors.ToArray());
    public static Tensor hstack(IList<Tensor> tensors) => Aten.Call("hstack", tensors.ToArray());
    public static Tensor hstack(params Tensor[] tensors) => Aten.Call("hstack", tensors);
    public static Tensor hypot(Tensor left, Tensor right) => Aten.Call("hypot", left, right);
    public static Tensor i0(Tensor input) => Aten.Call("i0", input);
    public static Tensor i0_(Tensor input) => Aten.CallInPlace("i0_", input);
    public static Tensor igamma(Tensor input, Tensor other) => Aten.Call("igamma", input, other);
    public static Tensor igammac(Tensor input, Tensor other) => Aten.Call("igammac", input, other);
    public static Tensor imag(Tensor input) => Aten.Call("imag", input);
    public static Tensor index_add(Tensor input, long dim, Tensor index, Tensor source, Scalar alpha) =>
        Aten.Call("index_add", input, dim, index, source, alpha);
    public static Tensor index_add_(Tensor input, long dim, Tensor index, Tensor source, Scalar alpha) =>
        Aten.CallInPlace("index_add_", input, dim, index, source, alpha);
    public static Tensor index_copy(Tensor input, long dim, Tensor index, Tensor source) =>
        Aten.Call("index_copy", input, dim, index, source);
    public static Tensor index_copy_(Tensor input, long dim, Tensor index, Tensor source) =>
        Aten.CallInPlace("index_copy_", input, dim, index, source);
    public static Tensor index_select(Tensor input, long dim, Tensor index) => Aten.Call("index_select", input, dim, index);
    public static Tensor inner(Tensor input, Tensor vec2) => Aten.Call("inner", input, vec2);
    public static Tensor inverse(Tensor input) => Aten.Call("inverse", input);
    public static bool is_conj(Tensor input) => Aten.CallBool("is_conj", input);
    public static Tensor isclose(Tensor tensor, Tensor other, double rtol = 1E-05, double atol = 1E-08, bool nanEqual = false) =>
        Aten.Call("isclose", tensor, other, rtol, atol, nanEqual);
    public static Tensor isfinite(Tensor tensor) => Aten.Call("isfinite", tensor);
    public static Tensor isin(Tensor tensor, Tensor test_elements, bool assumeUnique = false, bool invert = false) =>
        Aten.Call("isin.Tensor_Tensor", tensor, test_elements, assumeUnique, invert);
    public static Tensor isinf(Tensor tensor) => Aten.Call("isinf", tensor);
    public static Tensor isnan(Tensor input) => Aten.Call("isnan", input);
    public static Tensor isneginf(Tensor tensor) => Aten.Call("isneginf", tensor);
    public static Tensor isposinf(Tensor tensor) => Aten.Call("isposinf", tensor);
    public static Tensor isreal(Tensor tensor) => Aten.Call("isreal", tensor);
    public static Tensor kron(Tensor input, Tensor other) => Aten.Call("kron", input, other);
    public static (Tensor values, Tensor indices) kthvalue(Tensor input, long k, long? dim, bool keepdim = false) =>
        Aten.Call2("kthvalue", input, k, dim, keepdim);
    public static Tensor lcm(Tensor input, Tensor other) => Aten.Call("lcm", input, other);
    public static Tensor lcm_(Tensor input, Tensor other) => Aten.CallInPlace("lcm_", input, other);
    public static Tensor ldexp(Tensor input, Tensor other) => Aten.Call("ldexp.Tensor", input, other);
    public static Tensor ldexp_(Tensor input, Tensor other) => Aten.CallInPlace("ldexp_", input, other);
    public static Tensor le(Tensor left, Tensor right) => Aten.Call("le.Tensor", left, right);
    public static Tensor lerp(Tensor input, Tensor end, Tensor weight) => Aten.Call("lerp.Tensor", input, end, weight);
    public static Tensor less(Tensor tensor, Tensor target) => Aten.Call("less.Tensor", tensor, target);
    public static Tensor less_equal(Tensor tensor, Tensor target) => Aten.Call("less_equal.Tensor", tensor, target);
    public static Tensor lgamma(Tensor input) => Aten.Call("lgamma", input);
    public static Tensor lgamma_(Tensor input) => Aten.CallInPlace("lgamma_", input);
    public static Tensor log(Tensor input) => Aten.Call("log", input);
    public static Tensor log_(Tensor input) => Aten.CallInPlace("log_", input);
    public static Tensor log10(Tensor input) => Aten.Call("log10", input);
    public static Tensor log10_(Tensor input) => Aten.CallInPlace("log10_", input);
    public static Tensor log1p(Tensor input) => Aten.Call("log1p", input);
    public static Tensor log1p_(Tensor input) => Aten.CallInPlace("log1p_", input);
    public static Tensor log2(Tensor input) => Aten.Call("log2", input);
    public static Tensor log2_(Tensor input) => Aten.CallInPlace("log2_", input);
    public static Tensor logaddexp(Tensor left, Tensor right) => Aten.Call("logaddexp", left, right);
    public static Tensor logaddexp2(Tensor left, Tensor right) => Aten.Call("logaddexp2", left, right);
    public static Tensor logcumsumexp(Tensor input, long dim) => Aten.Call("logcumsumexp", input, dim);
    public static Tensor logdet(Tensor input) => Aten.Call("logdet", input);
    public static Tensor logical_and(Tensor left, Tensor right) => Aten.Call("logical_and", left, right);
    public static Tensor logical_and_(Tensor left, Tensor right) => Aten.CallInPlace("logical_and_", left, right);
    public static Tensor logical_not(Tensor input) => Aten.Call("logical_not", input);
    public static Tensor logical_or(Tensor left, Tensor right) => Aten.Call("logical_or", left, right);
    public static Tensor logical_or_(Tensor left, Tensor right) => Aten.CallInPlace("logical_or_", left, right);
    public static Tensor logical_xor(Tensor left, Tensor right) => Aten.Call("logical_xor", left, right);
    public static Tensor logical_xor_(Tensor left, Tensor right) => Aten.CallInPlace("logical_xor_", left, right);
    public static Tensor logit(Tensor input, double? eps = null) => Aten.Call("logit", input, eps);
    public static Tensor logit_(Tensor input, double? eps = null) => Aten.CallInPlace("logit_", input, eps);
    public static Tensor logsumexp(Tensor input, long dim, bool keepdim = false) =>
        Aten.Call("logsumexp", input, dim, keepdim);
    public static Tensor lt(Tensor left, Tensor right) => Aten.Call("lt.Tensor", left, right);
    public static Tensor masked_select(Tensor input, Tensor mask) => Aten.Call("masked_select", input, mask);
    public static Tensor matmul(Tensor input, Tensor target) => Aten.Call("matmul", input, target);
    public static Tensor matrix_exp(Tensor input) => Aten.Call("matrix_exp", input);
    public static Tensor matrix_power(Tensor input, int n) => Aten.Call("matrix_power", input, n);
    public static Tensor maximum(Tensor input, Tensor other) => Aten.Call("maximum", input, other);
    public static Tensor mean(Tensor input) => Aten.Call("mean", input);
    public static Tensor mean(Tensor input, long[] dimensions, bool keepdim = false, ScalarType? type = null) =>
        Aten.Call("mean.dim", input, dimensions, keepdim, type);
    public static Tensor median(Tensor input) => Aten.Call("median", input);
    public static Tensor[] meshgrid(IEnumerable<Tensor> tensors, string indexing = "ij") =>
        Aten.CallMany("meshgrid.indexing", tensors.ToArray(), indexing);
    public static Tensor minimum(Tensor input, Tensor other) => Aten.Call("minimum", input, other);
    public static Tensor mm(Tensor input, Tensor target) => Aten.Call("mm", input, target);
    public static (Tensor values, Tensor indices) mode(Tensor input, long dim = -1, bool keepdim = false) =>
        Aten.Call2("mode", input, dim, keepdim);
    public static Tensor moveaxis(Tensor input, long source, long destination) =>
        Aten.Call("moveaxis.int", input, source, destination);
    public static Tensor movedim(Tensor input, long source, long destination) =>
        Aten.Call("movedim.int", input, source, destination);
    public static Tensor msort(Tensor tensor) => Aten.Call("msort", tensor);
    public static Tensor mul(Tensor left, Scalar right) => Aten.Call("mul.Scalar", left, right);
    public static Tensor mul(Tensor left, Tensor right) => Aten.Call("mul.Tensor", left, right);
    public static Tensor mul_(Tensor left, Scalar right) => Aten.CallInPlace("mul_.Scalar", left, right);
    public static Tensor mul_(Tensor left, Tensor right) => Aten.CallInPlace("mul_.Tensor", left, right);
    public static Tensor multiply(Tensor left, Scalar right) => Aten.Call("multiply.Scalar", left, right);
    public static Tensor multiply(Tensor left, Tensor right) => Aten.Call("multiply.Tensor", left, right);
    public static Tensor multiply_(Tensor left, Scalar right) => Aten.CallInPlace("multiply_.Scalar", left, right);
    public static Tensor multiply_(Tensor left, Tensor right) => Aten.CallInPlace("multiply_.Tensor", left, right);
    public static Tensor mv(Tensor input, Tensor target) => Aten.Call("mv", input, target);
    public static Tensor mvlgamma(Tensor input, long p) => Aten.Call("mvlgamma", input, p);
    public static Tensor mvlgamma_(Tensor input, long p) => Aten.CallInPlace("mvlgamma_", input, p);
    public static Tensor nan_to_num(Tensor input, double nan = 0, double? posinf = null, double? neginf = null) =>
        Aten.Call("nan_to_num", input, nan, posinf, neginf);
    public static Tensor nan_to_num_(Tensor input, double nan = 0, double? posinf = null, double? neginf = null) =>
        Aten.CallInPlace("nan_to_num_", input, nan, posinf, neginf);
    public static Tensor nanmean(Tensor input, int? dim = null, bool keepdim = false, ScalarType? dtype = null) =>
        Aten.Call("nanmean", input, dim, keepdim, dtype);
    public static Tensor nanmedian(Tensor input) => Aten.Call("nanmedian", input);
    public static Tensor nanquantile(Tensor input, Tensor q, long dim = -1, bool keepdim = false) =>
        Aten.Call("nanquantile", input, q, dim, keepdim);
    public static Tensor nansum(Tensor input) => Aten.Call("nansum", input);
    public static Tensor narrow(Tensor input, long dim, long start, long length) =>
        Aten.Call("narrow", input, dim, start, length);
    public static Tensor ne(Tensor left, Tensor right) => Aten.Call("ne.Tensor", left, right);
    public static Tensor neg(Tensor input) => Aten.Call("neg", input);
    public static Tensor neg_(Tensor input) => Aten.CallInPlace("neg_", input);
    public static Tensor negative(Tensor input) => Aten.Call("negative", input);
    public static Tensor negative_(Tensor input) => Aten.CallInPlace("negative_", input);
    public static Tensor nextafter(Tensor input, Tensor other) => Aten.Call("nextafter", input, other);
    public static Tensor nextafter_(Tensor input, Tensor other) => Aten.CallInPlace("nextafter_", input, other);
    public static Tensor nonzero(Tensor input) => Aten.Call("nonzero", input);
    public static Tensor norm(Tensor input) => Aten.Call("norm.Scalar", input);
    public static Tensor norm(Tensor input, float p = 2f) => Aten.Call("norm.Scalar", input, p);
    public static Tensor norm(Tensor input, int dimension, bool keepdim = false, float p = 2f) =>
        Aten.Call("norm.ScalarOpt_dim(self,dim,keepdim,p)", input, dimension, keepdim, p);
    public static Tensor not_equal(Tensor tensor, Tensor target) => Aten.Call("not_equal.Tensor", tensor, target);
    public static Tensor orgqr(Tensor input, Tensor tau) => Aten.Call("orgqr", input, tau);
    public static Tensor ormqr(Tensor input, Tensor tau, Tensor other, bool left = true, bool transpose = false) =>
        Aten.Call("ormqr", input, tau, other, left, transpose);
    public static Tensor outer(Tensor input, Tensor vec2) => Aten.Call("outer", input, vec2);
    public static Tensor permute(Tensor input, params long[] permutation) => Aten.Call("permute", input, permutation);
    public static Tensor poisson(Tensor input, Generator? generator = null) => Aten.Call("poisson", input, generator);
    public static Tensor polar(Tensor abs, Tensor angle) => Aten.Call("polar", abs, angle);
    public static Tensor polygamma(Tensor input, long p) => Aten.Call("polygamma(self,n)", input, p);
    public static Tensor polygamma_(Tensor input, long p) => Aten.CallInPlace("polygamma_", input, p);
    public static Tensor positive(Tensor input) => Aten.Call("positive", input);
    public static Tensor pow(Tensor left, Scalar exponent) => Aten.Call("pow.Tensor_Scalar", left, exponent);
    public static Tensor pow(Tensor left, Tensor exponent) => Aten.Call("pow.Tensor_Tensor", left, exponent);
    public static Tensor pow_(Tensor left, Scalar exponent) => Aten.CallInPlace("pow_.Scalar", left, exponent);
    public static Tensor pow_(Tensor left, Tensor exponent) => Aten.CallInPlace("pow_.Tensor", left, exponent);
    public static Tensor prod(Tensor input, ScalarType? type = null) => Aten.Call("prod", input, type);
    public static Tensor prod(Tensor input, long dim, bool keepdim = false, ScalarType? type = null) =>
        Aten.Call("prod.dim_int", input, dim, keepdim, type);
    public static Tensor quantile(Tensor input, Tensor q, long dim = -1, bool keepdim = false) =>
        Aten.Call("quantile", input, q, dim, keepdim);
    public static Tensor quantize_per_channel(Tensor input, Tensor scales, Tensor zero_points, long axis, ScalarType dtype) =>
        Aten.Call("quantize_per_channel", input, scales, zero_points, axis, dtype);
    public static Tensor quantize_per_tensor(Tensor input, double scale, long zero_point, ScalarType dtype) =>
        Aten.Call("quantize_per_tensor", input, scale, zero_point, dtype);
    public static Tensor rad2deg(Tensor input) => Aten.Call("rad2deg", input);
    public static Tensor rad2deg_(Tensor input) => Aten.CallInPlace("rad2deg_", input);
    public static Tensor ravel(Tensor input) => Aten.Call("ravel", input);
    public static Tensor reciprocal(Tensor input) => Aten.Call("reciprocal", input);
    public static Tensor reciprocal_(Tensor input) => Aten.CallInPlace("reciprocal_", input);
    public static Tensor remainder(Tensor left, Scalar right) => Aten.Call("remainder.Scalar", left, right);
    public static Tensor remainder(Tensor left, Tensor right) => Aten.Call("remainder.Tensor", left, right);
    public static Tensor remainder_(Tensor left, Scalar right) => Aten.CallInPlace("remainder_.Scalar", left, right);
    public static Tensor remainder_(Tensor left, Tensor right) => Aten.CallInPlace("remainder_.Tensor", left, right);
    public static Tensor renorm(Tensor input, float p, long dim, float maxnorm) =>
        Aten.Call("renorm", input, p, dim, maxnorm);
    public static Tensor repeat_interleave(Tensor input, Tensor repeats, long? dim = null, long? output_size = null) =>
        Aten.Call("repeat_interleave.self_Tensor", input, repeats, dim, output_size);
    public static Tensor repeat_interleave(Tensor input, long repeats, long? dim = null, long? output_size = null) =>
        Aten.Call("repeat_interleave.self_int", input, repeats, dim, output_size);
    public static Tensor reshape(Tensor input, params long[] shape) => Aten.Call("reshape", input, shape);
    public static Tensor resolve_conj(Tensor input) => Aten.Call("resolve_conj", input);
    public static Tensor resolve_neg(Tensor input) => Aten.Call("resolve_neg", input);
    public static Tensor roll(Tensor input, ReadOnlySpan<long> shifts, ReadOnlySpan<long> dims = default) =>
        Aten.Call("roll", input, shifts.ToArray(), dims.ToArray());
    public static Tensor roll(Tensor input, long shifts, long? dims = null) => Aten.Call("roll", input, shifts, dims);
    public static Tensor roll(Tensor input, long[] shifts) => Aten.Call("roll", input, shifts);
    public static Tensor roll(Tensor input, long[] shifts, long[] dims) => Aten.Call("roll", input, shifts, dims);
    public static Tensor rot90(Tensor input, long k = 1, (long, long)? dims = null) =>
        Aten.Call("rot90", input, k, new long[] { dims?.Item1 ?? 0, dims?.Item2 ?? 1 });
    public static Tensor round(Tensor input, long decimals = 0) => input.round(decimals);
    public static Tensor round_(Tensor input, long decimals = 0) => input.round_(decimals);
    public static Tensor row_stack(IList<Tensor> tensors) => Aten.Call("row_stack", tensors.ToArray());
    public static Tensor row_stack(params Tensor[] tensors) => Aten.Call("row_stack", tensors);
    public static Tensor rsqrt(Tensor input) => Aten.Call("rsqrt", input);
    public static Tensor rsqrt_(Tensor input) => Aten.CallInPlace("rsqrt_", input);
    public static Tensor scatter(Tensor input, long dim, Tensor index, Tensor src) =>
        Aten.Call("scatter.src", input, dim, index, src);
    public static Tensor scatter_(Tensor input, long dim, Tensor index, Tensor src) =>
        Aten.CallInPlace("scatter_.src", input, dim, index, src);
    public static Tensor scatter_add(Tensor input, long dim, Tensor index, Tensor src) =>
        Aten.Call("scatter_add", input, dim, index, src);
    public static Tensor scatter_add_(Tensor input, long dim, Tensor index, Tensor src) =>
        Aten.CallInPlace("scatter_add_", input, dim, index, src);
    public static Tensor select(Tensor input, long dim, long index) => Aten.Call("select.int", input, dim, index);
    public static Tensor select_scatter(Tensor input, Tensor src, long dim, long index) =>
        Aten.Call("select_scatter", input, src, dim, index);
    public static Tensor sgn(Tensor input) => Aten.Call("sgn", input);
    public static Tensor sgn_(Tensor input) => Aten.CallInPlace("sgn_", input);
    public static Tensor sigmoid(Tensor input) => Aten.Call("sigmoid", input);
    public static Tensor sigmoid_(Tensor input) => Aten.CallInPlace("sigmoid_", input);
    public static Tensor sign(Tensor input) => Aten.Call("sign", input);
    public static Tensor sign_(Tensor input) => Aten.CallInPlace("sign_", input);
    public static Tensor signbit(Tensor input) => Aten.Call("signbit", input);
    public static Tensor sin(Tensor input) => Aten.Call("sin", input);
    public static Tensor sin_(Tensor input) => Aten.CallInPlace("sin_", input);
    public static Tensor sinc(Tensor input) => Aten.Call("sinc", input);
    public static Tensor sinc_(Tensor input) => Aten.CallInPlace("sinc_", input);
    public static Tensor sinh(Tensor input) => Aten.Call("sinh", input);
    public static Tensor sinh_(Tensor input) => Aten.CallInPlace("sinh_", input);
    public static Tensor slice_scatter(Tensor input, Tensor src, long dim = 0, long? start = null, long? end = null, long step = 1) =>
        Aten.Call("slice_scatter", input, src, dim, start, end, step);
    public static (Tensor res, Tensor logabsdet) slogdet(Tensor A) => Aten.Call2("slogdet", A);
    public static (Tensor values, Tensor indices) sort(Tensor input, long dim = -1, bool descending = false, bool stable = false) =>
        Aten.Call2("sort.stable(self,dim,descending,stable)", input, dim, descending, stable);
    public static Tensor sqrt(Tensor input) => Aten.Call("sqrt", input);
    public static Tensor sqrt_(Tensor input) => Aten.CallInPlace("sqrt_", input);
    public static Tensor square(Tensor input) => Aten.Call("square", input);
    public static Tensor squeeze(Tensor input, long? dim = null) => input.squeeze(dim);
    public static Tensor squeeze_(Tensor input, long? dim = null) => input.squeeze_(dim);
    public static Tensor stack(IEnumerable<Tensor> tensors, long dim = 0) => Aten.Call("stack", tensors.ToArray(), dim);
    public static (Tensor std, Tensor mean) std_mean(Tensor input, bool unbiased = true) =>
        Aten.Call2("std_mean", input, unbiased);
    public static Tensor sub(Tensor left, Scalar right) => Aten.Call("sub.Scalar", left, right);
    public static Tensor sub(Tensor left, Tensor right) => Aten.Call("sub.Tensor", left, right);
    public static Tensor sub_(Tensor left, Scalar right) => Aten.CallInPlace("sub_.Scalar", left, right);
    public static Tensor sub_(Tensor left, Tensor right) => Aten.CallInPlace("sub_.Tensor", left, right);
    public static Tensor subtract(Tensor left, Scalar right) => Aten.Call("subtract.Scalar", left, right);
    public static Tensor subtract(Tensor left, Tensor right) => Aten.Call("subtract.Tensor", left, right);
    public static Tensor subtract_(Tensor left, Scalar right) => Aten.CallInPlace("subtract_.Scalar", left, right);
    public static Tensor subtract_(Tensor left, Tensor right) => Aten.CallInPlace("subtract_.Tensor", left, right);
    public static Tensor sum(Tensor input, ReadOnlySpan<long> dim, bool keepdim = false, ScalarType? type = null) =>
        Aten.Call("sum.dim_IntList", input, dim.ToArray(), keepdim, type);
    public static Tensor sum(Tensor input, ScalarType? type = null) => Aten.Call("sum", input, type);
    public static Tensor sum(Tensor input, long dim, bool keepdim = false, ScalarType? type = null) =>
        Aten.Call("sum.dim_IntList", input, dim, keepdim, type);
    public static Tensor swapaxes(Tensor input, long axis0, long axis1) => Aten.Call("swapaxes", input, axis0, axis1);
    public static Tensor swapdims(Tensor input, long dim0, long dim1) => Aten.Call("swapdims", input, dim0, dim1);
    public static Tensor t(Tensor input) => Aten.Call("t", input);
    public static Tensor take(Tensor input, Tensor index) => Aten.Call("take", input, index);
    public static Tensor take_along_dim(Tensor input, Tensor indices, long dim = 0) =>
        Aten.Call("take_along_dim", input, indices, dim);
    public static Tensor tan(Tensor input) => Aten.Call("tan", input);
    public static Tensor tan_(Tensor input) => Aten.CallInPlace("tan_", input);
    public static Tensor tanh(Tensor input) => Aten.Call("tanh", input);
    public static Tensor tanh_(Tensor input) => Aten.CallInPlace("tanh_", input);
    public static Tensor[] tensor_split(Tensor input, Tensor indices_or_sections, long dim = 0) =>
        Aten.CallMany("tensor_split.tensor_indices_or_sections", input, indices_or_sections, dim);
    public static Tensor[] tensor_split(Tensor input, long indices_or_sections, long dim = 0) =>
        Aten.CallMany("tensor_split.sections", input, indices_or_sections, dim);
    public static Tensor[] tensor_split(Tensor input, long[] indices_or_sections, long dim = 0) =>
        Aten.CallMany("tensor_split.indices", input, indices_or_sections, dim);
    public static Tensor tensordot(Tensor a, Tensor b, long[] dims1, long[] dims2) =>
        Aten.Call("tensordot", a, b, dims1, dims2);
    public static Tensor tile(Tensor input, long[] dims) => Aten.Call("tile", input, dims);
    public static (Tensor values, Tensor indices) topk(Tensor tensor, int k, int dim = -1, bool largest = true, bool sorted = true) =>
        Aten.Call2("topk", tensor, k, dim, largest, sorted);
    public static Tensor trace(Tensor input) => Aten.Call("trace", input);
    public static Tensor transpose(Tensor input, long dim0, long dim1) => Aten.Call("transpose.int", input, dim0, dim1);
    public static Tensor tril(Tensor input, long diagonal = 0) => Aten.Call("tril", input, diagonal);
    public static Tensor tril_(Tensor input, long diagonal = 0) => Aten.CallInPlace("tril_", input, diagonal);
    public static Tensor tril_indices(long row, long col, long offset = 0, ScalarType dtype = ScalarType.Int64, Device? device = null) =>
        Aten.Call("tril_indices(row,col,offset,dtype,device)", row, col, offset, dtype, device);
    public static Tensor triu(Tensor input, long diagonal = 0) => Aten.Call("triu", input, diagonal);
    public static Tensor triu_(Tensor input, long diagonal = 0) => Aten.CallInPlace("triu_", input, diagonal);
    public static Tensor triu_indices(long row, long col, long offset = 0, ScalarType dtype = ScalarType.Int64, Device? device = null) =>
        Aten.Call("triu_indices(row,col,offset,dtype,device)", row, col, offset, dtype, device);
    public static Tensor true_divide(Tensor dividend, Tensor divisor) => Aten.Call("true_divide.Tensor", dividend, divisor);
    public static Tensor true_divide_(Tensor dividend, Tensor divisor) => Aten.CallInPlace("true_divide_.Tensor", dividend, divisor);
    public static Tensor trunc(Tensor input) => Aten.Call("trunc", input);
    public static Tensor trunc_(Tensor input) => Aten.CallInPlace("trunc_", input);
    public static Tensor[] unbind(Tensor input, long dim = 0) => Aten.CallMany("unbind.int", input, dim);
    public static Tensor[] unbind(Tensor tensor, int dim = 0) => Aten.CallMany("unbind.int", tensor, dim);
    public static Tensor unflatten(Tensor input, long dim, Size sizes) => Aten.Call("unflatten.int", input, dim, sizes);
    public static Tensor unflatten(Tensor input, long dim, params long[] sizes) =>
        Aten.Call("unflatten.int", input, dim, sizes);
    public static (Tensor output, Tensor? inverse_indices, Tensor? counts) unique_consecutive(Tensor input, bool return_inverse = false, bool return_counts = false, int? dim = null) =>
        input.unique_consecutive(return_inverse, return_counts, dim);
    public static Tensor unsqueeze(Tensor input, long dim) => Aten.Call("unsqueeze", input, dim);
    public static Tensor unsqueeze_(Tensor input, long dim) => Aten.CallInPlace("unsqueeze_", input, dim);
    public static Tensor vander(Tensor x, long N = -1, bool increasing = false) => x.vander(N, increasing);
    public static (Tensor var, Tensor mean) var_mean(Tensor input, bool unbiased = true) =>
        Aten.Call2("var_mean", input, unbiased);
    public static Tensor vdot(Tensor input, Tensor target) => Aten.Call("vdot", input, target);
    public static Tensor view_as_complex(Tensor input) => Aten.Call("view_as_complex", input);
    public static Tensor view_as_real(Tensor input) => Aten.Call("view_as_real", input);
    public static Tensor[] vsplit(Tensor input, long[] indices_or_sections) =>
        Aten.CallMany("vsplit.array", input, indices_or_sections);
    public static Tensor vstack(IList<Tensor> tensors) => Aten.Call("vstack", tensors.ToArray());
    public static Tensor vstack(Tensor[] tensors) => Aten.Call("vstack", tensors);
    public static Tensor xlogy(Tensor x, Scalar y) => Aten.Call("xlogy.Scalar_Other", x, y);
    public static Tensor xlogy(Tensor x, Tensor y) => Aten.Call("xlogy.Tensor", x, y);
    public static Tensor xlogy_(Tensor x, Scalar y) => Aten.CallInPlace("xlogy_.Scalar_Other", x, y);
    public static Tensor xlogy_(Tensor x, Tensor y) => Aten.CallInPlace("xlogy_.Tensor", x, y);
}
