using System.Text.Json;
using Attention.Tests.Torch.Optim;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Extensions;

public sealed class FusedOptimizerTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static FusedOptimizer? Make(JsonElement entry, IEnumerable<FusedParameterGroup> groups)
    {
        var options = entry.GetProperty("options");
        if (options.Get("maximize", false) || options.Get("amsgrad", false))
            return null;
        return entry.GetProperty("optimizer").GetString() switch
        {
            "AdamW" => new FusedAdamW(groups, options.Get("beta1", 0.9), options.Get("beta2", 0.999), options.Get("eps", 1e-8)),
            "Adam" => new FusedAdam(groups, options.Get("beta1", 0.9), options.Get("beta2", 0.999), options.Get("eps", 1e-8)),
            "SGD" => new FusedSGD(groups, options.Get("momentum", 0.0), options.Get("dampening", 0.0), options.Get("nesterov", false)),
            _ => null,
        };
    }

    private static FusedParameterGroup Group(JsonElement entry, IEnumerable<Tensor> parameters) =>
        new(parameters.Select((p, i) => ($"p{i}", p)), entry.GetProperty("options").Get("lr", 0), entry.GetProperty("options").Get("weight_decay", 0));

    /// <summary>PyTorch's trajectories: fp32 through the CPU kernel, fp64 through the foreach backend.</summary>
    [Theory]
    [InlineData("AdamW", ScalarType.Float32, 2e-6)]
    [InlineData("AdamW", ScalarType.Float64, 1e-10)]
    [InlineData("Adam", ScalarType.Float32, 2e-6)]
    [InlineData("Adam", ScalarType.Float64, 1e-10)]
    [InlineData("SGD", ScalarType.Float32, 2e-6)]
    [InlineData("SGD", ScalarType.Float64, 1e-10)]
    public void FollowsPyTorch(string name, ScalarType dtype, double tolerance)
    {
        int cases = 0;
        foreach (var entry in Reference.Section("optimizers").EnumerateArray().Where(e => e.GetProperty("optimizer").GetString() == name))
        {
            var parameters = Trajectory.Start(dtype);
            using var optimizer = Make(entry, [Group(entry, parameters)]);
            if (optimizer is null)
                continue;
            cases++;
            int step = 0;
            foreach (var expected in entry.GetProperty("values").EnumerateArray())
            {
                // Gradients four times too large, and a scale that mends it.
                Trajectory.SetGradients(parameters, step++, scale: 4);
                optimizer.Step(gradScale: 0.25);
                Trajectory.AssertClose(expected.Doubles(), Trajectory.Values(parameters), tolerance);
            }
        }
        Assert.True(cases >= 2);
    }

    public static TheoryData<string> Optimizers => ["AdamW", "Adam", "SGD", "Nesterov", "PlainSGD", "Lion", "LAMB", "Adafactor", "Muon"];

    private static FusedOptimizer Make(string name, params FusedParameterGroup[] groups) => name switch
    {
        "AdamW" => new FusedAdamW(groups, 0.85, 0.97, 1e-6),
        "SGD" => new FusedSGD(groups, 0.9, 0.1),
        "Nesterov" => new FusedSGD(groups, 0.9, nesterov: true),
        "Adam" => new FusedAdam(groups, 0.85, 0.97, 1e-6),
        "Lion" => new FusedLion(groups, 0.85, 0.97),
        "LAMB" => new FusedLamb(groups, 0.85, 0.97),
        "Adafactor" => new FusedAdafactor(groups),
        "Muon" => new FusedMuon(groups),
        _ => new FusedSGD(groups, 0),
    };

    /// <summary>The CPU kernel against the foreach backend in fp64, on shapes around chunk and vector ends, in several layouts.</summary>
    [Theory]
    [MemberData(nameof(Optimizers))]
    public void KernelAgreesWithForeach(string name)
    {
        manual_seed(1);
        long[][] shapes = [[], [1], [3], [16], [17, 5], [32768], [32769], [3, 70001], [2, 8, 5, 7], [0]];
        var fast = shapes.Select(s => randn(s)).ToList();
        fast.Add(randn(6, 9).t());
        fast.Add(randn(2, 5, 7, 8).permute(0, 3, 1, 2));
        var slow = fast.Select(p => p.to_type(ScalarType.Float64)).ToList();
        using var a = Make(name, Groups(fast));
        using var b = Make(name, Groups(slow));
        for (int step = 0; step < 4; step++)
        {
            foreach (var (p, q) in fast.Zip(slow))
            {
                // Every other gradient is not in its parameter's layout.
                var grad = randn(p.shape);
                p.grad = step % 2 == 0 || p.ndim < 2 ? grad : grad.transpose(0, 1).contiguous().transpose(0, 1);
                q.grad = grad.to_type(ScalarType.Float64);
            }
            a.Step(0.5);
            b.Step(0.5);
            a.Groups[0].LearningRate = b.Groups[0].LearningRate *= 0.5;
        }
        foreach (var (p, q) in fast.Zip(slow))
            Assert.True(p.to_type(ScalarType.Float64).allclose(q, 1e-5, 1e-5));
    }

    private static FusedParameterGroup[] Groups(IReadOnlyList<Tensor> parameters)
    {
        var named = parameters.Select((p, i) => ($"layer.{i}", p.requires_grad_())).ToArray();
        return [new(named[..4], 0.1, 0.05), new(named[4..], 0.02)];
    }

    /// <summary>bf16 parameters keep fp32 state, and follow fp32 ones to their own precision.</summary>
    [Theory]
    [MemberData(nameof(Optimizers))]
    public void HalfPrecisionFollowsSingle(string name)
    {
        manual_seed(2);
        var single = randn(40).requires_grad_();
        var half = single.detach().to_type(ScalarType.BFloat16).requires_grad_();
        using var a = Make(name, new FusedParameterGroup([("w", single)], 0.01));
        using var b = Make(name, new FusedParameterGroup([("w", half)], 0.01));
        for (int step = 0; step < 3; step++)
        {
            var grad = randn(40).to_type(ScalarType.BFloat16);
            single.grad = grad.to_type(ScalarType.Float32);
            half.grad = grad;
            a.Step();
            b.Step();
        }
        Assert.True((single - half.to_type(ScalarType.Float32)).abs().max().item<float>() < 0.04);
        Assert.All(b.StateTensors().Where(s => !s.Name.EndsWith(".step")), s => Assert.Equal(ScalarType.Float32, s.Tensor.dtype));
    }

    /// <summary>A run that is saved and resumed gives the same bits as one that is not.</summary>
    [Theory]
    [MemberData(nameof(Optimizers))]
    public void ResumesToTheSameBits(string name)
    {
        var straight = Trajectory.Start(ScalarType.Float32);
        using var a = Make(name, GroupOf(straight));
        var first = Trajectory.Start(ScalarType.Float32);
        using var b = Make(name, GroupOf(first));
        Train(a, straight, 0, 5);
        Train(b, first, 0, 2);
        var resumed = first.Select(p => p.detach().clone().requires_grad_()).ToArray();
        var state = b.StateTensors().ToDictionary(s => s.Name, s => s.Tensor.clone());
        using var c = Make(name, GroupOf(resumed));
        c.LoadState(state);
        Train(c, resumed, 2, 5);
        foreach (var (x, y) in straight.Zip(resumed))
            Assert.Equal(x.detach().data<float>().ToArray(), y.detach().data<float>().ToArray());

        static FusedParameterGroup GroupOf(Tensor[] parameters) => new(parameters.Select((p, i) => ($"p{i}", p)), 0.05, 0.01);
        static void Train(FusedOptimizer optimizer, Tensor[] parameters, int from, int to)
        {
            for (int step = from; step < to; step++)
            {
                Trajectory.SetGradients(parameters, step);
                optimizer.Step();
            }
        }
    }

    [Fact]
    public void StateHasTheNamesOfTheParameters()
    {
        var parameter = ones(2).requires_grad_();
        using var optimizer = new FusedAdamW([new([("head.weight", parameter)], 0.1)]);
        Assert.Empty(optimizer.StateTensors());
        parameter.grad = ones(2);
        optimizer.Step();
        Assert.Equal(["head.weight.exp_avg", "head.weight.exp_avg_sq", "head.weight.step"], optimizer.StateTensors().Select(s => s.Name));
        Assert.Equal(1, optimizer.StateTensors().Last().Tensor.item<long>());
    }

    [Fact]
    public void ForeignStateIsNamed()
    {
        var parameter = ones(2).requires_grad_();
        parameter.grad = ones(2);
        using var optimizer = new FusedAdamW([new([("w", parameter)], 0.1)]);
        optimizer.Step();
        var state = optimizer.StateTensors().ToDictionary(s => s.Name, s => s.Tensor);
        var error = Assert.Throws<UserError>(() => optimizer.LoadState(new Dictionary<string, Tensor>(state) { ["x.exp_avg"] = ones(2) }));
        Assert.Contains("'x.exp_avg'", error.Message);
        error = Assert.Throws<UserError>(() => optimizer.LoadState(new Dictionary<string, Tensor>(state) { ["w.exp_avg"] = ones(3) }));
        Assert.Contains("(3), its parameter needs (2)", error.Message);
        error = Assert.Throws<UserError>(() => optimizer.LoadState(state.Where(s => s.Key != "w.exp_avg_sq").ToDictionary()));
        Assert.Contains("no 'w.exp_avg_sq'", error.Message);
    }

    /// <summary>A parameter without a gradient rests, and its bias correction starts with its own first gradient.</summary>
    [Fact]
    public void ParametersWithoutGradientRest()
    {
        var (a, b) = (ones(3).requires_grad_(), ones(3).requires_grad_());
        using var optimizer = new FusedAdamW([new([("a", a), ("b", b)], 0.1)]);
        a.grad = ones(3);
        optimizer.Step();
        Assert.Equal([1f, 1, 1], b.detach().data<float>().ToArray());
        b.grad = ones(3);
        optimizer.Step();
        // The first step of Adam has the length of the learning rate.
        Assert.Equal(0.9, b[0].item<float>(), 1e-6);
        Assert.Equal(0.8, a[0].item<float>(), 1e-6);
    }

    [Fact]
    public void BackwardNoticesChangedParameters()
    {
        var w = ones(3).requires_grad_();
        using var optimizer = new FusedAdamW([new([("w", w)], 0.1)]);
        var loss = (w * w).sum();
        w.grad = ones(3);
        optimizer.Step();
        Assert.Contains("modified by an inplace operation", Assert.ThrowsAny<Exception>(() => loss.backward()).Message);
    }

    [Fact]
    public void ZeroGradFreesGradients()
    {
        var w = ones(3).requires_grad_();
        (w * 2).sum().backward();
        Assert.NotNull(w.grad);
        using var optimizer = new FusedSGD([new([("w", w)], 0.1)]);
        optimizer.ZeroGrad();
        Assert.Null(w.grad);
    }

    [Fact]
    public void WrongArgumentsAreRefused()
    {
        var w = ones(3).requires_grad_();
        Assert.Contains("'w'", Assert.Throws<ArgumentException>(() => new FusedAdamW([new([("w", w), ("w", w)], 0.1)])).Message);
        Assert.Throws<ArgumentException>(() => new FusedSGD([new([("w", w)], 0.1)], nesterov: true));
    }

    [Fact]
    public void GradNormIsThatOfAllGradients()
    {
        manual_seed(3);
        var parameters = new[] { randn(100_001), randn(3, 4).t(), randn(5).to_type(ScalarType.BFloat16), randn(7, dtype: ScalarType.Float64), randn(2) };
        foreach (var p in parameters.Take(4))
            p.requires_grad_().grad = p.detach() * 2;
        var expected = Math.Sqrt(parameters.Take(4).Sum(p => (p.detach().to_type(ScalarType.Float64) * 2).pow(2).sum().item<double>()));
        // Twice a bf16 number is exact, so all parts agree to fp32's rounding of the inputs.
        Assert.Equal(expected, GradNorm.Total(parameters), expected * 1e-7);
        Assert.Equal(0, GradNorm.Total([randn(2)]));
        Assert.Equal(0.5, GradNorm.ClipScale(2, 1), 1e-5);
        Assert.Equal(1, GradNorm.ClipScale(0.1, 1));
    }

    [Fact]
    public void GradNormDoesNotDependOnThreads()
    {
        manual_seed(4);
        var parameter = randn(300_000);
        parameter.grad = randn(300_000);
        int threads = Threads.IntraOp;
        try
        {
            Threads.IntraOp = 1;
            double one = GradNorm.Total([parameter]);
            Threads.IntraOp = 3;
            Assert.Equal(one, GradNorm.Total([parameter]));
        }
        finally
        {
            Threads.IntraOp = threads;
        }
    }
}
