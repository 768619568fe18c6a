using System.Text.Json;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace Attention.Tests.Torch.Optim;

/// <summary>torch.optim against PyTorch's trajectories (reference.json), and what optimizers have in common.</summary>
public sealed class OptimizerTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static Parameter[] Start(ScalarType dtype = ScalarType.Float64) => Trajectory.Start(dtype).Select(t => new Parameter(t.detach().clone())).ToArray();

    private static OptimizerHelper Make(string name, JsonElement o, IEnumerable<Parameter> p)
    {
        double lr = o.Get("lr", 0), eps = o.Get("eps", name == "Adadelta" ? 1e-6 : name == "Adagrad" ? 1e-10 : 1e-8), decay = o.Get("weight_decay", 0);
        double beta1 = o.Get("beta1", 0.9), beta2 = o.Get("beta2", 0.999);
        bool maximize = o.Get("maximize", false), amsgrad = o.Get("amsgrad", false);
        return name switch
        {
            "SGD" => optim.SGD(p, lr, o.Get("momentum", 0.0), o.Get("dampening", 0.0), decay, o.Get("nesterov", false), maximize),
            "Adam" => optim.Adam(p, lr, beta1, beta2, eps, decay, amsgrad, maximize),
            "AdamW" => optim.AdamW(p, lr, beta1, beta2, eps, decay, amsgrad, maximize),
            "Adagrad" => optim.Adagrad(p, lr, o.Get("lr_decay", 0), decay, o.Get("initial_accumulator_value", 0), eps),
            "Adadelta" => optim.Adadelta(p, lr, o.Get("rho", 0.9), eps, decay, maximize),
            "Adamax" => optim.Adamax(p, lr, beta1, beta2, eps, decay),
            "NAdam" => optim.NAdam(p, lr, beta1, beta2, eps, decay, o.Get("momentum_decay", 0.004)),
            "RAdam" => optim.RAdam(p, lr, beta1, beta2, eps, decay),
            "RMSProp" => optim.RMSProp(p, lr, o.Get("alpha", 0.99), eps, decay, o.Get("momentum", 0.0), o.Get("centered", false), maximize),
            "ASGD" => optim.ASGD(p, lr, o.Get("lambd", 1e-4), o.Get("alpha", 0.75), o.Get("t0", 1e6), decay, maximize),
            "Rprop" => optim.Rprop(p, lr, o.Get("etaminus", 0.5), o.Get("etaplus", 1.2), o.Get("min_step", 1e-6), o.Get("max_step", 50), maximize),
            _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such optimizer"),
        };
    }

    private static IEnumerable<JsonElement> Cases => Reference.Section("optimizers").EnumerateArray();

    public static TheoryData<string, string> Trajectories
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var entry in Cases)
                data.Add(entry.GetProperty("optimizer").GetString()!, entry.GetProperty("options").GetRawText());
            return data;
        }
    }

    public static TheoryData<string> Names => new(Cases.Select(c => c.GetProperty("optimizer").GetString()!).Distinct());

    [Theory]
    [MemberData(nameof(Trajectories))]
    public void FollowsPyTorch(string name, string options)
    {
        var entry = Cases.Single(c => c.GetProperty("optimizer").GetString() == name && c.GetProperty("options").GetRawText() == options);
        foreach (var (dtype, tolerance) in new[] { (ScalarType.Float64, 1e-9), (ScalarType.Float32, 5e-5) })
        {
            var parameters = Start(dtype);
            using var optimizer = Make(name, entry.GetProperty("options"), parameters);
            int step = 0;
            foreach (var expected in entry.GetProperty("values").EnumerateArray())
            {
                Trajectory.SetGradients(parameters, step++);
                optimizer.step();
                Trajectory.AssertClose(expected.Doubles(), Trajectory.Values(parameters), tolerance);
            }
        }
    }

    [Fact]
    public void LbfgsFollowsPyTorch()
    {
        var parameters = Start();
        using var optimizer = optim.LBFGS(parameters, lr: 0.5, max_iter: 4, tolerange_grad: 1e-5, tolerance_change: 1e-9, history_size: 3);
        foreach (var expected in Reference.Section("lbfgs").EnumerateArray())
        {
            using var loss = optimizer.step(() =>
            {
                optimizer.zero_grad();
                var total = parameters.Select(p => ((p - 0.5).pow(4) + 0.1 * p.pow(2)).sum()).Aggregate((a, b) => a + b);
                total.backward();
                return total;
            });
            Trajectory.AssertClose(expected.Doubles(), [loss.item<double>(), .. Trajectory.Values(parameters)], 1e-8);
        }
    }

    private static readonly JsonElement eventful = JsonDocument.Parse(
        """{"lr": 0.05, "momentum": 0.9, "amsgrad": true, "centered": true, "weight_decay": 0.01, "lambd": 0.01, "t0": 1}""").RootElement;

    /// <summary>An optimizer that takes over another's state, from memory or from a stream, goes on to the same bits.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void StateIsTakenOver(string name)
    {
        var straight = Start();
        using var a = Make(name, eventful, straight);
        Train(a, straight, 0, 3);
        // Options that the others do not have yet.
        a.ParamGroups.Single().LearningRate = 0.03;

        var copied = straight.Select(p => new Parameter(p.detach().clone())).ToArray();
        using var b = Make(name, eventful, copied);
        b.load_state_dict(a.state_dict());
        Assert.All(a.state_dict().State.Zip(b.state_dict().State), pair => Assert.True(pair.First.ApproximatelyEquals(pair.Second)));

        var read = straight.Select(p => new Parameter(p.detach().clone())).ToArray();
        using var c = Make(name, eventful, read);
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        a.save_state_dict(writer);
        stream.Position = 0;
        c.load_state_dict(new BinaryReader(stream));
        Assert.Equal(stream.Length, stream.Position);

        Train(a, straight, 3, 5);
        Train(b, copied, 3, 5);
        Train(c, read, 3, 5);
        Assert.Equal(Trajectory.Values(straight), Trajectory.Values(copied));
        Assert.Equal(Trajectory.Values(straight), Trajectory.Values(read));
        Assert.False(a.state_dict().State[0].ApproximatelyEquals(Make(name, eventful, Start()).state_dict().State[0]));

        static void Train(OptimizerHelper optimizer, Parameter[] parameters, int from, int to)
        {
            for (int step = from; step < to; step++)
            {
                Trajectory.SetGradients(parameters, step);
                optimizer.step();
            }
        }
    }

    /// <summary>State lives outside dispose scopes, a step leaves no tensor behind, and disposal frees the state.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void KeepsItsStateAndNothingElse(string name)
    {
        var parameters = Start();
        scope.DisposeEverythingBut(parameters);
        long before = Tensor.TotalCount;
        OptimizerHelper optimizer;
        using (NewDisposeScope())
        {
            optimizer = Make(name, eventful, parameters);
            Trajectory.SetGradients(parameters, 0);
            optimizer.step();
        }
        Trajectory.SetGradients(parameters, 1);
        long held = Tensor.TotalCount;
        optimizer.step();
        Assert.Equal(held, Tensor.TotalCount);
        scope.DisposeEverythingBut(parameters);
        Assert.True(Tensor.TotalCount > before);
        optimizer.Dispose();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void GroupsHaveTheirOwnOptions()
    {
        var parameters = Start();
        var groups = new[]
        {
            new AdamW.ParamGroup([parameters[0]], lr: 0.1, weight_decay: 0.5),
            new AdamW.ParamGroup([parameters[1]], new AdamW.Options { weight_decay = 0 }),
        };
        using var optimizer = optim.AdamW(groups, lr: 0.001, beta1: 0.8);
        Assert.Equal([0.1, 0.001], optimizer.ParamGroups.Select(g => g.LearningRate));
        Assert.Equal([0.1, 0.001], optimizer.ParamGroups.Select(g => g.InitialLearningRate));
        Assert.Equal(0.9, groups[0].Options.beta1);
        Assert.Equal(0.8, groups[1].Options.beta1);
        Assert.Equal((0.8, 0.999), groups[1].Betas);
        Assert.Equal(parameters, optimizer.parameters());

        var added = new Parameter(ones(2));
        optimizer.add_param_group(new AdamW.ParamGroup { Parameters = [added] });
        added.grad = ones(2);
        optimizer.step();
        Assert.Equal(0.999f, added[0].item<float>(), 1e-6);
        Assert.Equal(3, optimizer.state_dict().Options.Count);
    }

    [Fact]
    public void ClosuresAreEvaluatedWithGradients()
    {
        var w = new Parameter(ones(1));
        using var optimizer = optim.SGD([w], 0.25);
        using var mode = no_grad();
        using var loss = optimizer.step(() =>
        {
            optimizer.zero_grad();
            var value = w.pow(2).sum();
            value.backward();
            return value;
        });
        Assert.Equal(1, loss.item<float>());
        Assert.Equal(0.5f, w.item<float>());
    }

    [Fact]
    public void ZeroGradFillsWithZeros()
    {
        var (w, unused) = (new Parameter(ones(2)), new Parameter(ones(2)));
        using var optimizer = optim.SGD([w, unused], 0.1);
        w.sum().backward();
        optimizer.zero_grad();
        Assert.Equal([0f, 0], w.grad!.data<float>().ToArray());
        Assert.Null(unused.grad);
        optimizer.step();
        Assert.Equal([1f, 1], w.detach().data<float>().ToArray());
    }

    [Fact]
    public void ForeignStateIsRefused()
    {
        using var adam = optim.Adam(Start());
        using var sgd = optim.SGD(Start(), 0.1);
        using var small = optim.Adam(Start().Take(1));
        using var stream = new MemoryStream();
        sgd.save_state_dict(new BinaryWriter(stream));
        stream.Position = 0;
        Assert.Contains("SGD", Assert.Throws<InvalidDataException>(() => adam.load_state_dict(new BinaryReader(stream))).Message);
        Assert.Contains("1 parameters", Assert.Throws<ArgumentException>(() => adam.load_state_dict(small.state_dict())).Message);
    }

    [Fact]
    public void WrongArgumentsAreRefused()
    {
        Assert.Throws<ArgumentException>(() => optim.SGD(Start(), 0.1, nesterov: true));
        Assert.Throws<ArgumentNullException>(() => optim.LBFGS(Start()).step(null!));
    }
}
