using System.Numerics;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Core;

/// <summary>Making tensors, reading and writing their elements, and what they say when they are misused.</summary>
public sealed class TensorTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    // --- from and to .NET ------------------------------------------------------------------------

    private static void Holds<T>(Tensor tensor, ScalarType type, long[] shape, params T[] values) where T : unmanaged
    {
        Assert.Equal(type, tensor.dtype);
        Assert.Equal(shape, tensor.shape);
        Assert.Equal(values, tensor.data<T>().ToArray());
    }

    [Fact]
    public void ArraysOfEveryType()
    {
        Holds<bool>(tensor(new[] { true, false }), @bool, [2], true, false);
        Holds<byte>(tensor(new byte[] { 1, 255 }), uint8, [2], 1, 255);
        Holds<sbyte>(tensor(new sbyte[] { -1, 127 }), int8, [2], -1, 127);
        Holds<short>(tensor(new short[] { -1, 300 }), int16, [2], -1, 300);
        Holds<int>(tensor(new[] { -1, 70000 }), int32, [2], -1, 70000);
        Holds<long>(tensor(new[] { -1L, 1L << 40 }), int64, [2], -1, 1L << 40);
        Holds<float>(tensor(new[] { 0.5f, -2 }), float32, [2], 0.5f, -2);
        Holds<double>(tensor(new[] { 0.1, -2 }), float64, [2], 0.1, -2);
        Holds<Half>(tensor(new[] { (Half)0.5f, (Half)(-2) }), float16, [2], (Half)0.5f, (Half)(-2));
        Holds<BFloat16>(tensor(new[] { new BFloat16(0.5f), new BFloat16(-2) }), bfloat16, [2], new BFloat16(0.5f), new BFloat16(-2));
        Holds<(float, float)>(tensor(new[] { (1f, 2f) }), complex64, [1], (1, 2));
        Holds<Complex>(tensor(new[] { new Complex(1, -2) }), complex128, [1], new Complex(1, -2));
    }

    [Fact]
    public void NumbersOfEveryType()
    {
        Holds(tensor(true), @bool, [], true);
        Holds(tensor((byte)7), uint8, [], (byte)7);
        Holds(tensor((sbyte)-7), int8, [], (sbyte)-7);
        Holds(tensor((short)-7), int16, [], (short)-7);
        Holds(tensor(7), int32, [], 7);
        Holds(tensor(7L), int64, [], 7L);
        Holds(tensor(0.5f), float32, [], 0.5f);
        Holds(tensor(0.5), float64, [], 0.5);
        Holds(tensor(0.5, float32), float32, [], 0.5f);
        Holds(tensor(1f, 2f), complex64, [], (1f, 2f));
        Holds(3.ToTensor(), int32, [], 3);
    }

    [Fact]
    public void ArraysOfSeveralDimensions()
    {
        Holds<int>(tensor(new[,] { { 1, 2, 3 }, { 4, 5, 6 } }), int32, [2, 3], 1, 2, 3, 4, 5, 6);
        Holds<float>(tensor(new float[,,] { { { 1, 2 } }, { { 3, 4 } } }), float32, [2, 1, 2], 1, 2, 3, 4);
        Holds<long>(tensor(new long[1, 1, 1, 2]), int64, [1, 1, 1, 2], 0, 0);
        Holds<float>(tensor(new[] { 1f, 2, 3, 4, 5, 6 }, [3, 2]), float32, [3, 2], 1, 2, 3, 4, 5, 6);
        Holds<double>(tensor(new List<float> { 1, 2 }, float64), float64, [2], 1, 2);
        Holds<float>(tensor(Array.Empty<float>()), float32, [0]);
        var matrix = (int[,])arange(6, int32).reshape(2, 3).data<int>().ToNDArray();
        Assert.Equal(5, matrix[1, 2]);
    }

    [Fact]
    public void ElementsThatDoNotFillTheShape()
    {
        var e = Assert.Throws<ArgumentException>(() => tensor(new[] { 1f, 2 }, [3]));
        Assert.Contains("2 elements do not fill a tensor of shape (3)", e.Message);
    }

    [Fact]
    public void SharedMemoryIsSeenFromBothSides()
    {
        var array = new float[4];
        var shared = from_array(array);
        array[1] = 5;
        Assert.Equal(5, shared[1].item<float>());
        shared[2] = 7f;
        Assert.Equal(7, array[2]);

        var part = frombuffer(array, float32, 2, 1);
        part.mul_(2);
        Assert.Equal([0, 10, 14, 0], array);
        // The array stays in place while the tensor lives, whatever the collector does.
        array = null;
        GC.Collect();
        Assert.Equal(24, shared.sum().item<float>());
    }

    [Fact]
    public void CopiesAreNotShared()
    {
        var array = new[] { 1f, 2 };
        var copy = tensor(array);
        array[0] = 9;
        Assert.Equal(1, copy[0].item<float>());
    }

    [Fact]
    public void Conversions()
    {
        var x = tensor(new[] { 1.7f, -1.7f, 0 });
        Holds<long>(x.to(int64), int64, [3], 1, -1, 0);
        Holds<bool>(x.@bool(), @bool, [3], true, true, false);
        Holds<byte>(tensor(new[] { 255f, 3 }).@byte(), uint8, [2], 255, 3);
        Assert.Equal(1.7f, x.to(bfloat16).to(float32)[0].item<float>(), 0.01f);
        Assert.Equal(1.7f, x.half().@float()[0].item<float>(), 0.001f);
        Assert.Equal(float64, x.type(float64).dtype);
        Assert.Equal(int16, x.to(tensor((short)1)).dtype);
        var same = x.to(float32);
        same.fill_(3);
        Assert.Equal(3, x[0].item<float>());
        var copied = x.to(float32, copy: true);
        copied.fill_(4);
        Assert.Equal(3, x[0].item<float>());
    }

    [Fact]
    public void DisposeAfterConversion()
    {
        var x = ones(2);
        var same = x.to(float32, disposeAfter: true);
        Assert.True(x.IsInvalid);
        Assert.Equal(2, same.sum().item<float>());
        var changed = same.to(float64, disposeAfter: true);
        Assert.True(same.IsInvalid);
        Assert.Equal(2, changed.sum().item<double>());
    }

    [Fact]
    public void ItemNeedsTheElementsType()
    {
        Assert.Equal(3L, tensor(3L).item<long>());
        Assert.Contains("Int64, not Single", Assert.Throws<ArgumentException>(() => tensor(3L).item<float>()).Message);
        Assert.Throws<ArgumentException>(() => ones(2).item<float>());
        Assert.Throws<ArgumentException>(() => ones(2).data<int>());
        Assert.Equal(3f, tensor(3L).ToSingle());
        Assert.Equal(3, (int)tensor(3.9));
        Assert.Equal(ScalarType.Int64, tensor((byte)3).ToScalar().Type);
        Assert.Equal(new Complex(1, 2), tensor(1f, 2f).ToComplexFloat64());
    }

    [Fact]
    public void ElementsInOrderWhateverTheStrides()
    {
        var x = arange(6).reshape(2, 3).T;
        Assert.Equal([0L, 3, 1, 4, 2, 5], x.data<long>().ToArray());
        Assert.Equal([0L, 3, 1, 4, 2, 5], x.data<long>());
        var accessor = x.data<long>();
        Assert.Equal(5, accessor[2, 1]);
        accessor[2, 1] = 50;
        Assert.Equal(50, x[2, 1].item<long>());
        Assert.Throws<InvalidOperationException>(() => x.bytes.Length);
        Assert.Equal(48, x.contiguous().bytes.Length);
        Assert.Throws<IndexOutOfRangeException>(() => accessor[3, 0]);
    }

    [Fact]
    public void MetadataOfViews()
    {
        var x = arange(24).reshape(2, 3, 4);
        var view = x[1, .., 1..3];
        Assert.Equal([3L, 2], view.shape);
        Assert.Equal([4L, 1], view.stride());
        Assert.Equal(13, view.storage_offset());
        Assert.False(view.is_contiguous());
        Assert.Equal(3, view.size(-2));
        Assert.Equal(2, view.ndim);
        Assert.Equal(6, view.numel());
        Assert.Equal(8, view.element_size());
        Assert.Equal(24, x.storage<long>().Count);
        Assert.Equal(13, view.storage<long>()[13]);
    }

    [Fact]
    public void DefaultsOfCreation()
    {
        Assert.Equal(float32, zeros(2).dtype);
        Assert.Equal(int64, arange(3).dtype);
        Assert.Equal(int64, full(2, 3).dtype);
        Assert.Equal(@bool, full(2, true).dtype);
        Assert.Equal(float32, full(2, 3.5).dtype);
        Assert.True(zeros(2, requires_grad: true).requires_grad);
        try
        {
            set_default_dtype(float64);
            Assert.Equal(float64, zeros(2).dtype);
            Assert.Equal(float64, linspace(0, 1, 3).dtype);
        }
        finally
        {
            set_default_dtype(float32);
        }
        Assert.Throws<ArgumentException>(() => set_default_dtype(int32));
        var like = ones_like(zeros(2, 3, int32), float64);
        Holds<double>(like, float64, [2, 3], 1, 1, 1, 1, 1, 1);
        Assert.Equal("meta", zeros(1000000, 1000000, device: META).device.ToString());
    }

    [Fact]
    public void FloatingPointLimits()
    {
        Assert.Equal(float.MaxValue, finfo(float32).max);
        Assert.Equal(65504, finfo(float16).max);
        Assert.Equal(0.0078125, finfo(bfloat16).eps);
        Assert.Equal(64, finfo(float64).bits);
        Assert.Equal(127, max_int_value(int8));
        Assert.Equal(float32, promote_types(int64, float32));
        Assert.Equal(float32, result_type(zeros(2), tensor(1.0)));
        Assert.Equal(complex64, promote_types(complex64, float32));
        Assert.Equal([3L, 2, 5], broadcast_shapes([2, 1], [3, 1, 5]).Shape);
        Assert.Throws<ArgumentException>(() => broadcast_shapes([2], [3]));
    }

    // --- equality, printing, saving --------------------------------------------------------------

    [Fact]
    public void EqualMeansTheSameElements()
    {
        Tensor a = ones(2), b = ones(2);
        Assert.True(a.Equals(b));
        Assert.False(a.Equals(zeros(2)));
        Assert.False(a.Equals(ones(3)));
        Assert.True(a.allclose(b + 1e-7));
        Assert.True(a.equal(b).item<bool>());
        Assert.True((a == b).all().item<bool>());
    }

    [Fact]
    public void Printed()
    {
        var x = tensor(new[,] { { 1.5f, -2 }, { 30, 4.25f } });
        Assert.Equal("[2x2], type = Float32, device = cpu", x.ToString());
        Assert.Equal("[2x2], type = Float32, device = cpu\n 1.5   -2\n  30 4.25\n", x.jlstr(newLine: "\n"));
        Assert.Equal("[[1.5, -2]\n [30, 4.25]]", x.npstr(newLine: "\n"));
        Assert.Equal("[2x2], type = Float32, device = cpu, value = \nfloat [,] {\n {1.5f, -2f},\n {30f, 4.25f}\n}", x.cstr(newLine: "\n"));
        Assert.Equal("[], type = Int64, device = cpu, value = 7", tensor(7L).str());
        Assert.Equal("[0, 1, 2, ... 7, 8, 9]", arange(10).npstr());
        Assert.Equal("[1+2i, 3]", tensor(new[] { (1f, 2f), (3f, 0f) }).npstr());
        Assert.Equal("[True, False]", tensor(new[] { true, false }).npstr());
        Assert.Equal("[2x1x1], type = Int64, device = cpu\n[0,..,..] =\n 0\n\n[1,..,..] =\n 1\n", arange(2).reshape(2, 1, 1).str(newLine: "\n"));
    }

    [Fact]
    public void PrintOptions()
    {
        try
        {
            set_printoptions(precision: 2);
            Assert.Equal("[], type = Float64, device = cpu, value = 3.14", tensor(3.14159).str());
            set_printoptions(numpy, floatFormat: "g3", maxColumns: 2);
            Assert.Equal("[0, ... 3]", arange(4).str());
        }
        finally
        {
            set_printoptions(julia, "g5", 100, Environment.NewLine, 6, 6);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Int64)]
    [InlineData(ScalarType.Bool)]
    public void SavedAndLoaded(ScalarType type)
    {
        using var folder = new TemporaryFolder();
        var x = arange(6).reshape(2, 3).T.to(type);
        var path = Path.Combine(folder.Path, "tensor.dat");
        x.Save(path);
        Assert.True(x.Equals(Tensor.Load(path)));
        var archive = Path.Combine(folder.Path, "tensor.pt");
        save(x, archive);
        Assert.True(x.Equals(load(archive)));
    }

    [Fact]
    public void TheOfficialBinaryFormat()
    {
        using var stream = new MemoryStream();
        var writer = new BinaryWriter(stream);
        tensor(new short[] { 1, -1 }, [1, 2]).Save(writer);
        Assert.Equal([2, 2, 1, 2, 1, 0, 255, 255], stream.ToArray());
        stream.Position = 0;
        var target = zeros(1, 2, int16);
        target.Load(new BinaryReader(stream));
        Assert.Equal(-1, target[0, 1].item<short>());
        stream.Position = 0;
        Assert.Throws<ArgumentException>(() => zeros(2, int16).Load(new BinaryReader(stream)));
        stream.Position = 0;
        Assert.Throws<ArgumentException>(() => zeros(1, 2).Load(new BinaryReader(stream)));
        stream.Position = 0;
        stream.SetLength(6);
        Assert.Throws<EndOfStreamException>(() => target.Load(new BinaryReader(stream)));
    }

    // --- failures --------------------------------------------------------------------------------

    [Fact]
    public void FailuresCarryTheOperatorAndLibtorchsMessage()
    {
        var e = Assert.Throws<TorchException>(() => ones(2, 3).matmul(ones(2, 3)));
        Assert.StartsWith("aten::matmul: ", e.Message);
        Assert.Contains("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", e.Message);
        Assert.StartsWith("aten::add.Tensor: ", Assert.Throws<TorchException>(() => ones(2) + ones(3)).Message);
        Assert.DoesNotContain("Exception raised from", e.Message);
    }

    [Fact]
    public void WrongIndices()
    {
        var x = ones(2, 3);
        Assert.Contains("index 2 out of range", Assert.Throws<TorchException>(() => x[2]).Message);
        Assert.Throws<ArgumentException>(() => x[0, 0, 0]);
        Assert.Throws<ArgumentException>(() => x[TensorIndex.Ellipsis, TensorIndex.Ellipsis]);
        Assert.Contains("step must be positive", Assert.Throws<TorchException>(() => x[TensorIndex.Slice(step: -1)]).Message);
        Assert.Throws<TorchException>(() => x[tensor(new[] { true })]);
        Assert.Throws<ArgumentException>(() => x[tensor(new[] { 1f })]);
        Assert.Throws<TorchException>(() => x[0] = ones(2));
    }

    [Fact]
    public void ADisposedTensorIsNamed()
    {
        var weight = ones(2);
        weight.name = "weight";
        weight.Dispose();
        weight.Dispose();
        var e = Assert.Throws<ObjectDisposedException>(() => weight + 1);
        Assert.Contains("tensor 'weight' was used after it was disposed", e.Message);
        Assert.True(weight.IsInvalid);
        var unnamed = ones(2);
        unnamed.Dispose();
        Assert.Contains("a tensor was used after", Assert.Throws<ObjectDisposedException>(() => unnamed.shape).Message);
    }

    [Fact]
    public void DevicesThatAreNotThere()
    {
        Assert.Equal("cuda:1", new Device("cuda:1").ToString());
        Assert.Equal("cpu", ones(1).device.ToString());
        Assert.Throws<ArgumentException>(() => new Device("gpu"));
        Assert.Throws<ArgumentException>(() => new Device("cuda:x"));
        if (!cuda.is_available())
            Assert.Contains("no CUDA device", Assert.Throws<InvalidOperationException>(() => ones(2).cuda()).Message);
    }

    [Fact]
    public void ImplicitTensorsOfScalarsFail()
    {
        Scalar scalar = 3;
        Assert.Throws<InvalidOperationException>(() => { Tensor t = scalar; });
    }

    // --- memory ----------------------------------------------------------------------------------

    [Fact]
    public void AnAliasIsTheSameTensor()
    {
        var x = ones(2, requires_grad: true);
        var alias = x.alias();
        x.sum().backward();
        Assert.Equal([1f, 1], alias.grad!.data<float>());
        x.Dispose();
        Assert.Equal(2, alias.sum().ToSingle());
    }

    [Fact]
    public void ForgottenTensorsAreFreed()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = Tensor.TotalCount;
        var thread = new Thread(() =>
        {
            for (int i = 0; i < 100; i++)
                _ = ones(10);
        });
        thread.Start();
        thread.Join();
        Assert.Equal(before + 100, Tensor.TotalCount);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void ArgumentsOutliveTheirCall()
    {
        // Each operand is garbage as soon as its handle is read: the collector must wait for the call.
        var thread = new Thread(() =>
        {
            for (int i = 0; i < 300; i++)
            {
                var sum = cat([full(1000, 1f), full(1000, 2f)]).add(full(2000, 1f)).sum();
                if (i % 30 == 0)
                    GC.Collect();
                Assert.Equal(5000, sum.ToSingle());
            }
        });
        thread.Start();
        thread.Join();
    }
}
