using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    private static ScalarType defaultType = ScalarType.Float32;
    private static Device defaultDevice = CPU;

    /// <summary>The type of element of new tensors of real numbers.</summary>
    public static ScalarType get_default_dtype() => defaultType;
    public static void set_default_dtype(ScalarType dtype) =>
        defaultType = is_floating_point(dtype) ? dtype : throw new ArgumentException($"only a floating-point type can be the default, not {dtype}");
    public static void set_default_tensor_type(Tensor t) => set_default_dtype(t.dtype);
    public static Device get_default_device() => defaultDevice;
    public static void set_default_device(Device device) => defaultDevice = device;
    public static void set_default_device(string device) => defaultDevice = new Device(device);

    private static Tensor Finish(Tensor tensor, bool requires_grad, string[]? names)
    {
        if (names is { Length: > 0 })
            throw new NotSupportedException("named dimensions are not supported");
        if (requires_grad)
            tensor.requires_grad = true;
        return tensor;
    }

    private static Tensor Empty(long[] size, ScalarType? dtype, Device? device, bool requires_grad, string[]? names = null) =>
        Finish(Aten.Call("empty.memory_format(size,dtype,device)", size, dtype ?? defaultType, On(device)), requires_grad, names);

    private static Tensor Zeros(long[] size, ScalarType? dtype, Device? device, bool requires_grad, string[]? names = null) =>
        Finish(Aten.Call("zeros(size,dtype,device)", size, dtype ?? defaultType, On(device)), requires_grad, names);

    private static Tensor Ones(long[] size, ScalarType? dtype, Device? device, bool requires_grad, string[]? names = null) =>
        Finish(Aten.Call("ones(size,dtype,device)", size, dtype ?? defaultType, On(device)), requires_grad, names);

    // As in PyTorch, the value decides the type where none is given.
    private static Tensor Full(long[] size, Scalar value, ScalarType? dtype, Device? device, bool requires_grad, string[]? names = null) =>
        Finish(Aten.Call("full(size,fill_value,dtype,device)", size, value, dtype ?? TypeOf(value), On(device)), requires_grad, names);

    private static Tensor Rand(long[] size, ScalarType? dtype, Device? device, bool requires_grad, Generator? generator, string[]? names = null) =>
        Finish(Aten.Call("rand.generator(size,generator,dtype,device)", size, generator, RandomType(dtype), On(device)), requires_grad, names);

    private static Tensor Randn(long[] size, ScalarType? dtype, Device? device, bool requires_grad, Generator? generator, string[]? names = null) =>
        Finish(Aten.Call("randn.generator(size,generator,dtype,device)", size, generator, RandomType(dtype), On(device)), requires_grad, names);

    private static ScalarType RandomType(ScalarType? dtype) => dtype is { } type && is_integral(type)
        ? throw new ArgumentException($"random numbers of {type} have no such distribution: it takes a floating-point or complex type", nameof(dtype))
        : dtype ?? defaultType;

    private static ScalarType TypeOf(Scalar value) =>
        value.Type == ScalarType.Bool ? ScalarType.Bool : value.IsIntegral ? ScalarType.Int64 : value.IsComplex ? value.Type : defaultType;

    // For operators that make no complex numbers: their real parts, converted.
    private static Tensor OfComplex(ScalarType type, Func<ScalarType, Tensor> make) => is_complex(type)
        ? make(type == ScalarType.ComplexFloat32 ? ScalarType.Float32 : ScalarType.Float64).to_type(type, disposeAfter: true)
        : make(type);

    public static Tensor arange(Scalar start, Scalar stop, Scalar step, ScalarType? dtype = null, Device? device = null, bool requires_grad = false)
    {
        var type = dtype ?? (start.IsIntegral && stop.IsIntegral && step.IsIntegral ? ScalarType.Int64 : defaultType);
        return Finish(OfComplex(type, real => Aten.Call("arange.start_step(start,end,step,dtype,device)", start, stop, step, real, On(device))), requires_grad, null);
    }

    public static Tensor arange(Scalar start, Scalar stop, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        arange(start, stop, 1, dtype, device, requires_grad);

    public static Tensor arange(Scalar stop, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        arange(0, stop, 1, dtype, device, requires_grad);

    public static Tensor eye(long rows, long columns = -1, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finish(Aten.Call("eye.m(n,m,dtype,device)", rows, columns < 0 ? rows : columns, dtype ?? defaultType, On(device)), requires_grad, names);

    public static Tensor linspace(double start, double end, long steps, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finish(Aten.Call("linspace(start,end,steps,dtype,device)", start, end, steps, dtype ?? defaultType, On(device)), requires_grad, null);

    public static Tensor logspace(double start, double end, long steps, double @base = 10, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finish(Aten.Call("logspace(start,end,steps,base,dtype,device)", start, end, steps, @base, dtype ?? defaultType, On(device)), requires_grad, null);

    public static Tensor empty_strided(long[] size, long[] strides, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finish(Aten.Call("empty_strided(size,stride,dtype,device)", size, strides, dtype ?? defaultType, On(device)), requires_grad, names);

    public static Tensor normal(Tensor mean, Tensor std, Generator? generator = null) => Aten.Call("normal.Tensor_Tensor", mean, std, generator);

    public static Tensor normal(double mean, double std, ReadOnlySpan<long> size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null, string[]? names = null) =>
        Finish(Aten.Call("normal.float_float(mean,std,size,generator,dtype,device)", mean, std, size.ToArray(), generator, dtype ?? defaultType, On(device)), requires_grad, names);

    public static Tensor complex(Tensor real, Tensor imag) => Aten.Call("complex", real, imag);

    private static Tensor RandInt(long low, long high, long[] size, ScalarType? dtype, Device? device, bool requires_grad, Generator? generator, string[]? names) =>
        Finish(OfComplex(dtype ?? ScalarType.Int64, real => Aten.Call("randint.low_generator(low,high,size,generator,dtype,device)", low, high, size, generator, real, On(device))), requires_grad, names);

    public static Tensor randint(long low, long high, Size size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null, string[]? names = null) =>
        RandInt(low, high, size.Shape, dtype, device, requires_grad, generator, names);
    public static Tensor randint(long low, long high, long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null, string[]? names = null) =>
        RandInt(low, high, size, dtype, device, requires_grad, generator, names);
    public static Tensor randint(int low, int high, int[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null, string[]? names = null) =>
        RandInt(low, high, Array.ConvertAll(size, i => (long)i), dtype, device, requires_grad, generator, names);
    public static Tensor randint(long high, Size size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null, string[]? names = null) =>
        RandInt(0, high, size.Shape, dtype, device, requires_grad, generator, names);
    public static Tensor randint(long high, long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null, string[]? names = null) =>
        RandInt(0, high, size, dtype, device, requires_grad, generator, names);
    public static Tensor randint(int high, int[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null, string[]? names = null) =>
        RandInt(0, high, Array.ConvertAll(size, i => (long)i), dtype, device, requires_grad, generator, names);

    public static Tensor randperm(long n, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, Generator? generator = null) =>
        Finish(Aten.Call("randperm.generator(n,generator,dtype,device)", n, generator, dtype ?? ScalarType.Int64, On(device)), requires_grad, null);

    /// <summary>A tensor over the elements of a file. Where <paramref name="shared"/>, what is written to it is written to the file.</summary>
    public static Tensor from_file(string filename, bool? shared = null, long? size = 0, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finish(Aten.Call("from_file(filename,shared,size,dtype,device)", filename, shared, size, dtype ?? defaultType, On(device)), requires_grad, null);

    /// <summary>A sparse tensor: <paramref name="values"/> (N, ...) at <paramref name="indices"/> (D, N).</summary>
    public static Tensor sparse_coo_tensor(Tensor indices, Tensor values, long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finish(Aten.Call("sparse_coo_tensor.indices_size(indices,values,size,dtype,device)", indices, values, size, dtype ?? values.dtype, device ?? values.device), requires_grad, names);

    // --- the shape and type of another tensor ----------------------------------------------------

    private static Tensor Like(string name, Tensor input, ScalarType? dtype, Device? device, bool requires_grad, string[]? names = null) =>
        Finish(Aten.Call(name, input, dtype ?? input.dtype, device ?? input.device), requires_grad, names);

    public static Tensor empty_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => Like("empty_like(self,dtype,device)", input, dtype, device, requires_grad, names);
    public static Tensor zeros_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => Like("zeros_like(self,dtype,device)", input, dtype, device, requires_grad, names);
    public static Tensor ones_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => Like("ones_like(self,dtype,device)", input, dtype, device, requires_grad, names);
    public static Tensor rand_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => Like("rand_like(self,dtype,device)", input, dtype, device, requires_grad);
    public static Tensor randn_like(Tensor input, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => Like("randn_like(self,dtype,device)", input, dtype, device, requires_grad);
    public static Tensor full_like(Tensor input, Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finish(Aten.Call("full_like(self,fill_value,dtype,device)", input, value, dtype ?? input.dtype, device ?? input.device), requires_grad, names);
    public static Tensor randint_like(Tensor input, long low, long high, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        Finish(Aten.Call("randint_like.low_dtype(self,low,high,dtype,device)", input, low, high, dtype ?? input.dtype, device ?? input.device), requires_grad, null);

    public partial class Tensor
    {
        public Tensor empty_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => torch.empty_like(this, dtype, device, requires_grad);
        public Tensor zeros_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => torch.zeros_like(this, dtype, device, requires_grad);
        public Tensor ones_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => torch.ones_like(this, dtype, device, requires_grad);
        public Tensor rand_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => torch.rand_like(this, dtype, device, requires_grad);
        public Tensor randn_like(ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => torch.randn_like(this, dtype, device, requires_grad);
        public Tensor full_like(Scalar value, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => torch.full_like(this, value, dtype, device, requires_grad);
        public Tensor randint_like(long low, long high, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => torch.randint_like(this, low, high, dtype, device, requires_grad);
    }

    // --- from .NET memory ------------------------------------------------------------------------

    internal static ScalarType TypeOf(Type type) =>
        type == typeof(float) ? ScalarType.Float32
        : type == typeof(double) ? ScalarType.Float64
        : type == typeof(long) ? ScalarType.Int64
        : type == typeof(int) ? ScalarType.Int32
        : type == typeof(short) ? ScalarType.Int16
        : type == typeof(sbyte) ? ScalarType.Int8
        : type == typeof(byte) ? ScalarType.Byte
        : type == typeof(bool) ? ScalarType.Bool
        : type == typeof(Half) ? ScalarType.Float16
        : type == typeof(BFloat16) ? ScalarType.BFloat16
        : type == typeof((float, float)) ? ScalarType.ComplexFloat32
        : type == typeof(Complex) ? ScalarType.ComplexFloat64
        : throw new ArgumentException($"no tensor has elements of type {type.Name}");

    private static T[] Elements<T>(IList<T> list) => list is T[] array ? array : [.. list];

    private static long[] Lengths(Array array) => Enumerable.Range(0, array.Rank).Select(dim => array.GetLongLength(dim)).ToArray();

    private static T[] Flatten<T>(Array array) where T : unmanaged
    {
        var flat = new T[array.Length];
        MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<byte, T>(ref MemoryMarshal.GetArrayDataReference(array)), flat.Length).CopyTo(flat);
        return flat;
    }

    // A copy of the elements, in libtorch's own memory.
    private static unsafe Tensor FromElements<T>(T[] elements, long[] sizes, ScalarType type, ScalarType? dtype, Device? device, bool requires_grad, string[]? names)
        where T : unmanaged
    {
        long count = sizes.Aggregate(1L, (product, size) => product * size);
        if (count != elements.Length)
            throw new ArgumentException($"{elements.Length} elements do not fill a tensor of shape ({string.Join(", ", sizes)})");
        var tensor = Empty(sizes, type, CPU, false);
        if (count > 0)
            elements.AsSpan().CopyTo(new Span<T>(tensor.DataPointer(), elements.Length));
        return Finish(Moved(tensor, dtype, On(device)), requires_grad, names);
    }

    private static Tensor Moved(Tensor tensor, ScalarType? dtype, Device? device)
    {
        if ((dtype is null || dtype == tensor.dtype) && (device is null || device.type == DeviceType.CPU))
            return tensor;
        return tensor.to(dtype ?? tensor.dtype, device ?? CPU, disposeAfter: true);
    }

    /// <summary>A tensor over the array's own memory, which stays pinned for as long as the tensor lives.</summary>
    private static unsafe Tensor Share(Array array, long offset, long[] sizes, ScalarType type)
    {
        int size = Marshal.SizeOf(array.GetType().GetElementType() == typeof(bool) ? typeof(byte) : array.GetType().GetElementType()!);
        var pin = GCHandle.Alloc(array, GCHandleType.Pinned);
        var data = Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array));
        fixed (long* p = sizes)
        {
            var handle = NativeMethods.att_tensor_from_memory((byte*)data + offset * size, p, sizes.Length, (int)type, &Unpin, GCHandle.ToIntPtr(pin));
            if (handle == 0)
                pin.Free();
            return Tensor.FromHandle(NativeMethods.Check(handle, "from_array"));
        }
    }

    [UnmanagedCallersOnly]
    private static void Unpin(nint pin) => GCHandle.FromIntPtr(pin).Free();

    private static ScalarType ElementTypeOf(Array array) => TypeOf(array.GetType().GetElementType()!);

    /// <summary>A tensor that shares the memory of an array of any rank, where its type and device allow it.</summary>
    public static Tensor from_array(Array rawArray, ScalarType? dtype, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        Finish(Moved(Share(rawArray, 0, Lengths(rawArray), ElementTypeOf(rawArray)), dtype, On(device)), requires_grad, names);

    public static Tensor from_array(Array rawArray, Device? device = null) => from_array(rawArray, null, device);

    /// <summary>A one-dimensional tensor that shares <paramref name="count"/> elements of an array (-1: all) from <paramref name="offset"/> on.</summary>
    public static Tensor frombuffer(Array rawArray, ScalarType dtype, long count = -1, long offset = 0, bool requires_grad = false)
    {
        long length = rawArray.LongLength;
        if (count < 0)
            count = length - offset;
        if (offset < 0 || count < 0 || offset + count > length)
            throw new ArgumentException($"elements {offset} to {offset + count} are not in an array of {length}");
        return Finish(Moved(Share(rawArray, offset, [count], ElementTypeOf(rawArray)), dtype, null), requires_grad, null);
    }

    /// <summary>The tensor itself where type and device fit, else a converted copy.</summary>
    public static Tensor as_tensor(Tensor data, ScalarType? dtype = null, Device? device = null) => data.to(dtype ?? data.dtype, device ?? data.device);
    public static Tensor as_tensor(Array data, ScalarType? dtype = null, Device? device = null) => from_array(data, dtype, device);
    public static Tensor as_tensor(bool[] rawArray, ScalarType? dtype = null, Device? device = null) => from_array(rawArray, dtype, device);
    public static Tensor as_tensor(byte[] rawArray, ScalarType? dtype = null, Device? device = null) => from_array(rawArray, dtype, device);
    public static Tensor as_tensor(sbyte[] rawArray, ScalarType? dtype = null, Device? device = null) => from_array(rawArray, dtype, device);
    public static Tensor as_tensor(short[] rawArray, ScalarType? dtype = null, Device? device = null) => from_array(rawArray, dtype, device);
    public static Tensor as_tensor(int[] rawArray, ScalarType? dtype = null, Device? device = null) => from_array(rawArray, dtype, device);
    public static Tensor as_tensor(long[] rawArray, ScalarType? dtype = null, Device? device = null) => from_array(rawArray, dtype, device);
    public static Tensor as_tensor(float[] rawArray, ScalarType? dtype = null, Device? device = null) => from_array(rawArray, dtype, device);
    public static Tensor as_tensor(double[] rawArray, ScalarType? dtype = null, Device? device = null) => from_array(rawArray, dtype, device);
    public static Tensor as_tensor(BFloat16[] rawArray, ScalarType? dtype = null, Device? device = null) => from_array(rawArray, dtype, device);
    public static Tensor as_tensor(Complex[] rawArray, ScalarType? dtype = null, Device? device = null) => from_array(rawArray, dtype, device);
    public static Tensor as_tensor((float, float)[] rawArray, ScalarType? dtype = null, Device? device = null) => from_array(rawArray, dtype, device);
    public static Tensor as_tensor(IList<bool> rawArray, ScalarType? dtype = null, Device? device = null) => tensor(rawArray, dtype, device);
    public static Tensor as_tensor(IList<byte> rawArray, ScalarType? dtype = null, Device? device = null) => tensor(rawArray, dtype, device);
    public static Tensor as_tensor(IList<sbyte> rawArray, ScalarType? dtype = null, Device? device = null) => tensor(rawArray, dtype, device);
    public static Tensor as_tensor(IList<short> rawArray, ScalarType? dtype = null, Device? device = null) => tensor(rawArray, dtype, device);
    public static Tensor as_tensor(IList<int> rawArray, ScalarType? dtype = null, Device? device = null) => tensor(rawArray, dtype, device);
    public static Tensor as_tensor(IList<long> rawArray, ScalarType? dtype = null, Device? device = null) => tensor(rawArray, dtype, device);
    public static Tensor as_tensor(IList<float> rawArray, ScalarType? dtype = null, Device? device = null) => tensor(rawArray, dtype, device);
    public static Tensor as_tensor(IList<double> rawArray, ScalarType? dtype = null, Device? device = null) => tensor(rawArray, dtype, device);
    public static Tensor as_tensor(IList<BFloat16> rawArray, ScalarType? dtype = null, Device? device = null) => tensor(rawArray, dtype, device);
    public static Tensor as_tensor(IList<Complex> rawArray, ScalarType? dtype = null, Device? device = null) => tensor(rawArray, dtype, device);
    public static Tensor as_tensor(IList<(float, float)> rawArray, ScalarType? dtype = null, Device? device = null) => tensor(rawArray, dtype, device);
}
