using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Numerics;
using Attention.Engine.Checkpoints.PyTorch;
using Attention.Engine.Runs;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints;

/// <summary>
/// Files of <c>torch.save</c>: zip files with a pickle and one file for each storage, and the format before PyTorch 1.6. The
/// pickle is read as data by <see cref="Unpickler"/> and nothing is ever run: arguments and configs of training programs are
/// passed over, and whatever else goes beyond tensors, dictionaries, lists, numbers and text is named and refused.
/// </summary>
public sealed class PyTorchFile : CheckpointReader
{
    /// <summary>Keys under which training programs nest a state dict, the first that is there holds: averaged weights go first, as in timm.</summary>
    private static readonly string[] stateKeys =
    [
        "state_dict_ema", "model_ema", "ema_state_dict", "ema", "params_ema", "g_ema",
        "state_dict", "model_state_dict", "model_state", "model", "module", "params", "network", "net", "weights", "teacher",
    ];

    private const string RefusedAdvice = "nothing of it was run; where you trust it, load it in Python and save its weights alone: torch.save(model.state_dict(), FILE)";
    private const int MaxNesting = 4;

    // torch.serialization's MAGIC_NUMBER and PROTOCOL_VERSION.
    private static readonly BigInteger legacyMagic = BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    private const long LegacyVersion = 1001;

    private readonly ByteSource source;
    private readonly Dictionary<string, long> positions = [];
    private readonly bool isZip;

    private PyTorchFile(ByteSource source, string? part) : base(source.Path)
    {
        this.source = source;
        isZip = IsZip(source);
        try
        {
            AddTensors(isZip ? ReadZip() : ReadLegacy(), part);
        }
        catch (PickleException e)
        {
            throw e.Refused ? new UserError($"'{Path}' holds {e.Message}, which is no part of a plain checkpoint: refused", RefusedAdvice, e) : Broken(e.Message);
        }
    }

    public override string Format => isZip ? "PyTorch" : "PyTorch before 1.6";

    /// <summary>Opens a file and reads its pickle, not its tensors.</summary>
    /// <param name="path">The file.</param>
    /// <param name="part">The key of the state dict in a nested file; null for the usual ones.</param>
    /// <exception cref="UserError">The file is missing, broken, or holds what is refused.</exception>
    public static new PyTorchFile Open(string path, string? part = null)
    {
        var source = ByteSource.Open(path);
        try
        {
            return new PyTorchFile(source, part);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Whether a file begins like one of PyTorch's, or is called like one.</summary>
    internal static bool Is(string path)
    {
        using var source = ByteSource.Open(path);
        return IsZip(source) || source.Length >= 2 && source.Read(0, 2) is [0x80, <= 5]
            || System.IO.Path.GetExtension(path) is ".pth" or ".pt" or ".bin" or ".ckpt" or ".tar";
    }

    private static bool IsZip(ByteSource source) => source.Length >= 4 && source.Read(0, 4) is [(byte)'P', (byte)'K', 3 or 5, 4 or 6];

    private protected override UserError Broken(string what) => new($"'{Path}' is not a whole PyTorch file: {what}", "copy or download it again");

    // --- the two formats -----------------------------------------------------------------------------

    private object? ReadZip()
    {
        var zip = new ZipDirectory(source);
        var pickles = zip.Names.Where(name => name == "data.pkl" || name.EndsWith("/data.pkl", StringComparison.Ordinal)).ToArray();
        if (pickles.Length != 1)
            throw new UserError($"'{Path}' is a zip file, but not one of torch.save: it has {(pickles.Length == 0 ? "no" : "more than one")} data.pkl", "give a file that torch.save wrote");
        var root = pickles[0][..^"data.pkl".Length];
        if (zip.Names.Contains(root + "constants.pkl"))
            throw new UserError($"'{Path}' holds a TorchScript program, not weights alone: refused",
                "nothing of it was run; in Python, torch.save(torch.jit.load(FILE).state_dict(), ANOTHER) gives its weights");
        if (zip.Find(root + "byteorder") is { } order && !zip.Read(order, 16).AsSpan().SequenceEqual("little"u8))
            throw new UserError($"'{Path}' was written on a big-endian machine", "load and save it again on a usual one");

        var rules = new TensorRules(legacy: false);
        var value = new Unpickler(new MemoryStream(zip.Read(zip.Find(pickles[0])!, Unpickler.MaxLength)), rules).Read();
        foreach (var storage in rules.Storages.Values)
        {
            var entry = zip.Find($"{root}data/{storage.Key}") ?? throw Broken($"storage '{storage.Key}' is missing");
            long bytes = storage.Count * storage.Type.ElementSize();
            if (entry.Length != bytes)
                throw Broken($"storage '{storage.Key}' should have {bytes} bytes and has {entry.Length}");
            positions.Add(storage.Key, entry.Position);
        }
        return value;
    }

    // Five pickles (a magic number, a version, facts of the machine, the value, the storages' keys), then each storage with its length.
    private object? ReadLegacy()
    {
        using var stream = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        var rules = new TensorRules(legacy: true);
        object? Next() => new Unpickler(stream, rules).Read();
        if (source.Length < 2 || source.Read(0, 2)[0] != 0x80)
            throw new UserError($"'{Path}' is no file of torch.save", "give a .pth, .pt or .bin file, or a .safetensors file");
        if (Next() is not BigInteger magic || magic != legacyMagic || Next() is not LegacyVersion)
            throw new UserError($"'{Path}' is a pickle, but not one of torch.save", "give a file that torch.save wrote");
        if (Next() is not PickleDictionary machine || machine.Get("little_endian") is not true)
            throw new UserError($"'{Path}' was written on a big-endian machine", "load and save it again on a usual one");
        var value = Next();
        if (Next() is not List<object?> keys)
            throw Broken("it has no list of storages");
        long position = stream.Position;
        foreach (var key in keys)
        {
            if (key is not string name || !rules.Storages.TryGetValue(name, out var storage))
                throw Broken($"no tensor is in its storage '{key}'");
            if (position > source.Length - 8)
                throw Broken($"it ends before storage '{name}'");
            long bytes = storage.Count * storage.Type.ElementSize();
            long count = BinaryPrimitives.ReadInt64LittleEndian(source.Read(position, 8));
            if (count != storage.Count || bytes > source.Length - position - 8)
                throw Broken($"storage '{name}' should have {bytes} bytes and has {(count != storage.Count ? count * storage.Type.ElementSize() : source.Length - position - 8)}");
            if (!positions.TryAdd(name, position + 8))
                throw Broken($"storage '{name}' is there twice");
            position += 8 + bytes;
        }
        foreach (var missing in rules.Storages.Keys.Except(positions.Keys))
            throw Broken($"storage '{missing}' is missing");
        return value;
    }

    // --- the state dict --------------------------------------------------------------------------------

    private void AddTensors(object? root, string? part)
    {
        if (root is not PickleDictionary dictionary)
            throw new UserError($"'{Path}' holds {(root is PickledTensor ? "one tensor" : "no dictionary")}, not tensors by name", "save a state dict: torch.save(model.state_dict(), FILE)");
        var (state, path) = part is null ? Unwrap(dictionary, [], [dictionary]) : Follow(dictionary, part);
        if (!HasTensors(state) && (path.Length > 0 || dictionary.Items.Any()))
            throw new UserError($"'{Path}' has no tensors by name where they are usually; it holds {Keys(state)}", "name the part that holds them");
        Part = path.Length == 0 ? null : string.Join('.', path);
        OtherParts = [.. dictionary.Items.Where(item => path.Length == 0 ? item.Value is not PickledTensor : !path[0].Equals(item.Key)).Select(item => KeyText(item.Key))];
        foreach (var (key, value) in state.Items)
            if (value is PickledTensor tensor)
                Add(Stored(KeyText(key), tensor));
    }

    // A state dict holds no dictionaries: where there is one with tensors, tensors beside it are such things as the best accuracy.
    private static (PickleDictionary State, string[] Path) Unwrap(PickleDictionary dictionary, string[] path, HashSet<PickleDictionary> seen)
    {
        if (path.Length < MaxNesting)
            foreach (var key in stateKeys)
                if (dictionary.Get(key) is PickleDictionary inner && seen.Add(inner) && Unwrap(inner, [.. path, key], seen) is var found && HasTensors(found.State))
                    return found;
        return (dictionary, path);
    }

    private (PickleDictionary State, string[] Path) Follow(PickleDictionary dictionary, string part)
    {
        var path = part.Split('.');
        foreach (var key in path)
            dictionary = dictionary.Get(key) as PickleDictionary
                ?? throw new UserError($"'{Path}' has no part '{part}'; it holds {Keys(dictionary)}", "choose one of them");
        return (dictionary, path);
    }

    private static bool HasTensors(PickleDictionary dictionary) => dictionary.Items.Any(item => item.Value is PickledTensor && item.Key is string);

    private static string Keys(PickleDictionary dictionary) => dictionary.Items.Any()
        ? string.Join(", ", dictionary.Items.Take(8).Select(item => KeyText(item.Key))) + (dictionary.Items.Skip(8).Any() ? ", ..." : "") : "nothing";

    private static string KeyText(object key) => Convert.ToString(key, CultureInfo.InvariantCulture)!;

    private StoredTensor Stored(string name, PickledTensor tensor) => new(
        new CheckpointEntry(name, tensor.Type.Type, tensor.Shape) { Stored = tensor.Type }, source,
        positions[tensor.Storage.Key] + tensor.Offset * tensor.Type.Bytes, IsInOrder(tensor) ? null : tensor.Strides);

    private static bool IsInOrder(PickledTensor tensor)
    {
        long expected = 1;
        for (int i = tensor.Shape.Length - 1; i >= 0; i--)
        {
            if (tensor.Shape[i] == 0)
                return true;
            if (tensor.Shape[i] != 1 && tensor.Strides[i] != expected)
                return false;
            expected *= tensor.Shape[i];
        }
        return true;
    }

    // --- writing -------------------------------------------------------------------------------------

    /// <summary>
    /// Writes a state dict that <c>torch.load(FILE, weights_only=True)</c> reads, under a temporary name and renamed.
    /// A tensor that is there under two names is written once.
    /// </summary>
    public static void Write(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        var list = tensors.ToArray();
        var storages = list.Select(pair => pair.Value).Distinct(ReferenceEqualityComparer.Instance).Cast<Tensor>().ToArray();
        AtomicFile.Write(path, stream =>
        {
            using var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
            WriteEntry(zip, "archive/data.pkl", entry => StateDictPickle.Write(entry, list, storages));
            WriteEntry(zip, "archive/byteorder", entry => entry.Write("little"u8));
            for (int i = 0; i < storages.Length; i++)
                WriteEntry(zip, string.Create(CultureInfo.InvariantCulture, $"archive/data/{i}"), entry => SafeTensors.WriteData(entry, storages[i]));
            WriteEntry(zip, "archive/version", entry => entry.Write("3\n"u8));
        });
    }

    private static void WriteEntry(ZipArchive zip, string name, Action<Stream> write)
    {
        using var stream = zip.CreateEntry(name, CompressionLevel.NoCompression).Open();
        write(stream);
    }

    public override void Dispose() => source.Dispose();
}
