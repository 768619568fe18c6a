using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints;

/// <summary>One tensor of a checkpoint.</summary>
/// <param name="Name">Its key, without the prefixes of wrappers.</param>
/// <param name="Type">Type of its elements, as it is read.</param>
/// <param name="Shape">Its shape.</param>
public sealed record CheckpointEntry(string Name, ScalarType Type, long[] Shape)
{
    internal StoredType Stored { get; init; } = StoredType.Of(Type);

    /// <summary>The type in the file as PyTorch writes it: <c>float32</c>, <c>uint8</c>, <c>float8_e4m3fn</c>.</summary>
    public string TypeName => Stored.Name;

    /// <summary>Number of elements.</summary>
    public long Count => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>Bytes that its elements take in the file.</summary>
    public long Bytes => Count * Stored.Bytes;
}

/// <summary>Where a tensor's bytes are.</summary>
/// <param name="Entry">What it is.</param>
/// <param name="Source">The file.</param>
/// <param name="Position">Its first element, in bytes from the file's start.</param>
/// <param name="Strides">In elements; null where the elements lie in order.</param>
internal sealed record StoredTensor(CheckpointEntry Entry, ByteSource Source, long Position, long[]? Strides = null)
{
    /// <summary>Reads as many elements as a flat tensor of <see cref="CheckpointEntry.Type"/> holds.</summary>
    /// <param name="start">The first of them, in elements.</param>
    /// <param name="target">A contiguous tensor on the CPU.</param>
    public void Read(long start, Tensor target)
    {
        try
        {
            Source.ReadInto(Position + start * Entry.Stored.Bytes, Entry.Stored, target);
        }
        catch (OverflowException e)
        {
            throw new UserError($"tensor '{Entry.Name}' of '{Source.Path}' has {Entry.TypeName} values beyond {StoredType.Of(Entry.Type).Name}, in which they are read",
                "save it as int64", e);
        }
    }

    /// <summary>Its elements in the order of the file, flat: a view of the mapped file where that is possible.</summary>
    public Tensor Flat()
    {
        long count = Strides is null ? Entry.Count : CheckpointReader.Extent(Entry.Shape, Strides);
        if (Entry.Stored.IsPlain && Source.Map(Position, count, Entry.Type) is { } view)
            return view;
        var flat = empty([count], Entry.Type);
        Read(0, flat);
        return flat;
    }
}

/// <summary>
/// A checkpoint of any format, opened: its tensors are listed at once and each is read when it is asked for, from the file
/// straight into its place.
/// </summary>
public abstract class CheckpointReader : IDisposable
{
    /// <summary>What DataParallel, DistributedDataParallel and torch.compile put before every name.</summary>
    private static readonly string[] wrapperPrefixes = ["module.", "_orig_mod."];

    /// <summary>Elements that are converted at a time where type or device differ.</summary>
    private const long ConvertedAtOnce = 1 << 22;

    private Dictionary<string, StoredTensor> tensors = [];

    private protected CheckpointReader(string path) => Path = path;

    /// <summary>The file or folder.</summary>
    public string Path { get; }

    /// <summary>The format's name.</summary>
    public abstract string Format { get; }

    /// <summary>Free text that the checkpoint carries.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; private protected set; } = new Dictionary<string, string>();

    /// <summary>The <c>config.json</c> of a Hugging Face folder; null elsewhere.</summary>
    public HuggingFaceConfig? Config { get; private set; }

    /// <summary>The part of a nested checkpoint whose tensors these are, such as <c>model_ema</c>; null where nothing is nested.</summary>
    public string? Part { get; private protected set; }

    /// <summary>What else the checkpoint holds beside these tensors.</summary>
    public IReadOnlyList<string> OtherParts { get; private protected set; } = [];

    /// <summary>The tensors, in the order of the file.</summary>
    public IEnumerable<CheckpointEntry> Entries => tensors.Values.Select(tensor => tensor.Entry);

    /// <summary>
    /// Opens a file (<c>.safetensors</c>, or <c>.pth</c>, <c>.pt</c>, <c>.bin</c> and <c>.ckpt</c> of PyTorch, told by its first
    /// bytes) or a folder with one, whole or in shards.
    /// </summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="part">Which part of a nested PyTorch file, such as <c>model</c>; null for the averaged weights where there are
    /// some, else the weights.</param>
    /// <exception cref="UserError">The file is missing, broken, of another format, or asks for code to be run.</exception>
    public static CheckpointReader Open(string path, string? part = null)
    {
        var reader = Directory.Exists(path) ? OpenFolder(path, part) : OpenFile(path, part);
        reader.StripWrapperPrefixes();
        return reader;
    }

    private static CheckpointReader OpenFile(string path, string? part) =>
        PyTorchFile.Is(path) ? PyTorchFile.Open(path, part)
        : part is null ? SafeTensors.Open(path)
        : throw new UserError($"'{path}' has no part '{part}': it is not a nested file of PyTorch", "leave the part away");

    private static CheckpointReader OpenFolder(string folder, string? part)
    {
        string In(string name) => System.IO.Path.Combine(folder, name);
        foreach (var name in (string[])["model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.safetensors"])
        {
            if (!File.Exists(In(name)) && !File.Exists(In(name + ".index.json")))
                continue;
            var config = File.Exists(In("config.json")) ? HuggingFaceConfig.Load(In("config.json")) : null;
            var reader = File.Exists(In(name)) ? OpenFile(In(name), part) : new ShardedCheckpoint(In(name + ".index.json"));
            reader.Config = config;
            return reader;
        }
        throw new UserError($"folder '{folder}' holds no checkpoint", "it should have model.safetensors or pytorch_model.bin, whole or in shards with an .index.json");
    }

    private protected void Add(StoredTensor tensor)
    {
        if (!tensors.TryAdd(tensor.Entry.Name, tensor))
            throw Broken($"tensor '{tensor.Entry.Name}' is there twice");
    }

    private protected void SortByPosition() => tensors = tensors.OrderBy(pair => pair.Value.Position).ThenBy(pair => pair.Value.Entry.Count).ToDictionary();

    private protected abstract UserError Broken(string what);

    internal StoredTensor Locate(string name) =>
        tensors.TryGetValue(name, out var tensor) ? tensor : throw Broken($"it has no tensor '{name}'");

    // PyTorch's averaged models count their steps beside the wrapped model.
    private void StripWrapperPrefixes()
    {
        while (wrapperPrefixes.FirstOrDefault(prefix => tensors.Keys.Any(name => name.StartsWith(prefix, StringComparison.Ordinal))
                   && tensors.Keys.All(name => name == "n_averaged" || name.StartsWith(prefix, StringComparison.Ordinal))) is { } prefix)
        {
            var wrapped = tensors.Values.Where(tensor => tensor.Entry.Name != "n_averaged").ToArray();
            tensors = [];
            foreach (var tensor in wrapped)
                Add(tensor with { Entry = tensor.Entry with { Name = tensor.Entry.Name[prefix.Length..] } });
        }
    }

    /// <summary>Whether there is a tensor of that name.</summary>
    public bool Contains(string name) => tensors.ContainsKey(name);

    /// <summary>What is known of a tensor without reading it.</summary>
    public CheckpointEntry Entry(string name) => Locate(name).Entry;

    /// <summary>
    /// A tensor with its type and strides. It views the file by a private memory map: its bytes are read when they are looked
    /// at, and what is written to it goes to memory alone, never to the file. It stays valid when the reader is disposed.
    /// </summary>
    public Tensor Read(string name)
    {
        var stored = Locate(name);
        using var flat = stored.Flat();
        return stored.Strides is null ? flat.view(stored.Entry.Shape) : flat.as_strided(stored.Entry.Shape, stored.Strides, flat.storage_offset());
    }

    /// <summary>
    /// Copies a tensor over another of its shape, converting type and device. Where neither differs the bytes go from the file
    /// into the target; where they do, through a buffer of a few megabytes.
    /// </summary>
    /// <exception cref="UserError">The shapes differ.</exception>
    public void CopyTo(string name, Tensor target)
    {
        var stored = Locate(name);
        if (!target.shape.AsSpan().SequenceEqual(stored.Entry.Shape))
            throw new UserError($"'{name}' is {ShapeText.Of(target.shape)} in the model and {ShapeText.Of(stored.Entry.Shape)} in '{Path}'",
                "use the checkpoint with the model that it was made for");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (stored.Strides is not null || !target.is_contiguous())
            target.copy_(Read(name));
        else if (target.dtype == stored.Entry.Type && target.device_type == DeviceType.CPU)
            stored.Read(0, target);
        else
            Convert(stored, target.view(-1));
    }

    private static void Convert(StoredTensor stored, Tensor target)
    {
        long count = target.shape[0];
        using var buffer = empty([Math.Min(count, ConvertedAtOnce)], stored.Entry.Type);
        for (long start = 0; start < count; start += ConvertedAtOnce)
        {
            using var part = buffer.narrow(0, 0, Math.Min(ConvertedAtOnce, count - start));
            stored.Read(start, part);
            using var place = target.narrow(0, start, part.shape[0]);
            place.copy_(part);
        }
    }

    /// <summary>Elements from a strided tensor's first to its last, both counted.</summary>
    internal static long Extent(long[] shape, long[] strides) =>
        shape.Contains(0) ? 0 : checked(1 + shape.Zip(strides, (size, stride) => checked((size - 1) * stride)).Sum());

    public abstract void Dispose();
}

/// <summary>Shapes in messages.</summary>
internal static class ShapeText
{
    public static string Of(long[] shape) => $"({string.Join(", ", shape)})";
}
