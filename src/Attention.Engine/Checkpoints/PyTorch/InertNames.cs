namespace Attention.Engine.Checkpoints.PyTorch;

/// <summary>
/// Python's classes that training programs save beside the weights: arguments, configs, scalars of numpy. Their objects are
/// passed over, as <see cref="PickledObject"/>s without content. A name that is neither here nor a tensor's is refused, since
/// no file of weights needs it.
/// </summary>
internal static class InertNames
{
    private static readonly HashSet<string> builtins =
        ["set", "frozenset", "list", "dict", "tuple", "int", "float", "str", "bool", "complex", "bytes", "bytearray", "slice", "range", "xrange", "object", "unicode", "long"];

    private static readonly HashSet<string> names =
    [
        "argparse.Namespace", "types.SimpleNamespace", "collections.defaultdict", "collections.Counter", "collections.deque", "decimal.Decimal", "uuid.UUID",
        "copyreg._reconstructor", "copy_reg._reconstructor",
        "numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct",
        "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer", "numpy.dtype", "numpy.ndarray", "numpy.bool_", "numpy.int32", "numpy.int64", "numpy.float32", "numpy.float64",
        "torch.torch_version.TorchVersion", "torch.channels_last", "torch.contiguous_format", "torch.preserve_format", "torch.serialization._get_layout",
    ];

    /// <summary>Packages whose classes (which begin with a capital) are configs, enumerations and records of training programs.</summary>
    private static readonly HashSet<string> packages =
    [
        "datetime", "pathlib", "enum", "typing", "numpy.dtypes", "yacs", "omegaconf", "hydra", "easydict", "addict", "munch", "ml_collections", "fvcore", "iopath", "mmcv", "mmengine", "mmdet", "mmseg",
        "mmpretrain", "mmcls", "detectron2", "timm", "pytorch_lightning", "lightning", "lightning_fabric", "transformers", "fairseq", "__main__",
    ];

    public static bool Contains(string module, string name) => module switch
    {
        "builtins" or "__builtin__" => builtins.Contains(name),
        _ => names.Contains($"{module}.{name}") || IsClassOfPackage(module, name),
    };

    private static bool IsClassOfPackage(string module, string name)
    {
        bool isKnown = packages.Any(package => module == package || module.StartsWith(package + ".", StringComparison.Ordinal));
        // The classes of datetime are written in small letters.
        return isKnown && name.Length > 0 && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_')
            && (char.IsAsciiLetterUpper(name[0]) || module == "datetime");
    }
}
