using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Training;
using Attention.Torch;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine;

public sealed class TrainerTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("attention-tests-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    /// <summary>Learns which of two halves of the input is larger; dropout makes it draw random numbers.</summary>
    private sealed class Toy : TrainingTask
    {
        private sealed record Batch(Tensor Inputs, Tensor Labels) : IBatch
        {
            public int Samples => (int)Labels.shape[0];

            public void Dispose()
            {
                Inputs.Dispose();
                Labels.Dispose();
            }
        }

        private readonly TorchSharp.Modules.Sequential model;

        public Toy()
        {
            manual_seed(1);
            model = nn.Sequential(("a", nn.Linear(8, 32)), ("act", nn.GELU()), ("drop", nn.Dropout(0.1)), ("b", nn.Linear(32, 2)));
        }

        /// <summary>Without dropout, on the same 640 samples in every epoch.</summary>
        public bool Plain
        {
            get;
            init
            {
                field = value;
                if (value)
                    model.eval();
            }
        }

        public int BatchSize { get; init; } = 32;

        /// <summary>The metric of each measurement, in place of what is measured.</summary>
        public Func<int, double>? Measured { get; init; }

        /// <summary>Whether that should fall.</summary>
        public bool Falls { get; init; }

        public Func<int, double> Poison { get; init; } = _ => 1;
        public override nn.Module Model => model;
        public override int BatchesPerEpoch => 640 / BatchSize;
        public override string PrimaryMetric => "top1";
        public override bool SmallerIsBetter => Falls;

        public override IEnumerable<IBatch> Batches(int epoch, int first)
        {
            for (int step = first; step < BatchesPerEpoch; step++)
                yield return Plain ? Part(step) : Make(epoch * 1000 + step);
        }

        private Batch Part(int step)
        {
            model.eval();
            using var scope = NewDisposeScope();
            using var all = Make(1, 640);
            return new Batch(scope.MoveToOuter(all.Inputs.slice(0, step * BatchSize, (step + 1) * BatchSize, 1).clone()),
                scope.MoveToOuter(all.Labels.slice(0, step * BatchSize, (step + 1) * BatchSize, 1).clone()));
        }

        private static Batch Make(int seed, int samples = 32)
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator((ulong)seed);
            var inputs = randn(samples, 8, generator: generator);
            var labels = inputs.slice(1, 0, 4, 1).sum(1).gt(inputs.slice(1, 4, 8, 1).sum(1)).to(ScalarType.Int64);
            return new Batch(scope.MoveToOuter(inputs), scope.MoveToOuter(labels));
        }

        private int steps, measurements;

        public override Tensor Loss(IBatch batch, IDictionary<string, double> metrics)
        {
            var (inputs, labels) = (Batch)batch;
            var logits = model.call(inputs);
            metrics["top1"] = logits.argmax(1).eq(labels).to(ScalarType.Float32).mean().item<float>();
            return nn.functional.cross_entropy(logits, labels) * Poison(steps++);
        }

        public override IReadOnlyDictionary<string, double> Evaluate(Action<int, int>? progress, CancellationToken cancellation)
        {
            using var scope = NewDisposeScope();
            using var _ = inference_mode();
            using var batch = Make(999_999);
            var logits = model.call(batch.Inputs);
            progress?.Invoke(1, 1);
            if (Measured is not null)
                return new Dictionary<string, double> { ["top1"] = Measured(measurements++) };
            return new Dictionary<string, double>
            {
                ["top1"] = logits.argmax(1).eq(batch.Labels).to(ScalarType.Float32).mean().item<float>(),
                ["loss"] = nn.functional.cross_entropy(logits, batch.Labels).item<float>(),
            };
        }

        public override void Dispose()
        {
            model.Dispose();
            base.Dispose();
        }
    }

    private static Trainer Make(Toy task, int epochs, params TrainingHook[] hooks) =>
        Make(task, new TrainerOptions { Epochs = epochs, Clipping = new(ClippingKind.Norm, 1) }, hooks);

    private static Trainer Make(Toy task, TrainerOptions options, params TrainingHook[] hooks) =>
        new(task, new FusedAdamW(ParameterGroups.Of(task.Model, 1e-2, 0.01, task.NoWeightDecay)),
            new Schedule(1e-2, new CosineConfig { warmup_epochs = 0.5 }, options.Epochs, Trainer.StepsOf(task, options.Accumulate)), options, hooks);

    private static byte[] Weights(Toy task)
    {
        using var stream = new MemoryStream();
        SafeTensors.Write(stream, task.Model.state_dict());
        return stream.ToArray();
    }

    private sealed class Probe : TrainingHook
    {
        public List<StepResult> Steps { get; } = [];
        public List<EpochResult> Epochs { get; } = [];
        public Exception? Failure { get; private set; }
        public Action<Trainer, EpochResult>? AtEpoch { get; init; }
        public Action<Trainer, StepResult>? AtStep { get; init; }

        public override void OnStep(Trainer trainer, StepResult result)
        {
            Steps.Add(result);
            AtStep?.Invoke(trainer, result);
        }

        public override void OnEpoch(Trainer trainer, EpochResult result)
        {
            Epochs.Add(result);
            AtEpoch?.Invoke(trainer, result);
        }

        public override void OnEnd(Trainer trainer, Exception? failure) => Failure = failure;
    }

    [Fact]
    public void It_learns_and_tells_its_hooks()
    {
        using var task = new Toy();
        var probe = new Probe();
        var trainer = Make(task, 4, probe);
        trainer.Run(CancellationToken.None);
        Assert.Equal(80, probe.Steps.Count);
        Assert.Equal(4, probe.Epochs.Count);
        Assert.True(probe.Epochs[^1].Evaluation["top1"] > 0.9, $"top1 {probe.Epochs[^1].Evaluation["top1"]}");
        Assert.True(probe.Epochs[^1].Train["loss"] < probe.Epochs[0].Train["loss"] / 2);
        Assert.Equal(80, trainer.State.Step);
        Assert.Null(probe.Failure);
    }

    [Fact]
    public void A_run_that_goes_on_from_a_checkpoint_ends_with_the_same_bits()
    {
        using var whole = new Toy();
        Make(whole, 4).Run(CancellationToken.None);

        var checkpoint = Path.Combine(folder, "checkpoint");
        using (var first = new Toy())
        {
            using var stop = new CancellationTokenSource();
            var hook = new Probe
            {
                AtEpoch = (trainer, result) =>
                {
                    if (result.Epoch != 1)
                        return;
                    Checkpoint.Save(checkpoint, trainer, "toy", result.Evaluation);
                    stop.Cancel();
                },
            };
            Assert.ThrowsAny<OperationCanceledException>(() => Make(first, 4, hook).Run(stop.Token));
        }

        using var second = new Toy();
        var resumed = Make(second, 4);
        manual_seed(77);
        Checkpoint.Load(checkpoint, resumed);
        Assert.Equal(2, resumed.State.Epoch);
        resumed.Run(CancellationToken.None);
        Assert.Equal(Weights(whole), Weights(second));
    }

    [Fact]
    public void A_changed_file_of_a_checkpoint_is_named()
    {
        using var task = new Toy();
        var trainer = Make(task, 1);
        trainer.Run(CancellationToken.None);
        var checkpoint = Path.Combine(folder, "checkpoint");
        Checkpoint.Save(checkpoint, trainer, "toy", new Dictionary<string, double>());
        var file = Path.Combine(checkpoint, Checkpoint.ModelFile);
        var bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.Contains("its checksum differs", Assert.Throws<UserError>(() => Checkpoint.Load(checkpoint, trainer)).Message);
    }

    [Fact]
    public void A_checkpoint_replaces_an_earlier_one_whole()
    {
        using var task = new Toy();
        var trainer = Make(task, 1);
        trainer.Run(CancellationToken.None);
        var checkpoint = Path.Combine(folder, "best");
        Checkpoint.Save(checkpoint, trainer, "first", new Dictionary<string, double>());
        Checkpoint.Save(checkpoint, trainer, "second", new Dictionary<string, double>());
        Assert.Equal("second", Checkpoint.ReadManifest(checkpoint).model);
        Assert.Equal([checkpoint], Directory.GetFileSystemEntries(folder));
    }

    [Fact]
    public void A_loss_that_is_no_number_stops_the_run_and_says_where()
    {
        using var task = new Toy { Poison = step => step == 25 ? double.NaN : 1 };
        var probe = new Probe();
        var error = Assert.Throws<UserError>(() => Make(task, 4, probe).Run(CancellationToken.None));
        Assert.Equal("the loss is NaN at step 26 (epoch 2, step 6 of 20)", error.Message);
        Assert.Same(error, probe.Failure);
    }

    /// <summary>A weight that is no number is named; else the first module that makes one of finite inputs.</summary>
    [Fact]
    public void The_place_where_it_first_appears_is_named()
    {
        using var spoilt = new Toy();
        using (no_grad())
            spoilt.Model.get_parameter("b.bias")!.fill_(float.PositiveInfinity);
        Assert.EndsWith("it first appears in the weight b.bias", Assert.Throws<UserError>(() => Make(spoilt, 1).Run(CancellationToken.None)).Message);

        using var large = new Toy();
        using (no_grad())
            large.Model.get_parameter("a.weight")!.fill_(float.MaxValue);
        Assert.Contains("it first appears in the output of a (Linear), whose input reaches", Assert.Throws<UserError>(() => Make(large, 1).Run(CancellationToken.None)).Message);
    }

    [Fact]
    public void Accumulated_batches_make_one_step_of_their_mean()
    {
        // Two batches of 32 without dropout, against one of 64: the steps are equal but for rounding.
        float[] After(int batch, int accumulate)
        {
            using var task = new Toy { BatchSize = batch, Plain = true };
            var probe = new Probe();
            Make(task, new TrainerOptions { Epochs = 2, Accumulate = accumulate }, probe).Run(CancellationToken.None);
            Assert.Equal(2 * 640 / (batch * accumulate), probe.Steps.Count);
            Assert.All(probe.Steps, step => Assert.Equal(batch * accumulate, step.Samples));
            return task.Model.get_parameter("a.weight")!.detach().data<float>().ToArray();
        }
        var (whole, parts) = (After(64, 1), After(32, 2));
        Assert.All(whole.Zip(parts), pair => Assert.Equal(pair.First, pair.Second, 2e-4f));
    }

    [Fact]
    public void A_last_step_may_have_fewer_batches()
    {
        using var task = new Toy();
        var probe = new Probe();
        Make(task, new TrainerOptions { Epochs = 1, Accumulate = 3 }, probe).Run(CancellationToken.None);
        Assert.Equal([96, 96, 96, 96, 96, 96, 64], probe.Steps.Select(step => step.Samples));
    }

    [Fact]
    public void A_run_ends_early_where_nothing_gets_better()
    {
        using var task = new Toy { Measured = epoch => epoch < 2 ? epoch : 1 };
        var probe = new Probe();
        var trainer = Make(task, new TrainerOptions { Epochs = 50, Patience = 3 }, probe);
        trainer.Run(CancellationToken.None);
        Assert.Equal(5, trainer.State.Epoch);
        Assert.Equal(2, trainer.State.BestEpoch);
    }

    [Fact]
    public void The_best_of_a_loss_is_the_smallest()
    {
        double[] losses = [3, 1, 2];
        using var task = new Toy { Measured = epoch => losses[epoch], Falls = true };
        var probe = new Probe();
        var trainer = Make(task, new TrainerOptions { Epochs = 3 }, probe);
        trainer.Run(CancellationToken.None);
        Assert.Equal((1, 2), (trainer.State.Best, trainer.State.BestEpoch));
        Assert.Equal([true, true, false], probe.Epochs.Select(epoch => epoch.IsBest));
    }

    [Fact]
    public void It_is_measured_as_often_as_asked_and_at_the_end()
    {
        using var task = new Toy();
        var probe = new Probe();
        Make(task, new TrainerOptions { Epochs = 5, EvaluateEvery = 2 }, probe).Run(CancellationToken.None);
        Assert.Equal([false, true, false, true, true], probe.Epochs.Select(epoch => epoch.Evaluation.Count > 0));
    }

    /// <summary>Stops in mid-epoch, with an average: weights, average and the epoch's means go on as they would have.</summary>
    [Fact]
    public void A_run_goes_on_in_the_middle_of_an_epoch()
    {
        (byte[] Weights, float[] Average, double Loss) Train(Toy task, int? stopAfter, bool resume)
        {
            using var average = new WeightAverage(task.Model, new EmaConfig { decay = 0.9 });
            using var stop = new CancellationTokenSource();
            var checkpoint = Path.Combine(folder, "middle");
            var probe = new Probe
            {
                AtStep = (trainer, _) =>
            {
                if (trainer.State.Step == stopAfter)
                    stop.Cancel();
            }
            };
            var trainer = Make(task, new TrainerOptions { Epochs = 2, Accumulate = 2, Average = average }, probe);
            if (resume)
            {
                manual_seed(77);
                Checkpoint.Load(checkpoint, trainer);
                Assert.Equal((1, 3, 13L), (trainer.State.Epoch, trainer.State.StepOfEpoch, trainer.State.Step));
            }
            try
            {
                trainer.Run(stop.Token);
            }
            catch (OperationCanceledException)
            {
                Checkpoint.Save(checkpoint, trainer, "toy", new Dictionary<string, double>());
                return ([], [], 0);
            }
            return (Weights(task), average.Tensors["a.weight"].data<float>().ToArray(), probe.Epochs[^1].Train["loss"]);
        }
        using var whole = new Toy();
        var expected = Train(whole, null, false);
        using (var first = new Toy())
            Train(first, 13, false);
        using var second = new Toy();
        var resumed = Train(second, null, true);
        Assert.Equal(expected.Weights, resumed.Weights);
        Assert.Equal(expected.Average, resumed.Average);
        Assert.Equal(expected.Loss, resumed.Loss);
    }

    /// <summary>What is saved for use is the average; training goes on with its own weights.</summary>
    [Fact]
    public void A_checkpoint_for_use_holds_the_average()
    {
        using var task = new Toy();
        using var average = new WeightAverage(task.Model, new EmaConfig { decay = 0.9 });
        var trainer = Make(task, new TrainerOptions { Epochs = 1, Average = average });
        trainer.Run(CancellationToken.None);
        var checkpoint = Path.Combine(folder, "averaged");
        Checkpoint.Save(checkpoint, trainer, "toy", new Dictionary<string, double>());
        using var other = new Toy();
        Checkpoint.LoadModel(checkpoint, other.Model);
        Assert.Equal(average.Tensors["a.weight"].data<float>().ToArray(), other.Model.get_parameter("a.weight")!.detach().data<float>().ToArray());
        Assert.NotEqual(Weights(task), Weights(other));
    }

    [Fact]
    public void It_learns_in_bf16()
    {
        using var task = new Toy();
        var probe = new Probe();
        Make(task, new TrainerOptions { Epochs = 4, Precision = Precision.Bf16 }, probe).Run(CancellationToken.None);
        Assert.True(probe.Epochs[^1].Evaluation["top1"] > 0.9);
        Assert.Equal(ScalarType.Float32, task.Model.get_parameter("a.weight")!.dtype);
    }

    [Fact]
    public void Training_leaves_no_tensors_behind()
    {
        using var task = new Toy();
        var live = new List<long>();
        Make(task, 6, new Probe { AtEpoch = (_, _) => live.Add(MemoryInfo.LiveTensors) }).Run(CancellationToken.None);
        Assert.Equal(live[1], live[^1]);
    }
}
