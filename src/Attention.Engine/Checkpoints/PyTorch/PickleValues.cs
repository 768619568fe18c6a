using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints.PyTorch;

// A pickle's values: null, bool, long, BigInteger, double, string, byte[], List<object?> for a list, object?[] for a tuple,
// and these.

/// <summary>A dictionary, in the order of its keys.</summary>
internal sealed class PickleDictionary
{
    private readonly OrderedDictionary<object, object?> items = [];

    public IEnumerable<KeyValuePair<object, object?>> Items => items;

    /// <summary>The later of two values of a key holds, as in Python.</summary>
    public void Set(object key, object? value) => items[key] = value;

    public object? Get(string key) => items.TryGetValue(key, out var value) ? value : null;
}

/// <summary>A Python name that the pickle mentions, one of the few that are allowed.</summary>
internal sealed record PickleGlobal(string Module, string Name)
{
    /// <summary>Whether its objects are passed over.</summary>
    public bool IsInert { get; } = InertNames.Contains(Module, Name);

    public override string ToString() => $"{Module}.{Name}";
}

/// <summary>An object of one of the <see cref="InertNames"/>: what it holds was passed over.</summary>
internal sealed class PickledObject(string type)
{
    public override string ToString() => type;
}

/// <summary>A block of memory that tensors share.</summary>
internal sealed record PickledStorage(string Key, ScalarType Type, long Count);

/// <summary>A tensor as the pickle describes it: a strided view of a storage.</summary>
internal sealed record PickledTensor(PickledStorage Storage, StoredType Type, long Offset, long[] Shape, long[] Strides);
