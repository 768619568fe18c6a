using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class utils
        {
            /// <summary>Batches of sequences of different lengths.</summary>
            public static partial class rnn
            {
                /// <summary>Sequences laid side by side: the first element of each, then the second of each that has one, and so on.</summary>
                public sealed class PackedSequence : IDisposable
                {
                    public readonly Tensor data;

                    /// <summary>How many sequences have an element at each step; on the CPU.</summary>
                    public readonly Tensor batch_sizes;

                    /// <summary>The user's number of each sequence, the longest first; null where they came in that order.</summary>
                    public readonly Tensor sorted_indices;

                    /// <summary>The place of each of the user's sequences; null where they came in order of length.</summary>
                    public readonly Tensor unsorted_indices;

                    internal PackedSequence(Tensor data, Tensor batch_sizes, Tensor? sorted_indices, Tensor? unsorted_indices)
                    {
                        (this.data, this.batch_sizes) = (data, batch_sizes);
                        (this.sorted_indices, this.unsorted_indices) = (sorted_indices!, unsorted_indices!);
                    }

                    /// <summary>Other elements in the same arrangement.</summary>
                    internal PackedSequence With(Tensor other) => new(other, batch_sizes.Handover(), sorted_indices?.Handover(), unsorted_indices?.Handover());

                    private void ForEach(Action<Tensor> action)
                    {
                        foreach (var tensor in new[] { data, batch_sizes, sorted_indices, unsorted_indices })
                            if (tensor is not null)
                                action(tensor);
                    }

                    public void Dispose() => ForEach(tensor => tensor.Dispose());

                    public PackedSequence MoveToOuterDisposeScope()
                    {
                        ForEach(tensor => tensor.MoveToOuterDisposeScope());
                        return this;
                    }

                    public PackedSequence MoveToOtherDisposeScope(DisposeScope? other)
                    {
                        ForEach(tensor => tensor.MoveToOtherDisposeScope(other));
                        return this;
                    }

                    public PackedSequence MoveToOtherDisposeScope(PackedSequence other) => MoveToOtherDisposeScope(other.data.scope);

                    public PackedSequence DetachFromDisposeScope()
                    {
                        ForEach(tensor => tensor.DetachFromDisposeScope());
                        return this;
                    }
                }

                /// <summary>Sequences (L, ...) as one tensor (longest, N, ...) or (N, longest, ...), filled up at the end.</summary>
                public static Tensor pad_sequence(IEnumerable<Tensor> sequences, bool batch_first = false, double padding_value = 0) =>
                    Aten.Call("pad_sequence(sequences,batch_first,padding_value)", sequences.ToArray(), batch_first, padding_value);

                /// <summary>Packs sequences that are filled up to the same length, (L, N, ...) or (N, L, ...), by their real lengths (N).</summary>
                /// <param name="enforce_sorted">Says that the longest comes first, and so on down; they are sorted otherwise.</param>
                public static PackedSequence pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first = false, bool enforce_sorted = true)
                {
                    using var scope = NewDisposeScope();
                    lengths = lengths.to(ScalarType.Int64, CPU);
                    Tensor? sorted = null;
                    Tensor? unsorted = null;
                    if (!enforce_sorted)
                    {
                        (lengths, var order) = lengths.sort(-1, descending: true);
                        sorted = order.to(input.device);
                        unsorted = sorted.argsort();
                        input = input.index_select(batch_first ? 0 : 1, sorted);
                    }
                    var (data, sizes) = Aten.Call2("_pack_padded_sequence", input, lengths, batch_first);
                    return new PackedSequence(data, sizes, sorted, unsorted).MoveToOuterDisposeScope();
                }

                /// <summary>Packs sequences (L, ...) of different lengths.</summary>
                public static PackedSequence pack_sequence(IEnumerable<Tensor> sequences, bool enforce_sorted = true)
                {
                    var list = sequences.ToArray();
                    using var padded = pad_sequence(list);
                    using var lengths = tensor(Array.ConvertAll(list, sequence => sequence.size(0)));
                    return pack_padded_sequence(padded, lengths, false, enforce_sorted);
                }

                /// <summary>The reverse of <see cref="pack_padded_sequence"/>: the sequences filled up, and their lengths (N).</summary>
                /// <param name="total_length">The length to fill up to; by default that of the longest.</param>
                public static (Tensor, Tensor) pad_packed_sequence(PackedSequence sequence, bool batch_first = false, double padding_value = 0, long? total_length = null)
                {
                    using var scope = NewDisposeScope();
                    var (padded, lengths) = Aten.Call2("_pad_packed_sequence", sequence.data, sequence.batch_sizes, batch_first, padding_value, total_length ?? -1);
                    if (sequence.unsorted_indices is { } order)
                    {
                        padded = padded.index_select(batch_first ? 0 : 1, order);
                        using var onCpu = order.cpu();
                        lengths = lengths.index_select(0, onCpu);
                    }
                    return (padded.MoveToOuterDisposeScope(), lengths.MoveToOuterDisposeScope());
                }
            }
        }
    }
}
