using Microsoft.Win32.SafeHandles;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints;

/// <summary>
/// A file that is read at given positions, straight into a tensor's memory. A mapping would save no copy, since TorchSharp
/// cannot make a tensor over one, and a file cut while it is mapped would end the process instead of the reading.
/// </summary>
internal sealed class ByteSource : IDisposable
{
    private const int PartBytes = 16 << 20;

    private readonly SafeFileHandle handle;

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
                throw new UserError($"'{Path}' ends at byte {position}, in the middle of its data", "copy or download it again");
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

    /// <summary>Fills a contiguous tensor on the CPU; large ones by several threads.</summary>
    public unsafe void ReadInto(long position, Tensor target)
    {
        long length = target.numel() * target.ElementSize;
        if (length == 0)
            return;
        using var scope = NewDisposeScope();
        // A span holds at most 2 GiB: the first element's gives the address of all.
        fixed (byte* start = target.view(-1).narrow(0, 0, 1).bytes)
        {
            var address = (nint)start;
            int parts = checked((int)((length + PartBytes - 1) / PartBytes));
            void ReadPart(int part)
            {
                long offset = (long)part * PartBytes;
                Read(position + offset, new Span<byte>((byte*)address + offset, (int)Math.Min(PartBytes, length - offset)));
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
        catch (AggregateException e) when (e.InnerException is UserError error)
        {
            throw new UserError(error.Message, error.Advice, e);
        }
    }

    public void Dispose() => handle.Dispose();
}
