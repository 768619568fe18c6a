using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    // Members whose arguments differ from the operator's own.
    public partial class Tensor
    {
        // --- indexing ----------------------------------------------------------------------------

        public Tensor this[params TensorIndex[] indices]
        {
            get => Indexing.Get(this, indices);
            set => Indexing.Set(this, indices, value);
        }

        public Tensor this[params Tensor[] indices]
        {
            get => index(indices);
            set => index_put_(value, indices);
        }

        public Tensor this[long i1]
        {
            get => Aten.Call("select.int", this, 0, i1);
            set => Indexing.Set(this, [i1], value);
        }

        public Tensor this[long i1, long i2]
        {
            get => Indexing.Get(this, [i1, i2]);
            set => Indexing.Set(this, [i1, i2], value);
        }

        public Tensor this[long i1, long i2, long i3]
        {
            get => Indexing.Get(this, [i1, i2, i3]);
            set => Indexing.Set(this, [i1, i2, i3], value);
        }

        public Tensor this[long i1, long i2, long i3, long i4]
        {
            get => Indexing.Get(this, [i1, i2, i3, i4]);
            set => Indexing.Set(this, [i1, i2, i3, i4], value);
        }

        public Tensor this[long i1, long i2, long i3, long i4, long i5]
        {
            get => Indexing.Get(this, [i1, i2, i3, i4, i5]);
            set => Indexing.Set(this, [i1, i2, i3, i4, i5], value);
        }

        public Tensor this[long i1, long i2, long i3, long i4, long i5, long i6]
        {
            get => Indexing.Get(this, [i1, i2, i3, i4, i5, i6]);
            set => Indexing.Set(this, [i1, i2, i3, i4, i5, i6], value);
        }

        public Tensor this[params long[] indices]
        {
            get => Indexing.Get(this, Array.ConvertAll(indices, i => (TensorIndex)i));
            set => Indexing.Set(this, Array.ConvertAll(indices, i => (TensorIndex)i), value);
        }

        public Tensor index(params TensorIndex[] indices) => Indexing.Get(this, indices);
        public Tensor index(params Tensor[] indices) => Indexing.Get(this, Array.ConvertAll(indices, TensorIndex.Tensor));

        public Tensor index_put_(Tensor value, TensorIndex[] indices, bool accumulate = false)
        {
            Indexing.Set(this, indices, value, accumulate);
            return this;
        }

        public Tensor index_put_(Tensor value, Tensor[] indices, bool accumulate = false) =>
            index_put_(value, Array.ConvertAll(indices, TensorIndex.Tensor), accumulate);
        public Tensor index_put_(Tensor value, params TensorIndex[] indices) => index_put_(value, indices, false);
        public Tensor index_put_(Tensor value, params Tensor[] indices) => index_put_(value, indices, false);
        public Tensor index_put_(Scalar value, params TensorIndex[] indices) => index_put_(torch.full([], value, dtype, device), indices, false);
        public Tensor index_put_(Scalar value, params Tensor[] indices) => index_put_(torch.full([], value, dtype, device), indices, false);

        public Tensor index_fill(long dim, Tensor index, Scalar value) => Aten.Call("index_fill.int_Scalar", this, dim, index, value);
        public Tensor index_fill_(long dim, Tensor index, Scalar value) => Aten.CallInPlace("index_fill_.int_Scalar", this, dim, index, value);
        public Tensor slice(long dim, long start, long finish, long step) => Aten.Call("slice.Tensor", this, dim, start, finish, step);
        public Tensor where(Tensor condition, Tensor y) => Aten.Call("where.self", condition, this, y);
        public IList<Tensor> nonzero_as_list() => Aten.CallMany("nonzero_numpy", this);

        // --- plain operators ---------------------------------------------------------------------

        public Tensor alias() => Aten.Call("alias", this);
        public Tensor clone() => Aten.Call("clone", this);
        public Tensor detach() => Aten.Call("detach", this);
        public bool is_nonzero() => Aten.CallBool("is_nonzero", this);

        public Tensor add(Tensor target) => Aten.Call("add.Tensor", this, target);
        public Tensor add(Tensor target, Scalar alpha) => Aten.Call("add.Tensor", this, target, alpha);
        public Tensor add(Scalar scalar) => Aten.Call("add.Scalar", this, scalar);
        public Tensor add(Scalar scalar, Scalar alpha) => Aten.Call("add.Scalar", this, scalar, alpha);
        public Tensor add_(Tensor target) => Aten.CallInPlace("add_.Tensor", this, target);
        public Tensor add_(Tensor target, Scalar alpha) => Aten.CallInPlace("add_.Tensor", this, target, alpha);
        public Tensor add_(Scalar scalar) => Aten.CallInPlace("add_.Scalar", this, scalar);
        public Tensor add_(Scalar scalar, Scalar alpha) => Aten.CallInPlace("add_.Scalar", this, scalar, alpha);
        public Tensor sub(Tensor target) => Aten.Call("sub.Tensor", this, target);
        public Tensor sub(Scalar target) => Aten.Call("sub.Scalar", this, target);
        public Tensor sub_(Tensor target) => Aten.CallInPlace("sub_.Tensor", this, target);
        public Tensor sub_(Scalar target) => Aten.CallInPlace("sub_.Scalar", this, target);
        public Tensor prelu(Tensor target) => Aten.Call("prelu", this, target);
        public Tensor bincount(Tensor? weights, long minlength = 0) => Aten.Call("bincount", this, weights, minlength);

        private static string? Rounding(RoundingMode mode) => mode == RoundingMode.None ? null : mode.ToString();

        public Tensor div(Tensor target, RoundingMode rounding_mode = RoundingMode.None) => Aten.Call("div.Tensor_mode", this, target, Rounding(rounding_mode));
        public Tensor div(Scalar target, RoundingMode rounding_mode = RoundingMode.None) => Aten.Call("div.Scalar_mode", this, target, Rounding(rounding_mode));
        public Tensor div_(Tensor target, RoundingMode rounding_mode = RoundingMode.None) => Aten.CallInPlace("div_.Tensor_mode", this, target, Rounding(rounding_mode));
        public Tensor div_(Scalar target, RoundingMode rounding_mode = RoundingMode.None) => Aten.CallInPlace("div_.Scalar_mode", this, target, Rounding(rounding_mode));
        public Tensor divide(Tensor target, RoundingMode rounding_mode = RoundingMode.None) => div(target, rounding_mode);
        public Tensor divide(Scalar target, RoundingMode rounding_mode = RoundingMode.None) => div(target, rounding_mode);
        public Tensor divide_(Tensor target, RoundingMode rounding_mode = RoundingMode.None) => div_(target, rounding_mode);
        public Tensor divide_(Scalar target, RoundingMode rounding_mode = RoundingMode.None) => div_(target, rounding_mode);
        public Tensor arctan(Tensor other) => Aten.Call("atan2", this, other);
        public Tensor arctan_(Tensor other) => Aten.CallInPlace("atan2_", this, other);
        public Tensor bernoulli_(double p = 0.5, Generator? generator = null) => Aten.CallInPlace("bernoulli_.float", this, p, generator);
        public Tensor random_(double from, double to, Generator? generator = null) => Aten.CallInPlace("random_.from", this, (long)from, (long)to, generator);
        public Tensor cross(Scalar other, long dim) => Aten.Call("cross", this, torch.full([], other, dtype, device), dim);
        public Tensor polygamma(long p) => Aten.Call("polygamma", p, this);
        public Tensor pinverse(double rcond = 1E-15, bool hermitian = false) => Aten.Call("linalg_pinv", this, rcond, hermitian);

        /// <summary>Whether both have the same shape and elements, as a tensor of one truth value.</summary>
        public Tensor equal(Tensor target) => tensor(Aten.CallBool("equal", this, target));

        // --- reductions --------------------------------------------------------------------------

        public Tensor sum(ScalarType? type = null) => Aten.Call("sum", this, type);
        public Tensor sum(long[] dim, bool keepdim = false, ScalarType? type = null) => Aten.Call("sum.dim_IntList", this, dim, keepdim, type);
        public Tensor sum(ReadOnlySpan<long> dim, bool keepdim = false, ScalarType? type = null) => sum(dim.ToArray(), keepdim, type);
        public Tensor sum(long dim, bool keepdim = false, ScalarType? type = null) => Aten.Call("sum.dim_IntList", this, dim, keepdim, type);
        public Tensor sum(long dim0, long dim1, bool keepdim = false, ScalarType? type = null) => sum([dim0, dim1], keepdim, type);
        public Tensor sum(long dim0, long dim1, long dim2, bool keepdim = false, ScalarType? type = null) => sum([dim0, dim1, dim2], keepdim, type);

        public Tensor max() => Aten.Call("max", this);
        public Tensor max(Tensor other) => Aten.Call("maximum", this, other);
        public (Tensor values, Tensor indexes) max(long dim, bool keepdim = false) => Aten.Call2("max.dim", this, dim, keepdim);
        public Tensor min() => Aten.Call("min", this);
        public Tensor min(Tensor other) => Aten.Call("minimum", this, other);
        public (Tensor values, Tensor indexes) min(long dim, bool keepdim = false) => Aten.Call2("min.dim", this, dim, keepdim);

        private Tensor Extreme(string name, long[] dims, bool keepdim, Tensor? @out)
        {
            var result = Aten.Call(name, this, dims, keepdim);
            if (@out is null)
                return result;
            using (result)
                return Aten.CallInPlace("set_.source_Tensor", @out, result);
        }

        public Tensor amax(long[] dims, bool keepdim = false, Tensor? @out = null) => Extreme("amax", dims, keepdim, @out);
        public Tensor amax(ReadOnlySpan<long> dims, bool keepdim = false, Tensor? @out = null) => amax(dims.ToArray(), keepdim, @out);
        public Tensor amin(long[] dims, bool keepdim = false, Tensor? @out = null) => Extreme("amin", dims, keepdim, @out);
        public Tensor amin(ReadOnlySpan<long> dims, bool keepdim = false, Tensor? @out = null) => amin(dims.ToArray(), keepdim, @out);

        private Tensor As(ScalarType? type) => type is { } t && t != dtype ? to_type(t) : this;

        public Tensor std(bool unbiased = true) => Aten.Call("std", this, unbiased);
        public Tensor std(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => Aten.Call("std.dim", As(type), dimensions, unbiased, keepdim);
        public Tensor std(ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => std(dimensions.ToArray(), unbiased, keepdim, type);
        public Tensor std(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => std([dim], unbiased, keepdim, type);
        public Tensor std((long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => std([dim.Item1, dim.Item2], unbiased, keepdim, type);
        public Tensor std((long, long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => std([dim.Item1, dim.Item2, dim.Item3], unbiased, keepdim, type);

        public Tensor var(bool unbiased = true) => Aten.Call("var", this, unbiased);
        public Tensor var(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => Aten.Call("var.dim", As(type), dimensions, unbiased, keepdim);
        public Tensor var(ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => var(dimensions.ToArray(), unbiased, keepdim, type);
        public Tensor var(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => var([dim], unbiased, keepdim, type);
        public Tensor var((long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => var([dim.Item1, dim.Item2], unbiased, keepdim, type);
        public Tensor var((long, long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => var([dim.Item1, dim.Item2, dim.Item3], unbiased, keepdim, type);

        public (Tensor var, Tensor mean) var_mean(bool unbiased = true) => Aten.Call2("var_mean", this, unbiased);
        public (Tensor std, Tensor mean) var_mean(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => Aten.Call2("var_mean.dim", As(type), dimensions, unbiased, keepdim);
        public (Tensor std, Tensor mean) var_mean(ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => var_mean(dimensions.ToArray(), unbiased, keepdim, type);
        public (Tensor var, Tensor mean) var_mean(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => var_mean([dim], unbiased, keepdim, type);
        public (Tensor var, Tensor mean) var_mean((long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => var_mean([dim.Item1, dim.Item2], unbiased, keepdim, type);
        public (Tensor var, Tensor mean) var_mean((long, long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => var_mean([dim.Item1, dim.Item2, dim.Item3], unbiased, keepdim, type);

        // --- shapes ------------------------------------------------------------------------------

        public Tensor permute(IEnumerable<long> permutation) => Aten.Call("permute", this, permutation.ToArray());
        public Tensor movedim(long[] source, long[] destination) => Aten.Call("movedim.intlist", this, source, destination);
        public Tensor moveaxis(long[] source, long[] destination) => movedim(source, destination);
        public Tensor roll((long, long) shifts, (long, long) dims) => roll([shifts.Item1, shifts.Item2], [dims.Item1, dims.Item2]);
        public Tensor roll((long, long, long) shifts, (long, long, long) dims) => roll([shifts.Item1, shifts.Item2, shifts.Item3], [dims.Item1, dims.Item2, dims.Item3]);
        public Tensor tensordot(Tensor b, long dims = 2) =>
            tensordot(b, [.. Enumerable.Range(0, (int)dims).Select(i => ndim - dims + i)], [.. Enumerable.Range(0, (int)dims).Select(i => (long)i)]);
        public Tensor tensordot(Tensor b, (long, long)[] dims) => tensordot(b, Array.ConvertAll(dims, d => d.Item1), Array.ConvertAll(dims, d => d.Item2));
        public Tensor[] split(long size, int dim = 0) => Aten.CallMany("split.Tensor", this, size, dim);
        public Tensor[] split(long[] sizes, long dim = 0) => Aten.CallMany("split_with_sizes", this, sizes, dim);
        public Tensor[] split(ReadOnlySpan<long> sizes, long dim = 0) => split(sizes.ToArray(), dim);
        public Tensor[] split(params long[] sizes) => split(sizes, 0);

        public (Tensor output, Tensor? inverse_indices, Tensor? counts) unique(bool sorted = true, bool return_inverse = false, bool return_counts = false, int? dim = null)
        {
            var (output, inverse, counts) = dim is { } d
                ? Aten.Call3("unique_dim", this, d, sorted, return_inverse, return_counts)
                : Aten.Call3("_unique2", this, sorted, return_inverse, return_counts);
            if (!return_inverse)
                inverse.Dispose();
            if (!return_counts)
                counts.Dispose();
            return (output, return_inverse ? inverse : null, return_counts ? counts : null);
        }

        // --- new tensors of this one's type and device -------------------------------------------

        public Tensor zeros(params long[] sizes) => torch.zeros(sizes, dtype, device);
        public Tensor ones(params long[] sizes) => torch.ones(sizes, dtype, device);
        public Tensor empty(params long[] sizes) => torch.empty(sizes, dtype, device);
        public Tensor full(long[] sizes, Scalar value) => torch.full(sizes, value, dtype, device);
        public Tensor full(ReadOnlySpan<long> sizes, Scalar value) => full(sizes.ToArray(), value);
        public Tensor eye(long rows, long columns) => torch.eye(rows, columns, dtype, device);
        public Tensor new_zeros(long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => torch.zeros(size, dtype ?? this.dtype, device ?? this.device, requires_grad);
        public Tensor new_ones(long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => torch.ones(size, dtype ?? this.dtype, device ?? this.device, requires_grad);
        public Tensor new_empty(long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => torch.empty(size, dtype ?? this.dtype, device ?? this.device, requires_grad);
        public Tensor new_full(long[] size, Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => torch.full(size, value, dtype ?? this.dtype, device ?? this.device, requires_grad);
    }
}
