using System.Collections;
using System.Numerics;
using System.Runtime.CompilerServices;
using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>The memory behind a tensor and its views, as one row of elements.</summary>
    public abstract class Storage
    {
        /// <summary>The tensor whose memory this is; it stays alive with the storage.</summary>
        protected Tensor _tensor;
        protected IntPtr _tensor_data_ptr;

        protected Storage() => _tensor = null!;

        protected Storage(Tensor tensor) : this(tensor, 0)
        {
        }

        protected Storage(Tensor tensor, IntPtr data_ptr)
        {
            _tensor = tensor;
            _tensor_data_ptr = data_ptr != 0 ? data_ptr : Memory().Data;
        }

        private unsafe (nint Data, long Bytes) Memory()
        {
            long bytes;
            var data = (nint)NativeMethods.att_tensor_storage_data(_tensor.Handle, &bytes);
            return (data, bytes);
        }

        internal static Storage<T> Create<T>(Tensor tensor) where T : unmanaged => new(tensor.to_type(TypeOf(typeof(T))));

        public Storage<bool> @bool() => Create<bool>(_tensor);
        public Storage<byte> @byte() => Create<byte>(_tensor);
        public Storage<int> @int() => Create<int>(_tensor);
        public Storage<long> @long() => Create<long>(_tensor);
        public Storage<float> @float() => Create<float>(_tensor);
        public Storage<double> @double() => Create<double>(_tensor);
        public Storage<(float, float)> complex_float() => Create<(float, float)>(_tensor);
        public Storage<Complex> complex_double() => Create<Complex>(_tensor);

        public abstract int element_size();
        public IntPtr data_ptr() => _tensor_data_ptr;
        public ulong nbytes() => (ulong)Memory().Bytes;
    }

    /// <inheritdoc cref="Storage"/>
    public sealed class Storage<T> : Storage, IDisposable, IEnumerable<T> where T : unmanaged
    {
        private readonly T value;
        private readonly int count;

        internal Storage(Tensor tensor) : base(tensor)
        {
            if (tensor.device_type != DeviceType.CPU)
                throw new InvalidOperationException($"a storage is read on the CPU, not on {tensor.device}: call cpu() first");
            count = (int)((long)nbytes() / Unsafe.SizeOf<T>());
        }

        private Storage(Tensor tensor, IntPtr data, int count) : base(tensor, data) => this.count = count;

        private Storage(T value) => this.value = value;

        /// <summary>A value to fill a range with: <c>storage[2..4] = 1f</c>.</summary>
        public static implicit operator Storage<T>(T value) => new(value);

        private unsafe Span<T> Elements => _tensor is not null
            ? new Span<T>((void*)_tensor_data_ptr, count)
            : throw new InvalidOperationException("this storage is a single value or was disposed");

        public int Count => Elements.Length;
        public bool IsReadOnly => false;
        public override int element_size() => Unsafe.SizeOf<T>();
        public Device device => _tensor.device;
        public Storage<T> cpu() => Create<T>(_tensor.cpu());
        public Storage<T> cuda(Device device = null!) => Create<T>(_tensor.cuda(device));

        public T this[int index]
        {
            get => Elements[index];
            set => Elements[index] = value;
        }

        /// <summary>A part of the storage, over the same memory.</summary>
        public Storage<T> this[Range range]
        {
            get
            {
                var (start, length) = range.GetOffsetAndLength(Count);
                return new Storage<T>(_tensor, _tensor_data_ptr + start * Unsafe.SizeOf<T>(), length);
            }
            set
            {
                if (value._tensor is not null)
                    throw new InvalidOperationException("a range of a storage is set to a single value");
                Elements[range].Fill(value.value);
            }
        }

        public Storage<T> this[(int? start, int? end) range]
        {
            get => this[(range.start ?? 0)..(range.end ?? Count)];
            set => this[(range.start ?? 0)..(range.end ?? Count)] = value;
        }

        public void fill_(T value) => Elements.Fill(value);
        public void copy_(IList<T> array) => CopyFrom(array, 0);

        public void CopyTo(IList<T> array, int arrayIndex)
        {
            var elements = Elements;
            for (int i = 0; i < elements.Length && i + arrayIndex < array.Count; i++)
                array[i + arrayIndex] = elements[i];
        }

        public void CopyFrom(IList<T> array, int arrayIndex)
        {
            var elements = Elements;
            for (int i = 0; i < elements.Length && i + arrayIndex < array.Count; i++)
                elements[i] = array[i + arrayIndex];
        }

        public T[] ToArray() => Elements.ToArray();
        public IList<T> tolist() => ToArray();
        public bool Contains(T item) => IndexOf(item) >= 0;
        public int IndexOf(T item) => Array.IndexOf(ToArray(), item);
        public IEnumerator<T> GetEnumerator() => ((IEnumerable<T>)ToArray()).GetEnumerator();
        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        /// <summary>Lets go of the tensor.</summary>
        public void Dispose()
        {
            _tensor = null!;
            _tensor_data_ptr = 0;
        }
    }
}
