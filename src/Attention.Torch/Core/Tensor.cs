using System.Runtime.CompilerServices;
using Attention.Torch.Native;
using TorchSharp.Utils;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>
    /// An n-dimensional array of libtorch. It owns one reference to libtorch's tensor, which ends with <see cref="Dispose()"/>,
    /// with the dispose scope it was made in, or, late, with the garbage collector.
    /// </summary>
    /// <remarks>
    /// Members with the name of a PyTorch operator are that operator: its arguments, broadcasting, gradients and errors.
    /// Names that end in an underscore change the tensor in place and return it.
    /// </remarks>
    public partial class Tensor : IDisposable
    {
        private TensorHandle? handle;
        internal DisposeScope? scope;
        internal int scopeIndex;

        internal Tensor(nint handle)
        {
            this.handle = TensorHandle.Of(handle);
            DisposeScopeManager.OfThread.Created(this);
        }

        // A tensor that is none, as the official package gives where there is no gradient.
        private Tensor()
        {
        }

        internal static Tensor FromHandle(nint handle) => new(handle);
        internal static Tensor FromHandleOrInvalid(nint handle) => handle == 0 ? new() : new(handle);

        /// <summary>A tensor that owns the given native handle.</summary>
        public static Tensor UnsafeCreateTensor(IntPtr handle) => new(handle);

        // The finalizer is the handle's.
        public void Dispose() => Dispose(true);

        protected virtual void Dispose(bool disposing)
        {
            if (Interlocked.Exchange(ref handle, null) is not { } old)
                return;
            old.Free();
            if (scope is { } owner)
            {
                owner.Remove(this);
                owner.Statistics.TensorStatistics.DisposedInScopeCount++;
            }
            else
                DisposeScopeManager.Statistics.TensorStatistics.DisposedOutsideScopeCount++;
        }

        /// <summary>The number of tensors alive in the process.</summary>
        public static long TotalCount => TensorHandle.Live;

        /// <summary>The largest number of tensors that were alive at once.</summary>
        public static long PeakCount => TensorHandle.Peak;

        /// <summary>The name that error messages and module listings use.</summary>
        public string? name { get; set; }

        /// <summary>The native handle.</summary>
        /// <exception cref="ObjectDisposedException">The tensor was disposed.</exception>
        public IntPtr Handle
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get
            {
                if (handle is not { } current)
                {
                    ThrowDisposed();
                    return 0;
                }
                return current.Value;
            }
        }

        private void ThrowDisposed() =>
            throw new ObjectDisposedException(name is null ? "Tensor" : $"Tensor '{name}'",
                $"{(name is null ? "a tensor" : $"tensor '{name}'")} was used after it was disposed: move it out of its dispose scope, or dispose it later");

        public bool IsInvalid => handle is null;

        /// <summary>Gives the native reference to the caller: the object is as if disposed.</summary>
        public IntPtr DecoupleFromNativeHandle()
        {
            _ = Handle;
            DetachFromDisposeScope();
            return Interlocked.Exchange(ref handle, null)!.Take();
        }

        /// <summary>Hands the tensor to the scope around the one that owns it.</summary>
        public Tensor MoveToOuterDisposeScope()
        {
            scope?.MoveToOuter(this);
            return this;
        }

        /// <summary>Takes the tensor out of all scopes: from now on its holder disposes it.</summary>
        public Tensor DetachFromDisposeScope()
        {
            scope?.Detach(this);
            return this;
        }

        /// <summary>Hands the tensor to another scope, whichever owns it now.</summary>
        public Tensor MoveToOtherDisposeScope(DisposeScope? other)
        {
            if (scope is { } owner)
                owner.MoveToOther(other, this);
            else
                other?.Attach(this);
            return this;
        }

        /// <summary>Hands the tensor to the scope that owns another tensor.</summary>
        public Tensor MoveToOtherDisposeScope(Tensor other) => MoveToOtherDisposeScope(other.scope);

        // --- what it is --------------------------------------------------------------------------

        public ScalarType dtype => Keep((ScalarType)NativeMethods.att_tensor_dtype(Handle));

        public Device device
        {
            get
            {
                long packed = Keep(NativeMethods.att_tensor_device(Handle));
                return packed == 0xffffffff ? CPU : new Device((DeviceType)(packed >> 32), (int)packed);
            }
        }

        public DeviceType device_type => (DeviceType)(Keep(NativeMethods.att_tensor_device(Handle)) >> 32);
        public int device_index => (int)Keep(NativeMethods.att_tensor_device(Handle));
        public bool is_cuda => device_type == DeviceType.CUDA;
        public bool is_meta => device_type == DeviceType.META;
        public bool is_cpu() => device_type == DeviceType.CPU;
        public bool is_sparse => Keep(NativeMethods.att_tensor_layout(Handle)) == (int)layout.sparse_coo;

        /// <summary>The number of dimensions.</summary>
        public long ndim => Keep(NativeMethods.att_tensor_dim(Handle));
        public long dim() => ndim;
        public long Dimensions => ndim;
        public long numel() => Keep(NativeMethods.att_tensor_numel(Handle));
        public long NumberOfElements => numel();

        /// <summary>Bytes of one element.</summary>
        public long ElementSize => Keep(NativeMethods.att_tensor_element_size(Handle));
        public long element_size() => ElementSize;

        public unsafe long[] shape
        {
            get
            {
                var sizes = new long[ndim];
                fixed (long* p = sizes)
                    NativeMethods.Check(NativeMethods.att_tensor_sizes(Handle, p), "shape");
                return Keep(sizes);
            }
        }

        public long[] size() => shape;
        public unsafe long size(int dim)
        {
            int count = (int)ndim;
            var sizes = stackalloc long[count];
            NativeMethods.Check(NativeMethods.att_tensor_sizes(Handle, sizes), "size");
            return Keep(sizes[Wrapped(dim, count)]);
        }

        private static int Wrapped(int dim, int count) => dim >= -count && dim < count
            ? dim < 0 ? dim + count : dim
            : throw new ArgumentOutOfRangeException(nameof(dim), $"dimension {dim} of a tensor with {count}");


        public unsafe long[] stride()
        {
            var strides = new long[ndim];
            fixed (long* p = strides)
                NativeMethods.Check(NativeMethods.att_tensor_strides(Handle, p), "stride");
            return Keep(strides);
        }

        public long stride(int dim) => stride()[Wrapped(dim, (int)ndim)];
        public long storage_offset() => Keep(NativeMethods.att_tensor_storage_offset(Handle));
        public bool is_contiguous() => Keep(NativeMethods.Check(NativeMethods.att_tensor_is_contiguous(Handle, 0), "is_contiguous")) != 0;
        public bool is_pinned() => Keep(NativeMethods.Check(NativeMethods.att_tensor_is_pinned(Handle), "is_pinned")) != 0;
        public bool is_integral() => torch.is_integral(dtype);
        public bool is_quantized() => torch.is_quantized(dtype);

        // The finalizer must not run between reading the handle and native code's use of it.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private T Keep<T>(T value)
        {
            GC.KeepAlive(this);
            return value;
        }

        // --- gradients ---------------------------------------------------------------------------

        public bool requires_grad
        {
            get => Keep(NativeMethods.Check(NativeMethods.att_tensor_requires_grad(Handle), "requires_grad")) != 0;
            set => Keep(NativeMethods.Check(NativeMethods.att_tensor_set_requires_grad(Handle, value ? 1 : 0), "requires_grad"));
        }

        public Tensor requires_grad_(bool requires_grad = true)
        {
            this.requires_grad = requires_grad;
            return this;
        }

        public Tensor with_requires_grad(bool requires_grad = true) => requires_grad_(requires_grad);

        public bool is_leaf => Keep(NativeMethods.Check(NativeMethods.att_tensor_is_leaf(Handle), "is_leaf")) != 0;

        public void retain_grad() => Keep(NativeMethods.Check(NativeMethods.att_tensor_retain_grad(Handle), "retain_grad"));

        /// <summary>The accumulated gradient, or null. Each reading gives a new object over the same tensor.</summary>
        public Tensor? grad
        {
            get
            {
                var found = Keep(NativeMethods.att_tensor_grad(Handle));
                return found == 0 ? null : new Tensor(found);
            }
            set
            {
                NativeMethods.Check(NativeMethods.att_tensor_set_grad(Handle, value is null ? 0 : value.Handle), "grad");
                GC.KeepAlive(value);
                GC.KeepAlive(this);
            }
        }

        /// <summary>Gradients of this scalar with respect to every leaf that it depends on.</summary>
        public void backward() => autograd.backward(this);

        public void backward(IList<Tensor>? grad_tensors = null, bool retain_graph = false, bool create_graph = false, IList<Tensor>? inputs = null) =>
            autograd.backward(this, grad_tensors!, retain_graph, create_graph, inputs!);

        // --- moving and converting ---------------------------------------------------------------

        private Tensor Converted(Tensor result, bool disposeAfter)
        {
            if (disposeAfter)
                Dispose();
            return result;
        }

        /// <summary>
        /// The tensor with another type of element. Where nothing changes and no <paramref name="copy"/> is asked for, the result
        /// is a second object over the same tensor.
        /// </summary>
        public Tensor to_type(ScalarType type, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Converted(dtype == type && !copy ? alias() : Aten.Call("to.dtype", this, type, non_blocking, copy), disposeAfter);

        public Tensor to(ScalarType type, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            to_type(type, copy, disposeAfter, non_blocking);

        public Tensor to(ScalarType type, Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Converted(Aten.Call("to.device", this, On(device), type, non_blocking, copy), disposeAfter);

        public Tensor to(Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            to(dtype, device, copy, disposeAfter, non_blocking);

        public Tensor to(DeviceType deviceType, int deviceIndex = -1, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            to(new Device(deviceType, deviceIndex), copy, disposeAfter, non_blocking);

        public Tensor to(string device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            to(new Device(device), copy, disposeAfter, non_blocking);

        public Tensor to(Tensor other, bool non_blocking = false) => to(other.dtype, other.device, non_blocking: non_blocking);

        public Tensor type(ScalarType dtype) => to_type(dtype);
        public Tensor type(Func<Tensor, Tensor> typeFunc) => typeFunc(this);
        public Tensor cpu() => to(CPU);
        public Tensor cuda(Device? device = null, bool non_blocking = false) => device is null || device.type == DeviceType.CUDA
            ? to(device ?? CUDA, non_blocking: non_blocking)
            : throw new ArgumentException($"{device} is no CUDA device", nameof(device));
        public Tensor mps(bool non_blocking = false) => to(MPS, non_blocking: non_blocking);
        public Tensor @bool() => to_type(ScalarType.Bool);
        public Tensor @byte() => to_type(ScalarType.Byte);
        public Tensor @char() => to_type(ScalarType.Int8);
        public Tensor @short() => to_type(ScalarType.Int16);
        public Tensor @int() => to_type(ScalarType.Int32);
        public Tensor @long() => to_type(ScalarType.Int64);
        public Tensor half() => to_type(ScalarType.Float16);
        public Tensor bfloat16() => to_type(ScalarType.BFloat16);
        public Tensor @float() => to_type(ScalarType.Float32);
        public Tensor @double() => to_type(ScalarType.Float64);
        public Tensor cfloat() => to_type(ScalarType.ComplexFloat32);
        public Tensor cdouble() => to_type(ScalarType.ComplexFloat64);

        // --- reading and writing elements --------------------------------------------------------

        /// <summary>The first element of a dense tensor on the CPU.</summary>
        /// <exception cref="InvalidOperationException">The tensor is on another device.</exception>
        internal unsafe void* DataPointer()
        {
            if (device_type != DeviceType.CPU)
                throw new InvalidOperationException($"reading elements needs a tensor on the CPU, not on {device}: call cpu() first");
            return (void*)NativeMethods.Check((nint)NativeMethods.att_tensor_data(Handle), numel() == 0 ? "empty tensor" : "data");
        }

        /// <summary>Elements in row-major order, whatever the strides.</summary>
        /// <exception cref="ArgumentException"><typeparamref name="T"/> is not the type of the elements.</exception>
        public TensorAccessor<T> data<T>() where T : unmanaged => new(device_type == DeviceType.CPU ? this : cpu());

        /// <summary>The bytes of a contiguous tensor on the CPU, not copied: the span is valid while the tensor is.</summary>
        public unsafe Span<byte> bytes
        {
            get
            {
                if (!is_contiguous())
                    throw new InvalidOperationException("bytes needs a contiguous tensor: call contiguous() first");
                long length = numel() * ElementSize;
                if (length > int.MaxValue)
                    throw new InvalidOperationException($"a tensor of {length} bytes does not fit in a span: read it in parts");
                return length == 0 ? [] : new Span<byte>(DataPointer(), (int)length);
            }
            set
            {
                if (value.Length != bytes.Length)
                    throw new ArgumentException($"{value.Length} bytes for a tensor of {bytes.Length}");
                value.CopyTo(bytes);
            }
        }

        /// <summary>The element of a tensor with only one.</summary>
        /// <exception cref="ArgumentException">There are more, or <typeparamref name="T"/> is not their type: ToSingle() and the like convert.</exception>
        public T item<T>() where T : unmanaged
        {
            CheckSingle("item");
            if (device_type == DeviceType.CPU)
                return new TensorAccessor<T>(this)[0];
            using var source = cpu();
            return new TensorAccessor<T>(source)[0];
        }

        private void CheckSingle(string member)
        {
            if (numel() != 1)
                throw new ArgumentException($"{member} needs a tensor with one element, not one of shape ({string.Join(", ", shape)})");
        }

        /// <summary>The element of a tensor with only one, as a number of its type.</summary>
        public Scalar ToScalar()
        {
            CheckSingle("ToScalar");
            return dtype switch
            {
                ScalarType.Bool => item<bool>(),
                ScalarType.Byte => item<byte>(),
                ScalarType.Int8 => item<sbyte>(),
                ScalarType.Int16 => item<short>(),
                ScalarType.Int32 => item<int>(),
                ScalarType.Int64 => item<long>(),
                ScalarType.Float16 => item<Half>(),
                ScalarType.BFloat16 => item<BFloat16>(),
                ScalarType.Float32 => item<float>(),
                ScalarType.Float64 => item<double>(),
                ScalarType.ComplexFloat32 => item<(float, float)>(),
                ScalarType.ComplexFloat64 => item<System.Numerics.Complex>(),
                var type => throw new ArgumentException($"an element of {type} cannot be read: call dequantize() first"),
            };
        }

        /// <summary>The elements as nested lists of <see cref="Scalar"/>, or the one of a tensor without dimensions.</summary>
        public object tolist()
        {
            if (ndim == 0)
                return ToScalar();
            var list = new System.Collections.ArrayList();
            foreach (var part in unbind())
                using (part)
                    list.Add(part.tolist());
            return list;
        }

        // Element i in row-major order.
        public T ReadCpuValue<T>(long i) where T : unmanaged => data<T>()[i];
        public bool ReadCpuBool(long i) => ReadCpuValue<bool>(i);
        public byte ReadCpuByte(long i) => ReadCpuValue<byte>(i);
        public sbyte ReadCpuSByte(long i) => ReadCpuValue<sbyte>(i);
        public short ReadCpuInt16(long i) => ReadCpuValue<short>(i);
        public int ReadCpuInt32(long i) => ReadCpuValue<int>(i);
        public long ReadCpuInt64(long i) => ReadCpuValue<long>(i);
        public float ReadCpuFloat16(long i) => (float)ReadCpuValue<Half>(i);
        public float ReadCpuBFloat16(long i) => ReadCpuValue<BFloat16>(i).ToSingle();
        public float ReadCpuSingle(long i) => ReadCpuValue<float>(i);
        public double ReadCpuDouble(long i) => ReadCpuValue<double>(i);

        /// <summary>The memory behind the tensor, converted to elements of <typeparamref name="T"/> where they are others.</summary>
        public Storage<T> storage<T>() where T : unmanaged => Storage.Create<T>(this);

        // --- files -------------------------------------------------------------------------------

        private unsafe UnmanagedMemoryStream Memory(FileAccess access)
        {
            if (!is_contiguous())
                throw new InvalidOperationException("the bytes of a tensor are read and written in order: call contiguous() first");
            long length = numel() * ElementSize;
            return new UnmanagedMemoryStream(length == 0 ? (byte*)1 : (byte*)DataPointer(), length, length, access);
        }

        /// <summary>Writes the bytes of a contiguous tensor on the CPU.</summary>
        public void WriteBytesToStream(Stream stream, int bufferSize = 1024)
        {
            using var memory = Memory(FileAccess.Read);
            memory.CopyTo(stream, Math.Max(bufferSize, 1 << 16));
            GC.KeepAlive(this);
        }

        /// <summary>Fills a contiguous tensor on the CPU from the stream.</summary>
        /// <exception cref="EndOfStreamException">The stream ends before the tensor does.</exception>
        public void ReadBytesFromStream(Stream stream, int bufferSize = 1024)
        {
            using var memory = Memory(FileAccess.Write);
            var buffer = new byte[Math.Max(bufferSize, 1 << 16)];
            while (memory.Position < memory.Length)
            {
                int count = stream.Read(buffer, 0, (int)Math.Min(buffer.Length, memory.Length - memory.Position));
                if (count == 0)
                    throw new EndOfStreamException($"the stream ends after {memory.Position} of {memory.Length} bytes");
                memory.Write(buffer, 0, count);
            }
            GC.KeepAlive(this);
        }

        /// <summary>Writes the tensor in PyTorch's own format, as a TorchScript archive.</summary>
        public unsafe void save(string location)
        {
            fixed (byte* path = Aten.Utf8(location))
                NativeMethods.Check(NativeMethods.att_tensor_save(Handle, path), "save");
            GC.KeepAlive(this);
        }

        /// <summary>Reads a tensor that <see cref="save"/> wrote.</summary>
        public static unsafe Tensor load(string location)
        {
            fixed (byte* path = Aten.Utf8(location))
                return new Tensor(NativeMethods.Check(NativeMethods.att_tensor_load(path), "load"));
        }

        /// <summary>Reads a tensor in TorchSharp's binary format.</summary>
        public static Tensor Load(BinaryReader reader) => TensorExtensionMethods.Load(reader);

        public static Tensor Load(Stream stream)
        {
            using var reader = new BinaryReader(stream);
            return Load(reader);
        }

        public static Tensor Load(string location)
        {
            using var stream = File.OpenRead(location);
            return Load(stream);
        }

        /// <summary>Whether both have the same shape and elements. Compare references to tell tensors apart.</summary>
        public bool Equals(Tensor target) => target is not null && Aten.CallBool("equal", this, target);
        public override bool Equals(object? obj) => obj is Tensor target && Equals(target);
        public override int GetHashCode() => base.GetHashCode();
    }
}
