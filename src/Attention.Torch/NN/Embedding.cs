using Attention.Torch.Native;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>A table of vectors: numbers (...) to (..., embedding_dims).</summary>
    public sealed class Embedding : nn.Module<Tensor, Tensor>
    {
        [ComponentName(Name = nameof(weight))]
        private Parameter? _weight;
        private readonly long paddingIndex;
        private readonly double? maxNorm;
        private readonly double normType;
        private readonly bool scaleGradients;
        private readonly bool sparse;

        internal Embedding(Parameter weight, long? padding_idx, double? max_norm, double norm_type, bool scale_grad_by_freq, bool sparse) : base(nameof(Embedding))
        {
            this.weight = weight;
            // libtorch knows no padding by -1, so an index from the end is counted out.
            paddingIndex = padding_idx is { } index ? index < 0 ? weight.size(0) + index : index : -1;
            (maxNorm, normType, scaleGradients, this.sparse) = (max_norm, norm_type, scale_grad_by_freq, sparse);
        }

        public Parameter? weight
        {
            get => _weight;
            set => Assign(ref _weight, value, nameof(weight));
        }

        public override Tensor forward(Tensor input)
        {
            if (maxNorm is { } bound)
                using (no_grad())
                    Aten.CallVoid("embedding_renorm_", _weight, input.contiguous(), bound, normType);
            return Aten.Call("embedding", _weight, input, paddingIndex, scaleGradients, sparse);
        }
    }

    /// <summary>Sums, means or maxima of the table's vectors, a bag of numbers at a time.</summary>
    public sealed class EmbeddingBag : nn.Module<Tensor, Tensor, Tensor, Tensor>, nn.IModule<Tensor, Tensor, Tensor>
    {
        [ComponentName(Name = nameof(weight))]
        private Parameter? _weight;
        private readonly long? paddingIndex;
        private readonly double? maxNorm;
        private readonly double normType;
        private readonly bool scaleGradients;
        private readonly bool sparse;
        private readonly bool includeLastOffset;
        private readonly EmbeddingBagMode mode;

        internal EmbeddingBag(Parameter weight, double? max_norm, double norm_type, bool scale_grad_by_freq, EmbeddingBagMode mode, bool sparse, bool include_last_offset, long padding_index) : base(nameof(EmbeddingBag))
        {
            this.weight = weight;
            paddingIndex = padding_index < 0 ? null : padding_index;
            (maxNorm, normType, scaleGradients, this.sparse, includeLastOffset, this.mode) = (max_norm, norm_type, scale_grad_by_freq, sparse, include_last_offset, mode);
        }

        public Parameter? weight
        {
            get => _weight;
            set => Assign(ref _weight, value, nameof(weight));
        }

        /// <summary>Numbers (N) with the start of each bag (B), or a bag in each row of (B, N), to (B, embedding_dims).</summary>
        public override Tensor forward(Tensor input, Tensor? offsets, Tensor? perSampleWeights)
        {
            using var scope = NewDisposeScope();
            if (input.ndim == 2)
            {
                if (offsets is not null)
                    throw new ArgumentException("EmbeddingBag: numbers in two dimensions take no offsets, each row is a bag");
                offsets = arange(0, input.numel(), input.size(1), input.dtype, input.device);
                input = input.reshape(-1);
                perSampleWeights = perSampleWeights?.reshape(-1);
            }
            else if (offsets is null)
                throw new ArgumentException("EmbeddingBag: numbers in one dimension need the offsets at which the bags start");
            if (maxNorm is { } bound)
                using (no_grad())
                    Aten.CallVoid("embedding_renorm_", _weight, input.contiguous(), bound, normType);
            var results = Aten.CallMany("embedding_bag.padding_idx", _weight, input, offsets, scaleGradients, (long)mode, sparse, perSampleWeights, includeLastOffset, paddingIndex);
            return results[0].MoveToOuterDisposeScope();
        }

        public new Tensor call(Tensor input, Tensor? offsets, Tensor? perSampleWeights) => base.call(input, offsets!, perSampleWeights!);
        public Tensor call(Tensor input, Tensor offsets) => base.call(input, offsets, null!);
        public Tensor call(Tensor input) => base.call(input, null!, null!);
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            private static Parameter NormalTable(long rows, long columns, long? zeroRow, Device? device, ScalarType? dtype)
            {
                var table = EmptyParameter([rows, columns], device, dtype);
                init.normal_(table);
                if (zeroRow is { } row)
                    using (no_grad())
                    {
                        using var padding = table.select(0, row);
                        padding.zero_();
                    }
                return table;
            }

            private static Parameter Pretrained(Tensor embeddings, bool freeze, Device? device, ScalarType? dtype)
            {
                using (inference_mode(false))
                using (no_grad())
                    return new Parameter(Attention.Torch.Native.Aten.Call("to.device", embeddings, device ?? embeddings.device, dtype ?? embeddings.dtype, false, true).detach(), !freeze);
            }

            /// <param name="padding_idx">The row that stays zero and takes no gradient.</param>
            /// <param name="max_norm">Rows with a larger norm are scaled down to it when they are used.</param>
            public static Embedding Embedding(long num_embeddings, long embedding_dims, long? padding_idx = null, double? max_norm = null, double norm_type = 2, bool scale_grad_by_freq = false, bool sparse = false, Device? device = null, ScalarType? dtype = null) =>
                new(NormalTable(num_embeddings, embedding_dims, padding_idx, device, dtype), padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse);

            /// <summary>A table that starts as a copy of <paramref name="embeddings"/> (rows, columns).</summary>
            public static Embedding Embedding_from_pretrained(Tensor embeddings, bool freeze = true, long? padding_idx = null, double? max_norm = null, double norm_type = 2, bool scale_grad_by_freq = false, bool sparse = false, Device? device = null, ScalarType? dtype = null) =>
                new(Pretrained(embeddings, freeze, device, dtype), padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse);

            public static EmbeddingBag EmbeddingBag(long num_embeddings, long embedding_dims, double? max_norm = null, double norm_type = 2, bool scale_grad_by_freq = false, EmbeddingBagMode mode = EmbeddingBagMode.Mean, bool sparse = false, bool include_last_offset = false, long padding_index = -1, Device? device = null, ScalarType? dtype = null) =>
                new(NormalTable(num_embeddings, embedding_dims, padding_index < 0 ? null : padding_index, device, dtype), max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_index);

            /// <inheritdoc cref="Embedding_from_pretrained"/>
            public static EmbeddingBag EmbeddingBag_from_pretrained(Tensor embeddings, bool freeze = true, double? max_norm = null, double norm_type = 2, bool scale_grad_by_freq = false, EmbeddingBagMode mode = EmbeddingBagMode.Mean, bool sparse = false, bool include_last_offset = false, long padding_index = -1, Device? device = null, ScalarType? dtype = null) =>
                new(Pretrained(embeddings, freeze, device, dtype), max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_index);
        }
    }
}
