using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints;

/// <summary>One tensor of a safetensors file.</summary>
/// <param name="Name">Its key.</param>
/// <param name="Type">Type of its elements.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Begin">First byte, from the end of the header.</param>
/// <param name="End">Byte after the last.</param>
public sealed record SafeTensorEntry(string Name, ScalarType Type, long[] Shape, long Begin, long End);

/// <summary>
/// Files of tensors by name: eight bytes of header length, a JSON header, then the tensors' bytes without gaps.
/// Reading maps the file, so that a tensor's bytes are touched only when it is read.
/// Format: Hugging Face, safetensors.
/// </summary>
public sealed class SafeTensors : IDisposable
{
    /// <summary>The format's own limit for the header.</summary>
    private const long MaxHeader = 100_000_000;

    private static readonly (string Name, ScalarType Type)[] types =
    [
        ("BOOL", ScalarType.Bool), ("U8", ScalarType.Byte), ("I8", ScalarType.Int8), ("I16", ScalarType.Int16),
        ("I32", ScalarType.Int32), ("I64", ScalarType.Int64), ("F16", ScalarType.Float16), ("BF16", ScalarType.BFloat16),
        ("F32", ScalarType.Float32), ("F64", ScalarType.Float64), ("C64", ScalarType.ComplexFloat32),
    ];

    private readonly string path;
    private readonly MemoryMappedFile map;
    private readonly MemoryMappedViewAccessor view;
    private readonly long dataStart;
    private readonly Dictionary<string, SafeTensorEntry> entries = [];

    private SafeTensors(string path)
    {
        this.path = path;
        long length = new FileInfo(path).Length;
        if (length < 8)
            throw Broken($"{length} bytes are too few for a header");
        map = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        view = map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        try
        {
            ulong header = view.ReadUInt64(0);
            if (header > MaxHeader)
                throw Broken($"a header of {header} bytes is over the limit of {MaxHeader}");
            dataStart = 8 + (long)header;
            if (dataStart > length)
                throw Broken($"the header says {header} bytes, the file has {length - 8} after it");
            var json = new byte[header];
            view.ReadArray(8, json, 0, json.Length);
            ReadHeader(json, length - dataStart);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The tensors, in the order of their bytes.</summary>
    public IEnumerable<SafeTensorEntry> Entries => entries.Values.OrderBy(entry => entry.Begin);

    /// <summary>Free text that the file carries.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; private set; } = new Dictionary<string, string>();

    /// <summary>Maps a file and checks its header.</summary>
    /// <exception cref="UserError">The file is missing, cut or not of the format.</exception>
    public static SafeTensors Open(string path)
    {
        if (!File.Exists(path))
            throw new UserError($"there is no checkpoint '{path}'", "check the path");
        return new SafeTensors(path);
    }

    private UserError Broken(string what) =>
        new($"'{path}' is not a whole safetensors file: {what}", "copy or download it again");

    private void ReadHeader(byte[] json, long dataLength)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json);
        }
        catch (JsonException e)
        {
            throw Broken($"its header is no JSON ({e.Message})");
        }
        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw Broken("its header is no JSON object");
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (property.Name == "__metadata__")
                    Metadata = ReadMetadata(property.Value);
                else if (!entries.TryAdd(property.Name, ReadEntry(property)))
                    throw Broken($"tensor '{property.Name}' is there twice");
            }
        }
        long position = 0;
        foreach (var entry in Entries)
        {
            if (entry.Begin != position)
                throw Broken($"tensor '{entry.Name}' begins at byte {entry.Begin}, {(entry.Begin < position ? "inside the one before" : "leaving a hole")} ({position} expected)");
            position = entry.End;
        }
        if (position != dataLength)
            throw Broken($"its tensors end at byte {position}, its data at {dataLength}");
    }

    private Dictionary<string, string> ReadMetadata(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object || element.EnumerateObject().Any(p => p.Value.ValueKind != JsonValueKind.String))
            throw Broken("its __metadata__ is not a map of text");
        return element.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString()!);
    }

    private SafeTensorEntry ReadEntry(JsonProperty property)
    {
        try
        {
            var value = property.Value;
            var typeName = value.GetProperty("dtype").GetString();
            var type = types.FirstOrDefault(t => t.Name == typeName);
            if (type.Name is null)
                throw Broken($"tensor '{property.Name}' has unknown dtype '{typeName}'");
            var shape = value.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64()).ToArray();
            var offsets = value.GetProperty("data_offsets").EnumerateArray().Select(o => o.GetInt64()).ToArray();
            if (offsets.Length != 2 || shape.Any(d => d < 0))
                throw Broken($"tensor '{property.Name}' has a wrong shape or wrong offsets");
            long bytes = checked(shape.Aggregate(1L, (product, size) => checked(product * size)) * type.Type.ElementSize());
            if (offsets[1] - offsets[0] != bytes || offsets[0] < 0)
                throw Broken($"tensor '{property.Name}' of shape ({string.Join(", ", shape)}) and dtype {typeName} needs {bytes} bytes, its offsets give {offsets[1] - offsets[0]}");
            return new SafeTensorEntry(property.Name, type.Type, shape, offsets[0], offsets[1]);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException or OverflowException)
        {
            throw Broken($"the entry of tensor '{property.Name}' is malformed");
        }
    }

    /// <summary>Copies a tensor out of the file.</summary>
    public Tensor Read(string name)
    {
        var tensor = empty(Entry(name).Shape, Entry(name).Type);
        ReadInto(name, tensor);
        return tensor;
    }

    /// <summary>Whether the file has a tensor of that name.</summary>
    public bool Contains(string name) => entries.ContainsKey(name);

    /// <summary>A tensor's entry.</summary>
    public SafeTensorEntry Entry(string name) =>
        entries.TryGetValue(name, out var entry) ? entry : throw Broken($"it has no tensor '{name}'");

    /// <summary>Copies a tensor's bytes over a contiguous CPU tensor of its shape and type.</summary>
    public unsafe void ReadInto(string name, Tensor target)
    {
        var entry = Entry(name);
        if (target.dtype != entry.Type || !target.shape.AsSpan().SequenceEqual(entry.Shape))
            throw Broken($"tensor '{name}' is {entry.Type} ({string.Join(", ", entry.Shape)}), not {target.dtype} ({string.Join(", ", target.shape)})");
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        try
        {
            // In parts: a span holds at most 2 GiB.
            start += view.PointerOffset + dataStart + entry.Begin;
            var flat = target.view(-1);
            long step = 1L << 28;
            for (long element = 0; element < flat.shape[0]; element += step)
            {
                long count = Math.Min(step, flat.shape[0] - element);
                using var part = flat.narrow(0, element, count);
                new ReadOnlySpan<byte>(start + element * target.ElementSize, checked((int)(count * target.ElementSize))).CopyTo(part.bytes);
            }
            flat.Dispose();
        }
        finally
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
    }

    /// <summary>Writes tensors by name, in the order given, to a stream.</summary>
    public static void Write(Stream stream, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var list = tensors.ToArray();
        using var header = new MemoryStream();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata)
                    json.WriteString(key, value);
                json.WriteEndObject();
            }
            long position = 0;
            foreach (var (name, tensor) in list)
            {
                var type = types.FirstOrDefault(t => t.Type == tensor.dtype);
                if (type.Name is null)
                    throw new ArgumentException($"tensor '{name}' of {tensor.dtype} cannot be written as safetensors");
                json.WriteStartObject(name);
                json.WriteString("dtype", type.Name);
                json.WriteStartArray("shape");
                foreach (long size in tensor.shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(position);
                json.WriteNumberValue(position += tensor.numel() * tensor.ElementSize);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        // Padded with spaces, so that the data is aligned.
        while (header.Length % 8 != 0)
            header.WriteByte((byte)' ');
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        header.WriteTo(stream);
        foreach (var (_, tensor) in list)
            WriteData(stream, tensor);
    }

    private static void WriteData(Stream stream, Tensor tensor)
    {
        using var scope = NewDisposeScope();
        var flat = tensor.detach().cpu().contiguous().view(-1);
        long step = 1L << 26;
        for (long element = 0; element < flat.shape[0]; element += step)
        {
            using var part = flat.narrow(0, element, Math.Min(step, flat.shape[0] - element));
            stream.Write(part.bytes);
        }
    }

    public void Dispose()
    {
        view?.Dispose();
        map?.Dispose();
    }
}
