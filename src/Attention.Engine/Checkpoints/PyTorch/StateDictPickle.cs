using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints.PyTorch;

/// <summary>Writes the pickle of a state dict, in protocol 2 and with the few instructions that weights_only allows.</summary>
internal static class StateDictPickle
{
    /// <param name="stream">Takes the pickle.</param>
    /// <param name="tensors">The tensors by name.</param>
    /// <param name="storages">The same tensors, each once; its place is its storage's key.</param>
    public static void Write(Stream stream, IReadOnlyList<KeyValuePair<string, Tensor>> tensors, Tensor[] storages)
    {
        using var pickle = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        var keys = storages.Select((tensor, index) => (tensor, index)).ToDictionary(pair => (object)pair.tensor, pair => pair.index, ReferenceEqualityComparer.Instance);
        pickle.Write([0x80, 2]);
        OrderedDictionary(pickle);
        pickle.Write((byte)'(');
        foreach (var (name, tensor) in tensors)
        {
            Text(pickle, name);
            Tensor(pickle, tensor, keys[tensor]);
        }
        pickle.Write("u."u8);
    }

    private static void Tensor(BinaryWriter pickle, Tensor tensor, int key)
    {
        Global(pickle, "torch._utils", "_rebuild_tensor_v2");
        pickle.Write((byte)'(');
        pickle.Write((byte)'(');
        Text(pickle, "storage");
        Global(pickle, "torch", StorageName(tensor.dtype));
        Text(pickle, key.ToString(CultureInfo.InvariantCulture));
        Text(pickle, "cpu");
        Number(pickle, tensor.numel());
        pickle.Write("tQ"u8);
        Number(pickle, 0);
        Tuple(pickle, tensor.shape);
        Tuple(pickle, Strides(tensor.shape));
        pickle.Write((byte)0x89);
        OrderedDictionary(pickle);
        pickle.Write("tR"u8);
    }

    private static string StorageName(ScalarType type) => type switch
    {
        ScalarType.Float32 => "FloatStorage",
        ScalarType.Float64 => "DoubleStorage",
        ScalarType.Float16 => "HalfStorage",
        ScalarType.BFloat16 => "BFloat16Storage",
        ScalarType.Int64 => "LongStorage",
        ScalarType.Int32 => "IntStorage",
        ScalarType.Int16 => "ShortStorage",
        ScalarType.Int8 => "CharStorage",
        ScalarType.Byte => "ByteStorage",
        ScalarType.Bool => "BoolStorage",
        ScalarType.ComplexFloat32 => "ComplexFloatStorage",
        ScalarType.ComplexFloat64 => "ComplexDoubleStorage",
        _ => throw new ArgumentException($"a tensor of {type} cannot be written for PyTorch"),
    };

    private static long[] Strides(long[] shape)
    {
        var strides = new long[shape.Length];
        long stride = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= Math.Max(shape[i], 1);
        }
        return strides;
    }

    private static void OrderedDictionary(BinaryWriter pickle)
    {
        Global(pickle, "collections", "OrderedDict");
        pickle.Write(")R"u8);
    }

    private static void Global(BinaryWriter pickle, string module, string name) => pickle.Write(Encoding.ASCII.GetBytes($"c{module}\n{name}\n"));

    private static void Text(BinaryWriter pickle, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        pickle.Write((byte)'X');
        pickle.Write(bytes.Length);
        pickle.Write(bytes);
    }

    private static void Tuple(BinaryWriter pickle, long[] numbers)
    {
        pickle.Write((byte)'(');
        foreach (long number in numbers)
            Number(pickle, number);
        pickle.Write((byte)'t');
    }

    private static void Number(BinaryWriter pickle, long number)
    {
        if (number == (int)number)
        {
            pickle.Write((byte)'J');
            pickle.Write((int)number);
            return;
        }
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        pickle.Write([0x8a, 8]);
        pickle.Write(bytes);
    }
}
