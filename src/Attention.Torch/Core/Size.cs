using System.Collections;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>The shape of a tensor.</summary>
    public struct Size : IEnumerable<long>
    {
        private readonly long[]? shape;

        public static Size Empty = new(Array.Empty<long>());

        public Size(long[] shape) => this.shape = (long[])shape.Clone();
        public Size(int[] shape) => this.shape = Array.ConvertAll(shape, i => (long)i);
        public Size(IEnumerable<long> shape) => this.shape = shape.ToArray();
        public Size(long size) => shape = [size];
        public Size(int size) => shape = [size];
        public Size((int, int) size) => shape = [size.Item1, size.Item2];
        public Size((int, int, int) size) => shape = [size.Item1, size.Item2, size.Item3];
        public Size((int, int, int, int) size) => shape = [size.Item1, size.Item2, size.Item3, size.Item4];
        public Size((int, int, int, int, int) size) => shape = [size.Item1, size.Item2, size.Item3, size.Item4, size.Item5];
        public Size((int, int, int, int, int, int) size) => shape = [size.Item1, size.Item2, size.Item3, size.Item4, size.Item5, size.Item6];
        public Size((long, long) size) => shape = [size.Item1, size.Item2];
        public Size((long, long, long) size) => shape = [size.Item1, size.Item2, size.Item3];
        public Size((long, long, long, long) size) => shape = [size.Item1, size.Item2, size.Item3, size.Item4];
        public Size((long, long, long, long, long) size) => shape = [size.Item1, size.Item2, size.Item3, size.Item4, size.Item5];
        public Size((long, long, long, long, long, long) size) => shape = [size.Item1, size.Item2, size.Item3, size.Item4, size.Item5, size.Item6];

        public static implicit operator Size(long size) => new(size);
        public static implicit operator Size(long[] size) => new(size);
        public static implicit operator Size((long, long) size) => new(size);
        public static implicit operator Size((long, long, long) size) => new(size);
        public static implicit operator Size((long, long, long, long) size) => new(size);
        public static implicit operator Size((long, long, long, long, long) size) => new(size);
        public static implicit operator Size((long, long, long, long, long, long) size) => new(size);

        public long[] Shape => shape ?? [];
        public int Length => Shape.Length;
        public bool IsEmpty => Shape.Length == 0;
        public bool IsScalar => Shape.Length == 0;
        public long this[int idx] => Shape[idx];
        public long this[long idx] => Shape[idx];

        /// <summary>The product of all sizes.</summary>
        public long numel() => Shape.Aggregate(1L, (product, size) => product * size);

        public Size Slice(int first, int next) => new(Shape[first..next]);
        public IEnumerable<long> Take(int i) => Shape.Take(i);

        public static Size operator +(Size left, Size right) => new([.. left.Shape, .. right.Shape]);
        public static Size operator +(Size left, IEnumerable<long> right) => new([.. left.Shape, .. right]);
        public static bool operator ==(Size left, Size right) => left.Shape.AsSpan().SequenceEqual(right.Shape);
        public static bool operator !=(Size left, Size right) => !(left == right);

        public override bool Equals(object? obj) => obj is Size other && this == other;
        public override int GetHashCode() => Shape.Aggregate(17, HashCode.Combine);
        public IEnumerator<long> GetEnumerator() => ((IEnumerable<long>)Shape).GetEnumerator();
        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
