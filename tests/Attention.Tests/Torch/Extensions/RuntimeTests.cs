using System.Numerics;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Extensions;

/// <summary>Random state, memory figures, threads, operators by name, hooks, and what is behind the library.</summary>
public sealed class RuntimeTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static float[] Values(Tensor tensor) => tensor.data<float>().ToArray();

    [Fact]
    public void RandomStateComesBack()
    {
        manual_seed(11);
        rand(3);
        // An odd number of normals leaves one in the generator.
        randn(1);
        var state = GeneratorState.Save();
        var expected = Values(randn(20));
        manual_seed(5);
        GeneratorState.Restore(state);
        Assert.Equal(expected, Values(randn(20)));
    }

    [Fact]
    public void ForeignRandomStateIsRefused()
    {
        var now = GeneratorState.Save();
        var error = Assert.Throws<UserError>(() => GeneratorState.Restore(new Dictionary<string, byte[]> { ["cpu"] = new byte[3] }));
        Assert.Contains("3 bytes", error.Message);
        error = Assert.Throws<UserError>(() => GeneratorState.Restore(new Dictionary<string, byte[]>(now) { ["cuda:77"] = now["cpu"] }));
        Assert.Contains("cuda:77", error.Message);
    }

    [Fact]
    public void MemoryFiguresFollowTensors()
    {
        long tensors = MemoryInfo.LiveTensors, before = MemoryInfo.Resident;
        using (var large = ones(16 << 20))
        {
            Assert.Equal(tensors + 1, MemoryInfo.LiveTensors);
            Assert.InRange(MemoryInfo.Resident - before, 60 << 20, 80 << 20);
            Assert.True(MemoryInfo.PeakResident >= MemoryInfo.Resident - (1 << 20));
        }
        Assert.Equal(tensors, MemoryInfo.LiveTensors);
        if (MemoryInfo.ResetPeak())
            Assert.InRange(MemoryInfo.PeakResident - MemoryInfo.Resident, -(4 << 20), 4 << 20);
    }

    [Fact]
    public void ThreadsAreSet()
    {
        int before = Threads.IntraOp;
        try
        {
            Threads.IntraOp = 1;
            Assert.Equal(1, Threads.IntraOp);
            Assert.Throws<ArgumentOutOfRangeException>(() => Threads.IntraOp = 0);
        }
        finally
        {
            Threads.IntraOp = before;
        }
    }

    [Fact]
    public void ComputeThreadRunsAllOnOneThread()
    {
        using var compute = new ComputeThread();
        var threads = Enumerable.Range(0, 20).AsParallel().WithDegreeOfParallelism(4)
            .Select(_ => compute.Run(() => Environment.CurrentManagedThreadId)).Distinct().ToArray();
        Assert.Single(threads);
        Assert.NotEqual(Environment.CurrentManagedThreadId, threads[0]);
        Assert.False(compute.IsCurrent);
        // Work given from the thread itself is done at once: waiting would never end.
        Assert.True(compute.Run(() => compute.Run(() => compute.IsCurrent)));
        Assert.Equal("body", Assert.Throws<InvalidOperationException>(() => compute.Run(() => throw new InvalidOperationException("body"))).Message);
        compute.Run(() => { });
    }

    [Fact]
    public void ComputeThreadHasADeepStack()
    {
        using var compute = new ComputeThread();
        compute.Run(() =>
        {
            using var step = NewDisposeScope();
            var x = ones(1).requires_grad_();
            var y = x;
            for (int i = 0; i < 20_000; i++)
                y = y + 1;
            y.backward();
            Assert.Equal(1, x.grad!.item<float>());
        });
    }

    [Fact]
    public void OperatorsAreCalledByName()
    {
        var x = tensor(new float[] { 3, 1, 2 });
        Assert.Equal([1f, 2, 3], Values((Tensor)AtenOperators.Call("sort", x, 0, false)[0]!));
        Assert.Equal([1L, 2, 0], ((Tensor)AtenOperators.Call("aten::sort", x)[1]!).data<long>().ToArray());
        Assert.Equal([6f, 2, 4], Values((Tensor)AtenOperators.Call("mul.Tensor", new Dictionary<string, object?> { ["other"] = tensor(2f), ["self"] = x })[0]!));
        // Without wrappers here: a list of tensors in and out, a list of numbers, a number out.
        var parts = (Tensor[])AtenOperators.Call("unsafe_split_with_sizes", x, new[] { 1, 2 })[0]!;
        Assert.Equal(2, parts.Length);
        Assert.Equal([3f, 1, 2], Values((Tensor)AtenOperators.Call("concat", new List<Tensor>(parts))[0]!));
        Assert.Equal(3L, AtenOperators.Call("size.int", x, 0)[0]);
        Assert.Equal(true, AtenOperators.Call("is_same_size", x, x)[0]);
        Assert.Equal([0f, 0, 0], Values((Tensor)AtenOperators.Call("zeros_like", new Dictionary<string, object?> { ["self"] = x, ["dtype"] = ScalarType.Float32 })[0]!));
        var complex = (Tensor)AtenOperators.Call("add.Scalar", zeros(1, dtype: ScalarType.ComplexFloat64), new Complex(1, 2))[0]!;
        Assert.Equal(new Complex(1, 2), complex.item<Complex>());
    }

    [Fact]
    public void UnknownOperatorsAreNamed()
    {
        Assert.True(AtenOperators.Exists("attention::grad_norm"));
        Assert.False(AtenOperators.Exists("no_such_operator"));
        Assert.Contains(AtenOperators.Schemas("add"), s => s.StartsWith("aten::add.Tensor(Tensor self"));
        Assert.Contains("no_such_operator", Assert.Throws<TorchException>(() => AtenOperators.Call("no_such_operator")).Message);
        Assert.Contains("aten::add.Tensor", Assert.Throws<TorchException>(() => AtenOperators.Call("add", ones(1), ones(1))).Message);
        Assert.Contains("'wrong'", Assert.Throws<TorchException>(() => AtenOperators.Call("sort", new Dictionary<string, object?> { ["wrong"] = 1 })).Message);
    }

    [Fact]
    public void HooksSeeAndChangeGradients()
    {
        var x = ones(2).requires_grad_();
        var seen = new List<float>();
        using (TensorHooks.Register(x, g => { seen.Add(g[0].item<float>()); return null; }))
        using (TensorHooks.Register(x, g => g * 10))
            (x * 3).sum().backward();
        Assert.Equal([3f], seen);
        Assert.Equal([30f, 30], Values(x.grad!));
        (x * 3).sum().backward();
        Assert.Single(seen);
        Assert.Equal([33f, 33], Values(x.grad!));
    }

    [Fact]
    public void HooksOutliveTheTensorObject()
    {
        var x = ones(2).requires_grad_();
        int calls = 0;
        Tensor loss;
        IDisposable hook;
        using (var inner = NewDisposeScope())
        {
            var y = x * 2;
            hook = TensorHooks.Register(y, _ => { calls++; return null; });
            loss = y.sum().MoveToOuterDisposeScope();
        }
        loss.backward();
        hook.Dispose();
        hook.Dispose();
        Assert.Equal(1, calls);
    }

    [Fact]
    public void BackendTellsWhatItIs()
    {
        Assert.Matches(@"^[12]\.\d+", Backend.Version);
        Assert.True(File.Exists(Backend.LibraryPath));
        Assert.Contains("libtorch", Backend.LibraryPath);
        Assert.True(File.Exists(Backend.NativePath));
        Assert.Contains("OpenMP", Backend.ParallelInfo);
        Assert.False(string.IsNullOrEmpty(Backend.Blas));
        Assert.True(Backend.CpuCapability is "DEFAULT" or "NO AVX" or "AVX2" or "AVX512", Backend.CpuCapability);
        Assert.NotEmpty(Backend.OpenMpLibraries);
    }
}
