using Attention.Torch.Native;

namespace TorchSharp;

// Static members whose arguments differ from the operator's own; most are the method of the same name.
public static partial class torch
{
    /// <summary>Calls an operator that writes its result to <paramref name="target"/>, and gives that.</summary>
    internal static Tensor Into(Tensor target, string name, params ReadOnlySpan<Arg> args)
    {
        Aten.CallVoid(name, args);
        return target;
    }

    // --- choosing and comparing ------------------------------------------------------------------

    /// <summary>Elements of <paramref name="x"/> where the condition holds, else of <paramref name="y"/>.</summary>
    public static Tensor where(Tensor condition, Tensor x, Tensor y) => Aten.Call("where.self", condition, x, y);

    /// <summary>The indices of all elements that hold, a tensor for each dimension.</summary>
    public static Tensor[] where(Tensor condition) => Aten.CallMany("where", condition);

    /// <inheritdoc cref="Tensor.equal"/>
    public static Tensor equal(Tensor tensor, Tensor target) => tensor.equal(target);
    public static Tensor is_neg(Tensor input) => tensor(input.is_neg());
    public static bool is_nonzero(Tensor input) => input.is_nonzero();
    public static long numel(Tensor input) => input.numel();
    public static Tensor clamp(Tensor input, Scalar? min = null, Scalar? max = null) => input.clamp(min, max);
    public static Tensor clamp(Tensor input, Tensor? min = null, Tensor? max = null) => input.clamp(min, max);

    /// <summary>For each value its position in the sorted sequence of the innermost dimension.</summary>
    public static Tensor searchsorted(Tensor sorted_sequence, Tensor values, bool out_int32 = false, bool right = false, Tensor sorter = null!) =>
        Aten.Call("searchsorted.Tensor(sorted_sequence,self,out_int32,right,sorter)", sorted_sequence, values, out_int32, right, sorter);
    public static Tensor searchsorted(Tensor sorted_sequence, Scalar values, bool out_int32, bool right, Tensor sorter) =>
        Aten.Call("searchsorted.Scalar(sorted_sequence,self,out_int32,right,sorter)", sorted_sequence, values, out_int32, right, sorter);

    // --- element by element ----------------------------------------------------------------------

    public static Tensor real(Tensor input) => input.real;
    public static Tensor arctan(Tensor input, Tensor other) => input.arctan(other);
    public static Tensor arctan_(Tensor input, Tensor other) => input.arctan_(other);
    public static Tensor div(Tensor left, Tensor right, RoundingMode rounding_mode = RoundingMode.None) => left.div(right, rounding_mode);
    public static Tensor div(Tensor left, Scalar right, RoundingMode rounding_mode = RoundingMode.None) => left.div(right, rounding_mode);
    public static Tensor div_(Tensor left, Tensor right, RoundingMode rounding_mode = RoundingMode.None) => left.div_(right, rounding_mode);
    public static Tensor div_(Tensor left, Scalar right, RoundingMode rounding_mode = RoundingMode.None) => left.div_(right, rounding_mode);
    public static Tensor divide(Tensor left, Tensor right, RoundingMode rounding_mode = RoundingMode.None) => left.div(right, rounding_mode);
    public static Tensor divide(Tensor left, Scalar right, RoundingMode rounding_mode = RoundingMode.None) => left.div(right, rounding_mode);
    public static Tensor divide_(Tensor left, Tensor right, RoundingMode rounding_mode = RoundingMode.None) => left.div_(right, rounding_mode);
    public static Tensor softmax(Tensor input, int dim, ScalarType? dtype = null) => input.softmax(dim, dtype);

    // --- reductions ------------------------------------------------------------------------------

    public static Tensor max(Tensor input) => input.max();
    public static Tensor max(Tensor input, Tensor other) => input.max(other);
    public static (Tensor values, Tensor indexes) max(Tensor input, long dim, bool keepdim = false) => input.max(dim, keepdim);
    public static Tensor min(Tensor input) => input.min();
    public static Tensor min(Tensor input, Tensor other) => input.min(other);
    public static (Tensor values, Tensor indexes) min(Tensor input, long dim, bool keepdim = false) => input.min(dim, keepdim);

    public static Tensor amax(Tensor input, long[] dims, bool keepdim = false, Tensor? @out = null) => input.amax(dims, keepdim, @out);
    public static Tensor amax(Tensor input, ReadOnlySpan<long> dims, bool keepdim = false, Tensor? @out = null) => input.amax(dims, keepdim, @out);
    public static Tensor amin(Tensor input, long[] dims, bool keepdim = false, Tensor? @out = null) => input.amin(dims, keepdim, @out);
    public static Tensor amin(Tensor input, ReadOnlySpan<long> dims, bool keepdim = false, Tensor? @out = null) => input.amin(dims, keepdim, @out);

    public static Tensor std(Tensor input, bool unbiased = true) => input.std(unbiased);
    public static Tensor std(Tensor input, long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.std(dimensions, unbiased, keepdim, type);
    public static Tensor std(Tensor input, long dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.std(dimensions, unbiased, keepdim, type);
    public static Tensor std(Tensor input, (long, long) dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.std(dimensions, unbiased, keepdim, type);
    public static Tensor std(Tensor input, (long, long, long) dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.std(dimensions, unbiased, keepdim, type);

    public static Tensor var(Tensor input, bool unbiased = true) => input.var(unbiased);
    public static Tensor var(Tensor input, long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.var(dimensions, unbiased, keepdim, type);
    public static Tensor var(Tensor input, long dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.var(dimensions, unbiased, keepdim, type);
    public static Tensor var(Tensor input, (long, long) dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.var(dimensions, unbiased, keepdim, type);
    public static Tensor var(Tensor input, (long, long, long) dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.var(dimensions, unbiased, keepdim, type);

    public static (Tensor std, Tensor mean) std_mean(Tensor input, long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.std_mean(dimensions, unbiased, keepdim, type);
    public static (Tensor std, Tensor mean) std_mean(Tensor input, ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.std_mean(dimensions, unbiased, keepdim, type);
    public static (Tensor std, Tensor mean) std_mean(Tensor input, long dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.std_mean(dimensions, unbiased, keepdim, type);
    public static (Tensor std, Tensor mean) std_mean(Tensor input, (long, long) dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.std_mean(dimensions, unbiased, keepdim, type);
    public static (Tensor std, Tensor mean) std_mean(Tensor input, (long, long, long) dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.std_mean(dimensions, unbiased, keepdim, type);

    public static (Tensor var, Tensor mean) var_mean(Tensor input, long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.var_mean(dimensions, unbiased, keepdim, type);
    public static (Tensor var, Tensor mean) var_mean(Tensor input, ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.var_mean(dimensions, unbiased, keepdim, type);
    public static (Tensor var, Tensor mean) var_mean(Tensor input, long dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.var_mean(dimensions, unbiased, keepdim, type);
    public static (Tensor var, Tensor mean) var_mean(Tensor input, (long, long) dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.var_mean(dimensions, unbiased, keepdim, type);
    public static (Tensor var, Tensor mean) var_mean(Tensor input, (long, long, long) dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => input.var_mean(dimensions, unbiased, keepdim, type);

    public static Tensor trapezoid(Tensor y, Tensor x, long dim = -1) => y.trapezoid(x, dim);
    public static Tensor trapezoid(Tensor y, double dx = 1, long dim = -1) => y.trapezoid(dx, dim);
    public static Tensor trapz(Tensor y, Tensor x, long dim = -1) => y.trapezoid(x, dim);
    public static Tensor trapz(Tensor y, double dx = 1, long dim = -1) => y.trapezoid(dx, dim);
    public static Tensor cumulative_trapezoid(Tensor y, Tensor x, long dim = -1) => y.cumulative_trapezoid(x, dim);
    public static Tensor cumulative_trapezoid(Tensor y, double dx = 1, long dim = -1) => y.cumulative_trapezoid(dx, dim);

    public static (Tensor output, Tensor? inverse_indices, Tensor? counts) unique(Tensor input, bool sorted = true, bool return_inverse = false, bool return_counts = false, int? dim = null) =>
        input.unique(sorted, return_inverse, return_counts, dim);

    /// <summary>How many elements fall between each two of the <paramref name="bins"/> + 1 edges, which are given too.</summary>
    public static (Tensor hist, Tensor bin_edges) histogram(Tensor input, long bins, (double min, double max)? range = null, Tensor weight = null!, bool density = false) =>
        Aten.Call2("histogram.bin_ct(self,bins,range,weight,density)", input, bins, range is { } r ? new[] { r.min, r.max } : null, weight, density);

    // --- shapes ----------------------------------------------------------------------------------

    public static Tensor[] split(Tensor tensor, long[] split_size_or_sections, long dim = 0) => tensor.split(split_size_or_sections, dim);
    public static Tensor[] hsplit(Tensor input, (long, long, long, long) indices_or_sections) => input.hsplit(List(indices_or_sections));
    public static Tensor[] hsplit(Tensor input, Tensor indices_or_sections) => input.hsplit(indices_or_sections);
    public static Tensor[] dsplit(Tensor input, (long, long, long, long) indices_or_sections) => input.dsplit(List(indices_or_sections));
    public static Tensor[] dsplit(Tensor input, Tensor indices_or_sections) => input.dsplit(indices_or_sections);

    public static Tensor cat(ReadOnlySpan<Tensor> tensors, long dim = 0) => Aten.Call("cat", tensors.ToArray(), dim);
    public static Tensor concat(ReadOnlySpan<Tensor> tensors, long dim = 0) => Aten.Call("concat", tensors.ToArray(), dim);
    public static Tensor concatenate(ReadOnlySpan<Tensor> tensors, long axis = 0) => cat(tensors, axis);
    public static Tensor concatenate(IList<Tensor> tensors, long axis = 0) => cat(tensors, axis);
    public static Tensor concatenate(Tensor[] tensors, long axis = 0) => cat(tensors, axis);
    public static Tensor hstack(ReadOnlySpan<Tensor> tensors) => Aten.Call("hstack", tensors.ToArray());
    public static Tensor vstack(ReadOnlySpan<Tensor> tensors) => Aten.Call("vstack", tensors.ToArray());
    public static Tensor dstack(ReadOnlySpan<Tensor> tensors) => Aten.Call("dstack", tensors.ToArray());
    public static Tensor column_stack(ReadOnlySpan<Tensor> tensors) => Aten.Call("column_stack", tensors.ToArray());
    public static Tensor row_stack(ReadOnlySpan<Tensor> tensors) => Aten.Call("row_stack", tensors.ToArray());
    public static Tensor cartesian_prod(ReadOnlySpan<Tensor> tensors) => Aten.Call("cartesian_prod", tensors.ToArray());

    public static IEnumerable<Tensor> atleast_1d(params Tensor[] input) => input.Select(t => t.atleast_1d()).ToArray();
    public static IEnumerable<Tensor> atleast_2d(params Tensor[] input) => input.Select(t => t.atleast_2d()).ToArray();
    public static IEnumerable<Tensor> atleast_3d(params Tensor[] input) => input.Select(t => t.atleast_3d()).ToArray();

    public static Tensor broadcast_to(Tensor input, params long[] shape) => input.broadcast_to(shape);

    /// <summary>Views of the tensors in the one shape that all of them broadcast to.</summary>
    public static IList<Tensor> broadcast_tensors(params Tensor[] tensors) => Aten.CallMany("broadcast_tensors", tensors);

    /// <summary>The shape that all the shapes broadcast to.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static Size broadcast_shapes(params long[][] shapes)
    {
        var result = new long[shapes.Length == 0 ? 0 : shapes.Max(shape => shape.Length)];
        Array.Fill(result, 1);
        foreach (var shape in shapes)
            for (int fromEnd = 1; fromEnd <= shape.Length; fromEnd++)
            {
                ref var size = ref result[^fromEnd];
                if (size != 1 && shape[^fromEnd] != 1 && shape[^fromEnd] != size)
                    throw new ArgumentException($"shapes {string.Join(", ", shapes.Select(s => $"({string.Join(", ", s)})"))} cannot be broadcast to one");
                if (size == 1)
                    size = shape[^fromEnd];
            }
        return result;
    }

    public static Tensor movedim(Tensor input, long[] source, long[] destination) => input.movedim(source, destination);
    public static Tensor moveaxis(Tensor input, long[] source, long[] destination) => input.movedim(source, destination);
    public static Tensor moveaxis(Tensor input, (long, long) source, (long, long) destination) => input.movedim(List(source), List(destination));
    public static Tensor moveaxis(Tensor input, (long, long, long) source, (long, long, long) destination) => input.movedim(List(source), List(destination));
    public static Tensor moveaxis(Tensor input, (long, long, long, long) source, (long, long, long, long) destination) => input.movedim(List(source), List(destination));
    public static Tensor roll(Tensor input, (long, long) shifts, (long, long) dims) => input.roll(shifts, dims);
    public static Tensor roll(Tensor input, (long, long, long) shifts, (long, long, long) dims) => input.roll(shifts, dims);
    public static Tensor take_along_dim(Tensor input, IEnumerable<long> indices, long dim = 0) => input.take_along_dim(indices, dim);
    public static Tensor index_fill(Tensor input, long dim, Tensor index, Scalar value) => input.index_fill(dim, index, value);
    public static Tensor index_fill_(Tensor input, long dim, Tensor index, Scalar value) => input.index_fill_(dim, index, value);

    private static long[] List((long, long) items) => [items.Item1, items.Item2];
    private static long[] List((long, long, long) items) => [items.Item1, items.Item2, items.Item3];
    private static long[] List((long, long, long, long) items) => [items.Item1, items.Item2, items.Item3, items.Item4];

    // --- products and matrices -------------------------------------------------------------------

    public static Tensor tensordot(Tensor a, Tensor b, long dims = 2) => a.tensordot(b, dims);
    public static Tensor tensordot(Tensor a, Tensor b, (long, long)[] dims) => a.tensordot(b, dims);

    /// <summary>Distances of order p between the rows of x1 (..., P, M) and of x2 (..., R, M), as (..., P, R).</summary>
    public static Tensor cdist(Tensor x1, Tensor x2, double p = 2, compute_mode compute_mode = compute_mode.use_mm_for_euclid_dist_if_necessary) =>
        Aten.Call("cdist", x1, x2, p, (long)compute_mode);

    public static Tensor pinverse(Tensor input, double rcond = 1E-15, bool hermitian = false) => input.pinverse(rcond, hermitian);

    /// <summary>The permutation, lower and upper matrix of a packed decomposition; null for what is not unpacked.</summary>
    public static (Tensor P, Tensor? L, Tensor? U) lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data = true, bool unpack_pivots = true)
    {
        var (P, L, U) = Tensor.Asked(unpack_data, unpack_data, Aten.Call3("lu_unpack", LU_data, LU_pivots, unpack_data, unpack_pivots));
        return (P, L, U);
    }

    /// <summary>The X that minimises |A X - B|, and what is left of A's QR decomposition.</summary>
    public static (Tensor Solution, Tensor QR) lstsq(Tensor B, Tensor A)
    {
        var (solution, residuals, rank, values) = linalg.lstsq(A, B);
        rank.Dispose();
        values.Dispose();
        return (solution, residuals);
    }

    /// <summary>A's LU decomposition in one matrix, its pivots, and, where asked for, where it failed.</summary>
    public static (Tensor A_LU, Tensor? pivots, Tensor? infos) lu(Tensor A, bool pivot = true, bool get_infos = false)
    {
        var (LU, pivots, infos) = Aten.Call3("_lu_with_info", A, pivot, !get_infos);
        if (get_infos)
            return (LU, pivots, infos);
        infos.Dispose();
        return (LU, pivots, null);
    }

    // --- random numbers --------------------------------------------------------------------------

    public static Tensor bernoulli(Tensor input, Generator? generator = null) => input.bernoulli(generator);
    public static Tensor multinomial(Tensor input, long num_samples, bool replacement = false, Generator? generator = null) =>
        input.multinomial(num_samples, replacement, generator);

    /// <summary>A number of [0, 1).</summary>
    public static double rand_float(Generator? generator = null)
    {
        using var number = Rand([], null, CPU, false, generator);
        return number.ToDouble();
    }

    /// <summary>A number of the standard normal distribution.</summary>
    public static double randn_float(Generator? generator = null)
    {
        using var number = Randn([], null, CPU, false, generator);
        return number.ToDouble();
    }

    /// <summary>A number of [low, high).</summary>
    public static long randint_long(long low, long high, Generator? generator = null)
    {
        using var number = RandInt(low, high, [], null, CPU, false, generator, null);
        return number.ToInt64();
    }

    public static long randint_long(long high, Generator? generator = null) => randint_long(0, high, generator);
    public static int randint_int(int low, int high, Generator? generator = null) => (int)randint_long(low, high, generator);
    public static int randint_int(int high, Generator? generator = null) => (int)randint_long(0, high, generator);
    public static bool randint_bool(Generator? generator = null) => randint_long(0, 2, generator) == 1;

    public static Tensor randperm(long n, Tensor @out, Generator? generator = null) => Into(@out, "randperm.generator_out", n, generator, @out);
    public static Tensor rand_out(Tensor input, params long[] sizes) => input.rand_out(sizes);
    public static Tensor randint_out(Tensor input, long high, long[] sizes) => input.randint_out(high, sizes);

    // --- files -----------------------------------------------------------------------------------

    /// <inheritdoc cref="Tensor.save"/>
    public static void save(Tensor t, string location) => t.save(location);

    /// <inheritdoc cref="Tensor.load"/>
    public static Tensor load(string location) => Tensor.load(location);

    // --- spectra ---------------------------------------------------------------------------------

    /// <inheritdoc cref="Tensor.stft"/>
    public static Tensor stft(Tensor input, long n_fft, long hop_length = -1, long win_length = -1, Tensor? window = null, bool center = true, PaddingModes pad_mode = PaddingModes.Reflect, bool normalized = false, bool? onesided = null, bool? return_complex = null) =>
        input.stft(n_fft, hop_length, win_length, window, center, pad_mode, normalized, onesided, return_complex);

    /// <inheritdoc cref="Tensor.istft"/>
    public static Tensor istft(Tensor input, long n_fft, long hop_length = -1, long win_length = -1, Tensor? window = null, bool center = true, bool normalized = false, bool? onesided = null, long length = -1, bool return_complex = false) =>
        input.istft(n_fft, hop_length, win_length, window, center, normalized, onesided, length, return_complex);

    private static Tensor Window(string name, long length, bool periodic, ScalarType? dtype, Device? device, bool requires_grad) =>
        Finish(Aten.Call(name, length, periodic, dtype ?? defaultType, On(device)), requires_grad, null);

    public static Tensor hann_window(long len, bool periodic = true, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Window("hann_window.periodic(window_length,periodic,dtype,device)", len, periodic, dtype, device, requires_grad);
    public static Tensor bartlett_window(long len, bool periodic = true, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Window("bartlett_window.periodic(window_length,periodic,dtype,device)", len, periodic, dtype, device, requires_grad);
    public static Tensor blackman_window(long len, bool periodic = true, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Window("blackman_window.periodic(window_length,periodic,dtype,device)", len, periodic, dtype, device, requires_grad);
    public static Tensor hamming_window(long len, bool periodic = true, float alpha = 0.54f, float beta = 0.46f, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finish(Aten.Call("hamming_window.periodic_alpha_beta(window_length,periodic,alpha,beta,dtype,device)", len, periodic, Decimal(alpha), Decimal(beta), dtype ?? defaultType, On(device)), requires_grad, null);
    public static Tensor kaiser_window(long len, bool periodic = true, float beta = 12f, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finish(Aten.Call("kaiser_window.beta(window_length,periodic,beta,dtype,device)", len, periodic, Decimal(beta), dtype ?? defaultType, On(device)), requires_grad, null);

    // 0.54f means 0.54, as it does in PyTorch, and not the double 0.54000002.
    private static double Decimal(float value) => (double)(decimal)value;
}
