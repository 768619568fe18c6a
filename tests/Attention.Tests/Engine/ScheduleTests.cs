using Attention.Engine.Configuration;
using Attention.Engine.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine;

public class ScheduleTests
{
    private const int Epochs = 11, Steps = 10;

    private static Schedule Of(ScheduleConfig config, double peak = 1) => new(peak, config, Epochs, Steps);

    [Fact]
    public void Warm_up_rises_in_a_line_and_the_cosine_falls_to_the_minimum()
    {
        var schedule = Of(new CosineConfig { warmup_epochs = 1, min_lr = 0.1 });
        Assert.Equal(1.0 / 11, schedule.At(0), 12);
        Assert.Equal(10.0 / 11, schedule.At(9), 12);
        Assert.Equal(1, schedule.At(10), 12);
        Assert.Equal(0.55, schedule.At(60), 12);
        Assert.Equal(0.1, schedule.At(110), 12);
        Assert.Equal(0.1, schedule.At(10_000), 12);
    }

    [Fact]
    public void Warm_up_may_start_above_zero() => Assert.Equal(0.2 + 0.8 / 11, Of(new LinearConfig { warmup_epochs = 1, warmup_lr = 0.2 }).At(0), 12);

    [Fact]
    public void The_line_and_the_power_fall_to_the_minimum()
    {
        Assert.Equal(0.55, Of(new LinearConfig { warmup_epochs = 1, min_lr = 0.1 }).At(60), 12);
        Assert.Equal(0.1 + 0.9 * 0.25, Of(new PolynomialConfig { warmup_epochs = 1, min_lr = 0.1, power = 2 }).At(60), 12);
        Assert.Equal(0.1, Of(new PolynomialConfig { min_lr = 0.1, power = 2 }).At(110), 12);
        Assert.Equal(0.7, Of(new ConstantConfig(), peak: 0.7).At(110), 12);
    }

    [Theory]
    [InlineData(DecayShape.Linear, 0.5)]
    [InlineData(DecayShape.Cosine, 0.5)]
    [InlineData(DecayShape.Sqrt, 0.29289321881)]
    public void Warm_up_stable_decay_stays_and_falls_at_the_end(DecayShape shape, double half)
    {
        var schedule = Of(new WsdConfig { warmup_epochs = 1, min_lr = 0.1, decay = 0.2, shape = shape });
        Assert.Equal(1.0 / 11, schedule.At(0), 12);
        Assert.Equal(1, schedule.At(10), 12);
        Assert.Equal(1, schedule.At(88), 12);
        Assert.Equal(0.1 + 0.9 * half, schedule.At(99), 9);
        Assert.Equal(0.1, schedule.At(110), 12);
    }

    [Fact]
    public void Steps_fall_at_every_so_many_epochs_or_at_milestones()
    {
        var every = Of(new StepConfig { every = 3, gamma = 0.5, min_lr = 0.2 });
        Assert.Equal([1, 1, 0.5, 0.5, 0.25, 0.2], new long[] { 0, 29, 30, 59, 60, 99 }.Select(every.At));
        var milestones = Of(new StepConfig { milestones = [2, 9], gamma = 0.1, warmup_epochs = 1 });
        Assert.Equal([0.5, 1, 1, 0.1, 0.01], new long[] { 4, 10, 19, 20, 90 }.Select(step => Math.Round(step == 4 ? milestones.At(step) * 1.1 : milestones.At(step), 12)));
    }

    [Fact]
    public void Per_epoch_the_rate_stays_over_an_epoch()
    {
        var schedule = Of(new CosineConfig { per = ScheduleUnit.Epoch, warmup_epochs = 1 });
        Assert.Equal(0.5, schedule.At(0), 12);
        Assert.Equal(schedule.At(0), schedule.At(9));
        Assert.Equal(1, schedule.At(10), 12);
        Assert.Equal(0.5, schedule.At(65), 12);
        Assert.Equal(schedule.At(60), schedule.At(69));
    }

    /// <summary>PyTorch's scheduler as the TorchSharp API has it.</summary>
    [Theory]
    [InlineData(0, 0.3)]
    [InlineData(2.2, 0.2)]
    public void One_cycle_is_that_of_PyTorch(double warmup, double rise)
    {
        using var scope = NewDisposeScope();
        using var weight = new TorchSharp.Modules.Parameter(ones(1));
        var sgd = optim.SGD([weight], 0.1);
        var expected = optim.lr_scheduler.OneCycleLR(sgd, 0.5, total_steps: Epochs * Steps, pct_start: rise, cycle_momentum: false);
        var schedule = Of(new OneCycleConfig { warmup_epochs = warmup }, peak: 0.5);
        for (int step = 0; step < Epochs * Steps; step++)
        {
            Assert.Equal(sgd.ParamGroups.First().LearningRate, schedule.At(step), 9);
            if (step + 1 < Epochs * Steps)
                expected.step();
        }
    }
}
