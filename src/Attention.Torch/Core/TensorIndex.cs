using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>One index of <c>tensor[...]</c>: a number, a slice, a tensor, a truth value, a new axis or an ellipsis.</summary>
    public struct TensorIndex
    {
        internal enum Kind { None, Single, Slice, Bool, Tensor, Ellipsis, Null }

        internal Kind kind;
        internal long? start, stop, step;
        internal Tensor? tensor;

        /// <summary>A new axis of size 1.</summary>
        public static TensorIndex None = new() { kind = Kind.None };
        public static TensorIndex Null = new() { kind = Kind.Null };

        /// <summary>As many full slices as are missing.</summary>
        public static TensorIndex Ellipsis = new() { kind = Kind.Ellipsis };

        /// <summary>The whole axis.</summary>
        public static TensorIndex Colon = Slice();

        public static TensorIndex Single(long? index) => new() { kind = Kind.Single, start = index };
        public static TensorIndex Slice(long? start = null, long? stop = null, long? step = null) =>
            new() { kind = Kind.Slice, start = start, stop = stop, step = step };
        public static TensorIndex Slice((int? start, int? end) range) => Slice(range.start, range.end);
        public static TensorIndex Slice(System.Range range) =>
            Slice(Position(range.Start), range.End is { IsFromEnd: true, Value: 0 } ? null : Position(range.End));
        public static TensorIndex Bool(bool value) => new() { kind = Kind.Bool, start = value ? 1 : 0 };
        public static TensorIndex Tensor(torch.Tensor tensor) => new() { kind = Kind.Tensor, tensor = tensor };

        public static implicit operator TensorIndex(long value) => Single(value);
        public static implicit operator TensorIndex(System.Index index) => Single(Position(index));
        public static implicit operator TensorIndex(System.Range range) => Slice(range);
        public static implicit operator TensorIndex((int? start, int? end) range) => Slice(range);

        /// <summary>Only there to fail, as in the official package, where an index would become a tensor unseen.</summary>
        public static implicit operator torch.Tensor(TensorIndex value) =>
            throw new InvalidOperationException("a TensorIndex does not become a tensor by itself");

        private static long Position(System.Index index) => index.IsFromEnd ? -index.Value : index.Value;
    }

    /// <summary>Indexing by the rules of Python's <c>x[...]</c>, on libtorch's select, slice, unsqueeze and index.</summary>
    internal static class Indexing
    {
        /// <summary>
        /// The view that numbers, slices, new axes and ellipses give, and the tensors that index its axes
        /// (null: the whole axis). The view is a new tensor.
        /// </summary>
        private static (Tensor View, Tensor?[] Advanced) Resolve(Tensor self, ReadOnlySpan<TensorIndex> indices)
        {
            int consumed = 0;
            int ellipses = 0;
            foreach (var index in indices)
            {
                if (index.kind == TensorIndex.Kind.Ellipsis)
                    ellipses++;
                else if (index.kind == TensorIndex.Kind.Tensor)
                    consumed += IsMask(index.tensor!) ? (int)index.tensor!.ndim : 1;
                else if (index.kind is TensorIndex.Kind.Single or TensorIndex.Kind.Slice)
                    consumed++;
            }
            if (ellipses > 1)
                throw new ArgumentException("an index can only have a single ellipsis ('...')");
            if (consumed > self.ndim)
                throw new ArgumentException($"too many indices for tensor of dimension {self.ndim}");

            var view = self.alias();
            var advanced = new List<Tensor?>();
            int dim = 0;
            foreach (var index in indices)
            {
                switch (index.kind)
                {
                    case TensorIndex.Kind.Single:
                        view = Replace(view, Aten.Call("select.int", view, dim, index.start!.Value));
                        break;
                    case TensorIndex.Kind.Slice:
                        if (index.start is not null || index.stop is not null || index.step is not null)
                            view = Replace(view, Aten.Call("slice.Tensor", view, dim, index.start, index.stop, index.step ?? 1));
                        dim++;
                        break;
                    case TensorIndex.Kind.None:
                    case TensorIndex.Kind.Null:
                        view = Replace(view, Aten.Call("unsqueeze", view, dim));
                        dim++;
                        break;
                    case TensorIndex.Kind.Ellipsis:
                        dim += (int)self.ndim - consumed;
                        break;
                    case TensorIndex.Kind.Bool:
                        view = Replace(view, Aten.Call("unsqueeze", view, dim));
                        Place(advanced, dim++, torch.tensor(new[] { index.start != 0 }));
                        break;
                    case TensorIndex.Kind.Tensor when index.tensor!.ndim == 0 && IsMask(index.tensor):
                        view = Replace(view, Aten.Call("unsqueeze", view, dim));
                        Place(advanced, dim++, Aten.Call("reshape", index.tensor, new long[] { 1 }));
                        break;
                    case TensorIndex.Kind.Tensor when index.tensor!.ndim == 0:
                        view = Replace(view, Aten.Call("select.int", view, dim, index.tensor.ToInt64()));
                        break;
                    default:
                        foreach (var tensor in PerAxis(index.tensor!))
                            Place(advanced, dim++, tensor);
                        break;
                }
            }
            return (view, advanced.ToArray());
        }

        private static bool IsMask(Tensor index) => index.dtype is ScalarType.Bool or ScalarType.Byte;

        // A mask of several axes is as many integer tensors, so that what follows it indexes the right axis.
        private static Tensor[] PerAxis(Tensor index) => index.dtype switch
        {
            ScalarType.Bool or ScalarType.Byte when index.ndim > 1 => Aten.CallMany("nonzero_numpy", index),
            ScalarType.Bool or ScalarType.Byte or ScalarType.Int64 => [index],
            _ when torch.is_integral(index.dtype) => [index.to_type(ScalarType.Int64)],
            var type => throw new ArgumentException($"a tensor of {type} cannot be an index: integers and truth values can"),
        };

        private static void Place(List<Tensor?> advanced, int dim, Tensor tensor)
        {
            while (advanced.Count < dim)
                advanced.Add(null);
            advanced.Add(tensor);
        }

        private static Tensor Replace(Tensor old, Tensor next)
        {
            old.Dispose();
            return next;
        }

        internal static Tensor Get(Tensor self, ReadOnlySpan<TensorIndex> indices)
        {
            var (view, advanced) = Resolve(self, indices);
            return advanced.Length == 0 ? view : Replace(view, Aten.Call("index.Tensor", view, advanced));
        }

        internal static void Set(Tensor self, ReadOnlySpan<TensorIndex> indices, Tensor value, bool accumulate = false)
        {
            var (view, advanced) = Resolve(self, indices);
            using (view)
            {
                if (advanced.Length > 0)
                    Aten.CallVoid("index_put_", view, advanced, Fitting(view, value), accumulate);
                else if (accumulate)
                    Aten.CallVoid("add_.Tensor", view, value);
                else
                    Aten.CallVoid("copy_", view, Broadcastable(view, value));
            }
        }

        // A number stands for one of the tensor's own type, wherever it is: x[mask] = 1.
        private static Tensor Fitting(Tensor view, Tensor value) => value.ndim == 0
            ? value.to(view.dtype, view.device)
            : value.device_type == view.device_type ? value : value.to(view.device);

        // Python drops leading axes of size 1 from the value: x[0] = y.unsqueeze(0).
        private static Tensor Broadcastable(Tensor view, Tensor value)
        {
            while (value.ndim > view.ndim && value.shape[0] == 1)
                value = Aten.Call("squeeze.dim", value, 0);
            return value;
        }
    }
}
