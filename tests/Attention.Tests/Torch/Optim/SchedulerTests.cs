using System.Text.Json;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;
using static TorchSharp.torch.optim.lr_scheduler;

namespace Attention.Tests.Torch.Optim;

/// <summary>torch.optim.lr_scheduler against PyTorch's sequences (reference.json).</summary>
public sealed class SchedulerTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static SGD Optimizer(double lr = 0.2) => optim.SGD([new Parameter(ones(1))], lr, momentum: 0.7);

    private static LRScheduler Make(string name, Optimizer o) => name switch
    {
        "StepLR" => StepLR(o, 3, 0.5),
        "MultiStepLR" => MultiStepLR(o, [2, 5, 5, 9], 0.5),
        "ExponentialLR" => ExponentialLR(o, 0.9),
        "ConstantLR" => ConstantLR(o, 0.25, 4),
        "LinearLR" => LinearLR(o, 0.1, 0.8, 6),
        "PolynomialLR" => PolynomialLR(o, 8, 2),
        "CosineAnnealingLR" => CosineAnnealingLR(o, 7, 0.01),
        "LambdaLR" => LambdaLR(o, epoch => 1.0 / (1 + epoch)),
        "MultiplicativeLR" => MultiplicativeLR(o, epoch => 1 - 0.05 * epoch),
        "CyclicLR.Triangular" => CyclicLR(o, 0.01, 0.1, 4, 2, cycle_momentum: false),
        "CyclicLR.Triangular2" => CyclicLR(o, 0.01, 0.1, 3, mode: impl.CyclicLR.Mode.Triangular2, cycle_momentum: false),
        "CyclicLR.ExpRange" => CyclicLR(o, 0.01, 0.1, 3, mode: impl.CyclicLR.Mode.ExpRange, gamma: 0.9, cycle_momentum: false),
        "CyclicLR.momentum" => CyclicLR(o, 0.01, 0.1, 3),
        "OneCycleLR.Cos" => OneCycleLR(o, 0.5, total_steps: 20),
        "OneCycleLR.Linear" => OneCycleLR(o, 0.5, epochs: 4, steps_per_epoch: 5, anneal_strategy: impl.OneCycleLR.AnnealStrategy.Linear, three_phase: true),
        "SequentialLR" => SequentialLR(o, [ConstantLR(o, 0.1, 2), ExponentialLR(o, 0.9)], [4]),
        "WarmupCosine" => SequentialLR(o, [LinearLR(o, 0.01, 1, 5), CosineAnnealingLR(o, 14)], [5]),
        "ChainedLR" => ChainedLR([ConstantLR(o, 0.1, 2), ExponentialLR(o, 0.9)]),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such scheduler"),
    };

    public static TheoryData<string> Names => new(Reference.Section("schedulers").EnumerateArray().Select(s => s.GetProperty("scheduler").GetString()!));

    [Theory]
    [MemberData(nameof(Names))]
    public void FollowsPyTorch(string name)
    {
        var entry = Reference.Section("schedulers").EnumerateArray().Single(s => s.GetProperty("scheduler").GetString() == name);
        using var optimizer = Optimizer();
        var group = (SGD.ParamGroup)optimizer.ParamGroups.Single();
        var scheduler = Make(name, optimizer);
        var (rates, momenta) = (new List<double> { group.LearningRate }, new List<double> { group.Momentum });
        for (int i = 1; i < entry.GetProperty("rates").GetArrayLength(); i++)
        {
            optimizer.step();
            scheduler.step();
            rates.Add(group.LearningRate);
            momenta.Add(group.Momentum);
            Assert.Equal([group.LearningRate], scheduler.get_last_lr());
        }
        Trajectory.AssertClose(entry.GetProperty("rates").Doubles(), [.. rates], 1e-10);
        Trajectory.AssertClose(entry.GetProperty("momenta").Doubles(), [.. momenta], 1e-10);
    }

    /// <summary>Schedules that know their rate at any epoch give it when they are sent there.</summary>
    [Theory]
    [InlineData("StepLR")]
    [InlineData("MultiStepLR")]
    [InlineData("ExponentialLR")]
    [InlineData("ConstantLR")]
    [InlineData("LinearLR")]
    [InlineData("PolynomialLR")]
    [InlineData("CosineAnnealingLR")]
    [InlineData("LambdaLR")]
    public void ClosedFormAgrees(string name)
    {
        using var optimizer = Optimizer();
        var scheduler = Make(name, optimizer);
        var expected = new List<double>();
        for (int i = 1; i <= 8; i++)
        {
            scheduler.step();
            expected.AddRange(scheduler.get_last_lr());
        }
        using var other = Optimizer();
        var jumping = Make(name, other);
        for (int i = 8; i >= 1; i--)
        {
            jumping.step(i);
            Assert.Equal(expected[i - 1], jumping.get_last_lr().Single(), 1e-12);
        }
    }

    [Fact]
    public void PlateausFollowPyTorch()
    {
        foreach (var entry in Reference.Section("plateau").EnumerateArray())
        {
            var o = entry.GetProperty("options");
            using var optimizer = Optimizer();
            var scheduler = ReduceLROnPlateau(optimizer, o.TryGetProperty("mode", out var mode) ? mode.GetString()! : "min", o.Get("factor", 0.1), (int)o.Get("patience", 10),
                o.Get("threshold", 1e-4), o.TryGetProperty("threshold_mode", out var kind) ? kind.GetString()! : "rel", (int)o.Get("cooldown", 0.0),
                o.TryGetProperty("min_lr", out var floor) ? floor.Doubles() : null!);
            var rates = new List<double>();
            foreach (double metric in entry.GetProperty("metrics").Doubles())
            {
                scheduler.step(metric);
                rates.Add(scheduler.get_last_lr().Single());
            }
            Trajectory.AssertClose(entry.GetProperty("rates").Doubles(), [.. rates], 1e-12);
            Assert.Throws<InvalidOperationException>(() => scheduler.step());
        }
    }

    [Fact]
    public void GroupsKeepTheirProportions()
    {
        var groups = new[] { new Adam.ParamGroup([new Parameter(ones(1))], lr: 1), new Adam.ParamGroup([new Parameter(ones(1))], lr: 0.1) };
        using var optimizer = optim.Adam(groups);
        var scheduler = CosineAnnealingLR(optimizer, 4);
        scheduler.step();
        scheduler.step();
        Assert.Equal([0.5, 0.05], scheduler.get_last_lr(), (a, b) => Math.Abs(a - b) < 1e-12);
        var cycle = OneCycleLR(optimizer, [1, 2], total_steps: 10, base_momentum: [0.8, 0.7], max_momentum: [0.9, 0.95]);
        Assert.Equal([0.04, 0.08], cycle.get_last_lr(), (a, b) => Math.Abs(a - b) < 1e-12);
        // Adam's first beta takes momentum's place.
        Assert.Equal([(0.9, 0.999), (0.95, 0.999)], groups.Select(g => g.Betas));
    }

    [Fact]
    public void WrongArgumentsAreRefused()
    {
        using var optimizer = Optimizer();
        using var other = Optimizer();
        Assert.Throws<ArgumentException>(() => SequentialLR(optimizer, [ConstantLR(optimizer)], [3]));
        Assert.Throws<ArgumentException>(() => SequentialLR(optimizer, [ConstantLR(optimizer), ConstantLR(other)], [3]));
        Assert.Throws<ArgumentException>(() => ReduceLROnPlateau(optimizer, "best"));
        Assert.Throws<ArgumentException>(() => OneCycleLR(optimizer, 0.1));
        Assert.Throws<ArgumentException>(() => CyclicLR(optim.Adagrad([new Parameter(ones(1))]), 0.1, 0.2));
    }
}
