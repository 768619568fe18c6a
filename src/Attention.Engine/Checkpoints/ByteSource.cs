using Microsoft.Win32.SafeHandles;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints;

/// <summary>
/// A file whose bytes become tensors in two ways: viewed where a memory map has them, without a copy, or read straight into the
/// memory of a tensor that is there already.
/// </summary>
internal sealed class ByteSource : IDisposable
{
    private const int PartBytes = 16 << 20;

    private readonly SafeFileHandle handle;
    private readonly Dictionary<ScalarType, Tensor> maps = [];

    private ByteSource(string path, SafeFileHandle handle)
    {
        Path = path;
        this.handle = handle;
        Length = RandomAccess.GetLength(handle);
    }

    public string Path { get; }

    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; }

    public static ByteSource Open(string path)
    {
        if (!File.Exists(path))
            throw new UserError($"there is no checkpoint '{path}'", "check the path");
        try
        {
            return new ByteSource(path, File.OpenHandle(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"'{path}' cannot be read: {e.Message}", "check the file's permissions", e);
        }
    }

    /// <summary>Reads exactly as many bytes as the target holds.</summary>
    /// <exception cref="UserError">The file ends before.</exception>
    public void Read(long position, Span<byte> target)
    {
        while (target.Length > 0)
        {
            int count = RandomAccess.Read(handle, target, position);
            if (count == 0)
                throw Cut(position);
            position += count;
            target = target[count..];
        }
    }

    /// <summary>Reads exactly this many bytes.</summary>
    public byte[] Read(long position, int count)
    {
        var bytes = new byte[count];
        Read(position, bytes);
        return bytes;
    }

    /// <summary>
    /// Elements of the file as a flat tensor over a private memory map: nothing is read before it is looked at, and what is
    /// written stays in memory. The map lives as long as its tensors; null where the position is no multiple of the element's
    /// size. A file that is cut while it is mapped ends the process, so that files that others write are better copied.
    /// </summary>
    public Tensor? Map(long position, long count, ScalarType type)
    {
        long size = type.ElementSize();
        if (count == 0 || position % size != 0)
            return null;
        if (position > Length - count * size)
            throw Cut(Length);
        if (!maps.TryGetValue(type, out var map))
            maps[type] = map = from_file(System.IO.Path.GetFullPath(Path), shared: false, size: Length / size, dtype: type, device: CPU).DetachFromDisposeScope();
        return map.narrow(0, position / size, count);
    }

    private UserError Cut(long position) => new($"'{Path}' ends at byte {position}, in the middle of its data", "copy or download it again");

    /// <summary>Fills a contiguous tensor on the CPU from the file; large ones by several threads.</summary>
    /// <param name="position">The first element, in bytes from the file's start.</param>
    /// <param name="type">How the file keeps the elements; the tensor is of its <see cref="StoredType.Type"/>.</param>
    /// <param name="target">Where they go.</param>
    /// <exception cref="OverflowException">An element is beyond the tensor's type.</exception>
    public unsafe void ReadInto(long position, StoredType type, Tensor target)
    {
        long count = target.numel();
        if (count == 0)
            return;
        using var scope = NewDisposeScope();
        // A span holds at most 2 GiB: the first element's gives the address of all.
        fixed (byte* start = target.view(-1).narrow(0, 0, 1).bytes)
        {
            var (address, size) = ((nint)start, target.ElementSize);
            long inPart = PartBytes / size;
            int parts = checked((int)((count + inPart - 1) / inPart));
            void ReadPart(int part)
            {
                long first = part * inPart, many = Math.Min(inPart, count - first);
                var memory = new Span<byte>((byte*)address + first * size, (int)(many * size));
                if (type.IsPlain)
                    Read(position + first * size, memory);
                else
                    type.Convert(Read(position + first * type.Bytes, (int)many * type.Bytes), memory);
            }
            if (parts == 1)
                ReadPart(0);
            else
                Run(parts, ReadPart);
        }
    }

    private static void Run(int parts, Action<int> read)
    {
        try
        {
            Parallel.For(0, parts, read);
        }
        catch (AggregateException e) when (e.InnerException is UserError or OverflowException)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e.InnerException);
        }
    }

    public void Dispose()
    {
        foreach (var map in maps.Values)
            map.Dispose();
        handle.Dispose();
    }
}
