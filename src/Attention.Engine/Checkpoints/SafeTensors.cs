using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Attention.Engine.Runs;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints;

/// <summary>
/// Files of tensors by name: eight bytes of header length, a JSON header, then the tensors' bytes without gaps.
/// Opening reads the header alone; a tensor's bytes are touched only when it is read.
/// Format: Hugging Face, safetensors.
/// </summary>
public sealed class SafeTensors : CheckpointReader
{
    /// <summary>The format's own limit for the header.</summary>
    private const long MaxHeader = 100_000_000;

    private static readonly Dictionary<string, StoredType> types = new()
    {
        ["BOOL"] = StoredType.Of(ScalarType.Bool),
        ["U8"] = StoredType.Of(ScalarType.Byte),
        ["I8"] = StoredType.Of(ScalarType.Int8),
        ["I16"] = StoredType.Of(ScalarType.Int16),
        ["I32"] = StoredType.Of(ScalarType.Int32),
        ["I64"] = StoredType.Of(ScalarType.Int64),
        ["F16"] = StoredType.Of(ScalarType.Float16),
        ["BF16"] = StoredType.Of(ScalarType.BFloat16),
        ["F32"] = StoredType.Of(ScalarType.Float32),
        ["F64"] = StoredType.Of(ScalarType.Float64),
        ["C64"] = StoredType.Of(ScalarType.ComplexFloat32),
        ["U16"] = StoredType.UInt16,
        ["U32"] = StoredType.UInt32,
        ["U64"] = StoredType.UInt64,
        ["F8_E4M3"] = StoredType.Float8E4M3,
        ["F8_E5M2"] = StoredType.Float8E5M2,
        ["F8_E8M0"] = StoredType.Float8E8M0,
    };

    /// <summary>Types of the format with several elements in a byte, which no tensor here holds.</summary>
    private static readonly HashSet<string> packedTypes = ["F4", "F6_E2M3", "F6_E3M2"];

    private const int MaxDimensions = 64;

    private readonly ByteSource source;
    private readonly long dataStart;

    private SafeTensors(ByteSource source) : base(source.Path)
    {
        this.source = source;
        if (source.Length < 8)
            throw Broken($"{source.Length} bytes are too few for a header");
        ulong header = BinaryPrimitives.ReadUInt64LittleEndian(source.Read(0, 8));
        if (header > MaxHeader)
            throw Broken($"a header of {header} bytes is over the limit of {MaxHeader}");
        dataStart = 8 + (long)header;
        if (dataStart > source.Length)
            throw Broken($"the header says {header} bytes, the file has {source.Length - 8} after it");
        ReadHeader(source.Read(8, (int)header), source.Length - dataStart);
    }

    public override string Format => "safetensors";

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="UserError">The file is missing, cut or not of the format.</exception>
    public static SafeTensors Open(string path)
    {
        var source = ByteSource.Open(path);
        try
        {
            return new SafeTensors(source);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    private protected override UserError Broken(string what) =>
        new($"'{Path}' is not a whole safetensors file: {what}", "copy or download it again");

    private void ReadHeader(byte[] json, long dataLength)
    {
        JsonDocument document;
        try
        {
            // The parser looks at names only when they are asked for.
            _ = new UTF8Encoding(false, throwOnInvalidBytes: true).GetCharCount(json);
            document = JsonDocument.Parse(json);
        }
        catch (Exception e) when (e is JsonException or DecoderFallbackException)
        {
            throw Broken($"its header is no JSON ({e.Message})");
        }
        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw Broken("its header is no JSON object");
            if (json[0] != '{')
                throw Broken("its header does not begin with '{'");
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (property.Name == "__metadata__")
                    Metadata = ReadMetadata(property.Value);
                else
                    Add(ReadEntry(property));
            }
        }
        SortByPosition();
        long position = 0;
        foreach (var entry in Entries)
        {
            long begin = Locate(entry.Name).Position - dataStart;
            if (begin != position)
                throw Broken($"tensor '{entry.Name}' begins at byte {begin}, {(begin < position ? "inside the one before" : "leaving a hole")} ({position} expected)");
            position += entry.Bytes;
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

    private StoredTensor ReadEntry(JsonProperty property)
    {
        try
        {
            var value = property.Value;
            var typeName = value.GetProperty("dtype").GetString() ?? "";
            if (!types.TryGetValue(typeName, out var type))
                throw packedTypes.Contains(typeName)
                    ? new UserError($"tensor '{property.Name}' of '{Path}' has dtype {typeName}, which cannot be read here", "save it as F8_E5M2 or wider")
                    : Broken($"tensor '{property.Name}' has unknown dtype '{typeName}'");
            var shape = value.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64()).ToArray();
            var offsets = value.GetProperty("data_offsets").EnumerateArray().Select(o => o.GetInt64()).ToArray();
            if (offsets.Length != 2 || shape.Length > MaxDimensions || shape.Any(d => d < 0))
                throw Broken($"tensor '{property.Name}' has a wrong shape or wrong offsets");
            long bytes = checked(shape.Aggregate(1L, (product, size) => checked(product * size)) * type.Bytes);
            if (offsets[1] < offsets[0] || offsets[0] < 0 || offsets[1] - offsets[0] != bytes)
                throw Broken($"tensor '{property.Name}' of shape {ShapeText.Of(shape)} and dtype {typeName} needs {bytes} bytes, its offsets give {offsets[0]} to {offsets[1]}");
            return new StoredTensor(new CheckpointEntry(property.Name, type.Type, shape) { Stored = type }, source, dataStart + offsets[0]);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException or OverflowException)
        {
            throw Broken($"the entry of tensor '{property.Name}' is malformed");
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
                var type = types.FirstOrDefault(t => t.Value.IsPlain && t.Value.Type == tensor.dtype).Key
                    ?? throw new ArgumentException($"tensor '{name}' of {tensor.dtype} cannot be written as safetensors");
                json.WriteStartObject(name);
                json.WriteString("dtype", type);
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

    internal static void WriteData(Stream stream, Tensor tensor)
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

    /// <summary>The bytes that a tensor takes in a file.</summary>
    private static long Bytes(Tensor tensor) => tensor.numel() * tensor.ElementSize;

    /// <summary>
    /// Writes <c>model.safetensors</c> into a folder, or <c>model-00001-of-00002.safetensors</c> and so on with
    /// <c>model.safetensors.index.json</c> where the tensors take more than one shard holds.
    /// </summary>
    /// <param name="folder">Made where it is not there.</param>
    /// <param name="tensors">The tensors by name, in the order of the files.</param>
    /// <param name="shardBytes">The most that one file's tensors take; one larger tensor has a file of its own.</param>
    public static void WriteFolder(string folder, IEnumerable<KeyValuePair<string, Tensor>> tensors, long shardBytes = 5_000_000_000)
    {
        var shards = new List<List<KeyValuePair<string, Tensor>>> { new() };
        long total = 0, inShard = 0;
        foreach (var pair in tensors)
        {
            if (shards[^1].Count > 0 && inShard + Bytes(pair.Value) > shardBytes)
            {
                shards.Add([]);
                inShard = 0;
            }
            shards[^1].Add(pair);
            inShard += Bytes(pair.Value);
            total += Bytes(pair.Value);
        }
        Directory.CreateDirectory(folder);
        var metadata = new Dictionary<string, string> { ["format"] = "pt" };
        if (shards.Count == 1)
        {
            AtomicFile.Write(System.IO.Path.Combine(folder, "model.safetensors"), stream => Write(stream, shards[0], metadata));
            return;
        }
        string FileName(int shard) => string.Create(CultureInfo.InvariantCulture, $"model-{shard + 1:D5}-of-{shards.Count:D5}.safetensors");
        for (int i = 0; i < shards.Count; i++)
            AtomicFile.Write(System.IO.Path.Combine(folder, FileName(i)), stream => Write(stream, shards[i], metadata));
        AtomicFile.Write(System.IO.Path.Combine(folder, "model.safetensors.index.json"), stream =>
        {
            using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
            json.WriteStartObject();
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", total);
            json.WriteEndObject();
            json.WriteStartObject("weight_map");
            for (int i = 0; i < shards.Count; i++)
                foreach (var (name, _) in shards[i])
                    json.WriteString(name, FileName(i));
            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    public override void Dispose()
    {
        source.Dispose();
    }
}
