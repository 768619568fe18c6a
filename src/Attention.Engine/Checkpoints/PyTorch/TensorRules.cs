using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints.PyTorch;

/// <summary>The names that a checkpoint of PyTorch needs: tensors of storages, and little else.</summary>
/// <param name="legacy">Whether persistent ids are those of the format before zip files.</param>
internal sealed class TensorRules(bool legacy) : IPickleRules
{
    private static readonly Dictionary<string, ScalarType> storageTypes = new()
    {
        ["FloatStorage"] = ScalarType.Float32,
        ["DoubleStorage"] = ScalarType.Float64,
        ["HalfStorage"] = ScalarType.Float16,
        ["BFloat16Storage"] = ScalarType.BFloat16,
        ["LongStorage"] = ScalarType.Int64,
        ["IntStorage"] = ScalarType.Int32,
        ["ShortStorage"] = ScalarType.Int16,
        ["CharStorage"] = ScalarType.Int8,
        ["ByteStorage"] = ScalarType.Byte,
        ["BoolStorage"] = ScalarType.Bool,
        ["ComplexFloatStorage"] = ScalarType.ComplexFloat32,
        ["ComplexDoubleStorage"] = ScalarType.ComplexFloat64,
        ["UntypedStorage"] = ScalarType.Byte,
    };

    private static readonly Dictionary<string, StoredType> types = new()
    {
        ["float32"] = StoredType.Of(ScalarType.Float32),
        ["float64"] = StoredType.Of(ScalarType.Float64),
        ["float16"] = StoredType.Of(ScalarType.Float16),
        ["bfloat16"] = StoredType.Of(ScalarType.BFloat16),
        ["int64"] = StoredType.Of(ScalarType.Int64),
        ["int32"] = StoredType.Of(ScalarType.Int32),
        ["int16"] = StoredType.Of(ScalarType.Int16),
        ["int8"] = StoredType.Of(ScalarType.Int8),
        ["uint8"] = StoredType.Of(ScalarType.Byte),
        ["bool"] = StoredType.Of(ScalarType.Bool),
        ["complex64"] = StoredType.Of(ScalarType.ComplexFloat32),
        ["complex128"] = StoredType.Of(ScalarType.ComplexFloat64),
        ["uint16"] = StoredType.UInt16,
        ["uint32"] = StoredType.UInt32,
        ["uint64"] = StoredType.UInt64,
        ["float8_e4m3fn"] = StoredType.Float8E4M3,
        ["float8_e5m2"] = StoredType.Float8E5M2,
        ["float8_e8m0fnu"] = StoredType.Float8E8M0,
    };

    private static readonly HashSet<string> callable =
    [
        "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
        "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch._tensor._rebuild_from_type_v2",
        "torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer",
        "collections.OrderedDict", "torch.Size", "torch.device", "_codecs.encode",
    ];

    private readonly Dictionary<string, PickledStorage> storages = [];

    /// <summary>The storages that the pickle spoke of, by key.</summary>
    public IReadOnlyDictionary<string, PickledStorage> Storages => storages;

    public bool Allows(PickleGlobal name) => name.IsInert || callable.Contains(name.ToString()) || StorageType(name) is not null || name.Module == "torch" && types.ContainsKey(name.Name);

    private static ScalarType? StorageType(object? value) =>
        value is PickleGlobal { Module: "torch" or "torch.storage" or "torch.cuda" } name && storageTypes.TryGetValue(name.Name, out var type) ? type : null;

    public object? Call(PickleGlobal name, object?[] arguments) => name.ToString() switch
    {
        "collections.OrderedDict" => OrderedDictionary(arguments),
        "torch.Size" when arguments is [object?[] sizes] => sizes,
        "torch.Size" when arguments is [List<object?> sizes] => sizes.ToArray(),
        "torch.device" when arguments is [string device, ..] => device,
        "_codecs.encode" when arguments is [string text, "latin1" or "latin-1"] => Encoding.Latin1.GetBytes(text),
        // (storage, offset, size, stride), with requires_grad, backward hooks and metadata in version 2.
        "torch._utils._rebuild_tensor" when arguments is [PickledStorage storage, var offset, var size, var stride] =>
            Tensor(storage, StoredType.Of(storage.Type), offset, size, stride),
        "torch._utils._rebuild_tensor_v2" when arguments is [PickledStorage storage, var offset, var size, var stride, bool, PickleDictionary or null, .. var metadata] && IsPlain(metadata) =>
            Tensor(storage, StoredType.Of(storage.Type), offset, size, stride),
        "torch._utils._rebuild_tensor_v3" when arguments is [PickledStorage storage, var offset, var size, var stride, bool, PickleDictionary or null, PickleGlobal { Module: "torch" } type, .. var metadata] && IsPlain(metadata) =>
            Tensor(storage, types.TryGetValue(type.Name, out var known) ? known : throw Wrong(name), offset, size, stride),
        "torch._utils._rebuild_parameter" when arguments is [PickledTensor tensor, bool, PickleDictionary or null] => tensor,
        "torch._utils._rebuild_parameter_with_state" when arguments is [PickledTensor tensor, bool, PickleDictionary or null, _] => tensor,
        // (function, type, its arguments, state): a tensor with attributes of Python.
        "torch._tensor._rebuild_from_type_v2" when arguments is [PickleGlobal function, PickleGlobal { Name: "Tensor" or "Parameter" or "Buffer" }, object?[] inner, _] && function != name => Call(function, inner),
        _ => throw Wrong(name),
    };

    private static PickleException Wrong(PickleGlobal name) => new($"its pickle calls {name} with wrong arguments");

    // Metadata says that a tensor is to be conjugated or negated.
    private static bool IsPlain(object?[] metadata) => metadata is [] or [null] || metadata is [PickleDictionary dictionary] && !dictionary.Items.Any();

    private static PickleDictionary OrderedDictionary(object?[] arguments)
    {
        var dictionary = new PickleDictionary();
        if (arguments is [List<object?> pairs])
            foreach (var pair in pairs)
                dictionary.Set(pair is List<object?> { Count: 2 } list && list[0] is string key ? key : throw new PickleException("its pickle has a malformed OrderedDict"), list[1]);
        else if (arguments is not [])
            throw new PickleException("its pickle has a malformed OrderedDict");
        return dictionary;
    }

    private static PickledTensor Tensor(PickledStorage storage, StoredType type, object? offset, object? size, object? stride)
    {
        if (offset is not long first || Numbers(size) is not { } shape || Numbers(stride) is not { } strides || shape.Length != strides.Length || first < 0)
            throw new PickleException("its pickle has a tensor without a proper size and stride");
        long bytes = storage.Count * storage.Type.ElementSize();
        try
        {
            // The product bounds what as_strided of a small storage claims to hold.
            _ = checked(shape.Aggregate(1L, (product, each) => checked(product * each)) * type.Bytes);
            if (checked((first + CheckpointReader.Extent(shape, strides)) * type.Bytes) > bytes)
                throw new PickleException($"its pickle has a tensor of shape {ShapeText.Of(shape)} and strides {ShapeText.Of(strides)} that reaches beyond its storage of {bytes} bytes");
        }
        catch (OverflowException)
        {
            throw new PickleException($"its pickle has a tensor of impossible shape {ShapeText.Of(shape)}");
        }
        return new PickledTensor(storage, type, first, shape, strides);
    }

    private static long[]? Numbers(object? value) =>
        value is object?[] tuple && tuple.Length <= 64 && tuple.All(each => each is >= 0L) ? [.. tuple.Select(each => (long)each!)] : null;

    public object? Persistent(object? id)
    {
        if (id is object?[] parts && parts is ["storage", var storageType, string key, string, long count, .. var view] && view.Length == (legacy ? 1 : 0)
            && StorageType(storageType) is { } type && count >= 0 && count <= long.MaxValue / 16)
        {
            if (legacy && view[0] is not null)
                throw new PickleException("a view of a storage, as PyTorch before 0.4 wrote them", refused: true);
            var storage = new PickledStorage(key, type, count);
            if (!storages.TryAdd(key, storage) && storages[key] != storage)
                throw new PickleException($"its pickle gives storage '{key}' two types or sizes");
            return storages[key];
        }
        throw new PickleException("its pickle has a persistent id that is no storage");
    }
}
