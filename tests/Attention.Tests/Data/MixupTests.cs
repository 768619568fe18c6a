using Attention.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Data;

public class MixupTests
{
    private static readonly long[] Labels = [0, 1, 2, 3, 4, 2];

    [Fact]
    public void A_blended_batch_keeps_the_shares_of_its_targets()
    {
        var config = new MixupConfig { mixup_alpha = 0.8, cutmix_alpha = 0, label_smoothing = 0 };
        var (before, after, targets) = Mixed(config, step: 3);
        float share = targets[0][0];
        Assert.InRange(share, 0.001f, 0.999f);
        for (int i = 0; i < 6; i++)
        {
            Assert.Equal(1, targets[i].Sum(), 1e-5);
            Assert.Equal(share + (Labels[i] == Labels[5 - i] ? 1 - share : 0), targets[i][Labels[i]], 1e-5);
            for (int p = 0; p < after[i].Length; p++)
                Assert.Equal(share * before[i][p] + (1 - share) * before[5 - i][p], after[i][p], 1e-4);
        }
    }

    [Theory]
    [InlineData(MixupMode.Batch)]
    [InlineData(MixupMode.Pair)]
    [InlineData(MixupMode.Elem)]
    public void Pasted_boxes_come_from_the_partner_and_targets_count_their_pixels(MixupMode mode)
    {
        var config = new MixupConfig { mixup_alpha = 0, cutmix_alpha = 1, mode = mode, label_smoothing = 0 };
        int pasted = 0;
        for (long step = 0; step < 5; step++)
        {
            var (before, after, targets) = Mixed(config, step);
            for (int i = 0; i < 6; i++)
            {
                int own = 0;
                for (int p = 0; p < after[i].Length; p++)
                {
                    bool kept = after[i][p] == before[i][p];
                    Assert.True(kept || after[i][p] == before[5 - i][p]);
                    own += kept ? 1 : 0;
                }
                pasted += after[i].Length - own;
                if (Labels[i] != Labels[5 - i])
                    Assert.Equal((double)own / after[i].Length, targets[i][Labels[i]], 1e-5);
                Assert.Equal(1, targets[i].Sum(), 1e-5);
            }
            if (mode != MixupMode.Elem)
                Assert.Equal(targets[0][0], targets[5][2], 1e-6); // partners have the same share
        }
        Assert.True(pasted > 0);
    }

    [Fact]
    public void Boxes_have_the_sides_that_they_are_asked_for()
    {
        var config = new MixupConfig { cutmix_minmax = (0.25, 0.5), mixup_alpha = 0 };
        for (long i = 0; i < 200; i++)
        {
            var random = new SeededRandom(i);
            var box = MixPlan.Draw(config, 2, 32, 40, ref random).Boxes[1];
            Assert.InRange(box.Height, 8, 15);
            Assert.InRange(box.Width, 10, 19);
            Assert.InRange(box.Top, 0, 32 - box.Height);
            Assert.InRange(box.Left, 0, 40 - box.Width);
        }
    }

    [Fact]
    public void Probabilities_are_kept()
    {
        var config = new MixupConfig { prob = 0.6, switch_prob = 0.25 };
        int blended = 0, cut = 0;
        const int draws = 4000;
        for (long i = 0; i < draws; i++)
        {
            var random = new SeededRandom(9, i);
            var plan = MixPlan.Draw(config, 2, 64, 64, ref random);
            blended += plan.Blends ? 1 : 0;
            cut += plan.Boxes[0].IsEmpty ? 0 : 1;
        }
        Assert.InRange(blended / (double)draws, 0.42, 0.48);
        Assert.InRange(cut / (double)draws, 0.12, 0.17);
    }

    [Fact]
    public void Draws_depend_on_seed_epoch_and_step_alone()
    {
        var config = new MixupConfig();
        Assert.Equal(Mixed(config, 4).After, Mixed(config, 4).After);
        Assert.NotEqual(Mixed(config, 4).After, Mixed(config, 5).After);
    }

    [Fact]
    public void Targets_are_smoothed()
    {
        using var scope = NewDisposeScope();
        var targets = new Mixup(new MixupConfig { label_smoothing = 0.1 }, 5, 0).Targets(tensor(new long[] { 3 })).data<float>().ToArray();
        Assert.Equal([0.02f, 0.02f, 0.02f, 0.92f, 0.02f], targets.Select(v => MathF.Round(v, 5)));
    }

    [Fact]
    public void Beta_has_its_mean_and_variance()
    {
        var random = new SeededRandom(1);
        foreach (double alpha in new[] { 0.2, 1, 3 })
        {
            double sum = 0, squares = 0;
            const int count = 20000;
            for (int i = 0; i < count; i++)
            {
                double value = random.Beta(alpha, alpha);
                (sum, squares) = (sum + value, squares + value * value);
            }
            double mean = sum / count, variance = squares / count - mean * mean;
            Assert.Equal(0.5, mean, 0.01);
            Assert.Equal(1 / (4 * (2 * alpha + 1)), variance, 0.005);
        }
    }

    private static (float[][] Before, float[][] After, float[][] Targets) Mixed(MixupConfig config, long step)
    {
        using var scope = NewDisposeScope();
        var images = arange(6 * 3 * 16 * 20, ScalarType.Float32).reshape(6, 3, 16, 20) / 100;
        var (mixed, targets) = new Mixup(config, 5, seed: 7).Apply(images, tensor(Labels), epoch: 1, step);
        return (Rows(images), Rows(mixed), Rows(targets));
    }

    private static float[][] Rows(Tensor tensor) => [.. tensor.contiguous().reshape(tensor.shape[0], -1).unbind(0).Select(row => row.data<float>().ToArray())];
}
