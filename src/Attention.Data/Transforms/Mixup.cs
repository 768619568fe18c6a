using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Data;

/// <summary>
/// Mixes each image of a batch with its partner, which is the one at the same distance from the batch's other end, and gives the
/// targets that belong to it. Follows timm's Mixup.
/// </summary>
/// <param name="config">What is mixed, and how strongly.</param>
/// <param name="classes">Number of classes, C.</param>
/// <param name="seed">What is drawn depends on (seed, epoch, step) alone.</param>
public sealed class Mixup(MixupConfig config, int classes, long seed)
{
    // Apart from the keys of the order and of each image's augmentation.
    private const long MixKey = -2;

    /// <summary>Mixes a batch.</summary>
    /// <param name="images">(B, C, H, W), floating point; is not written to.</param>
    /// <param name="labels">(B), int64, on the same device.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="step">The batch's number in it.</param>
    /// <returns>Images of the same shape and targets (B, classes) that sum to 1 in each row.</returns>
    public (Tensor images, Tensor targets) Apply(Tensor images, Tensor labels, long epoch, long step)
    {
        var random = new SeededRandom(seed, epoch, step, MixKey);
        var plan = MixPlan.Draw(config, (int)images.shape[0], (int)images.shape[2], (int)images.shape[3], ref random);
        return (Mix(images, plan), Targets(labels, plan));
    }

    /// <summary>Targets (B, classes) of images that are not mixed, smoothed alike: for measuring the same loss.</summary>
    public Tensor Targets(Tensor labels) => Targets(labels, MixPlan.None((int)labels.shape[0]));

    internal static Tensor Mix(Tensor images, MixPlan plan)
    {
        using var scope = NewDisposeScope();
        var mixed = images;
        if (plan.Blends)
        {
            var share = Column(plan.Blend, images).reshape(-1, 1, 1, 1);
            mixed = images * share + images.flip(0) * (1 - share);
        }
        if (plan.Boxes.All(box => box.IsEmpty))
            return ReferenceEquals(mixed, images) ? images.alias().MoveToOuterDisposeScope() : mixed.MoveToOuterDisposeScope();
        if (ReferenceEquals(mixed, images))
            mixed = images.clone();
        if (plan.Boxes.Distinct().Count() == 1)
            Part(mixed, plan.Boxes[0]).copy_(Part(images, plan.Boxes[0]).flip(0));
        else
            for (int i = 0; i < plan.Boxes.Length; i++)
                if (!plan.Boxes[i].IsEmpty)
                    Part(mixed.narrow(0, i, 1), plan.Boxes[i]).copy_(Part(images.narrow(0, plan.Boxes.Length - 1 - i, 1), plan.Boxes[i]));
        return mixed.MoveToOuterDisposeScope();
    }

    internal Tensor Targets(Tensor labels, MixPlan plan)
    {
        using var scope = NewDisposeScope();
        var own = nn.functional.one_hot(labels, classes).to(ScalarType.Float32) * (1 - config.label_smoothing) + config.label_smoothing / classes;
        var share = Column(plan.Share, own).unsqueeze(1);
        return (own * share + own.flip(0) * (1 - share)).MoveToOuterDisposeScope();
    }

    private static Tensor Part(Tensor images, MixBox box) => images.narrow(2, box.Top, box.Height).narrow(3, box.Left, box.Width);

    private static Tensor Column(float[] values, Tensor like) => tensor(values).to(like.dtype).to(like.device);
}

/// <summary>The part of an image into which its partner's is pasted.</summary>
internal readonly record struct MixBox(int Top, int Left, int Height, int Width)
{
    public bool IsEmpty => Height <= 0 || Width <= 0;
}

/// <summary>What happens to each image of a batch.</summary>
/// <param name="Blend">The image's own share of its pixels; 1 where it is not blended.</param>
/// <param name="Boxes">What is pasted over it.</param>
/// <param name="Share">The share of its own label.</param>
internal sealed record MixPlan(float[] Blend, MixBox[] Boxes, float[] Share)
{
    public bool Blends => Blend.Any(share => share != 1);

    public static MixPlan None(int batch)
    {
        float[] ones = [.. Enumerable.Repeat(1f, batch)];
        return new MixPlan(ones, new MixBox[batch], ones);
    }

    public static MixPlan Draw(MixupConfig config, int batch, int height, int width, ref SeededRandom random)
    {
        var plan = new MixPlan([.. Enumerable.Repeat(1f, batch)], new MixBox[batch], [.. Enumerable.Repeat(1f, batch)]);
        int draws = config.mode switch { MixupMode.Batch => 1, MixupMode.Pair => batch / 2, _ => batch };
        for (int i = 0; i < draws; i++)
        {
            var (blend, box, share) = DrawOne(config, height, width, ref random);
            int[] images = config.mode switch
            {
                MixupMode.Batch => [.. Enumerable.Range(0, batch)],
                MixupMode.Pair => [i, batch - 1 - i],
                _ => [i],
            };
            foreach (int image in images)
                (plan.Blend[image], plan.Boxes[image], plan.Share[image]) = (blend, box, share);
        }
        return plan;
    }

    private static (float Blend, MixBox Box, float Share) DrawOne(MixupConfig config, int height, int width, ref SeededRandom random)
    {
        bool mixes = config.mixup_alpha > 0, cuts = config.Cuts;
        if (!(mixes || cuts) || !random.Chance(config.prob))
            return (1, default, 1);
        if (!(cuts && (!mixes || random.Chance(config.switch_prob))))
        {
            float share = (float)random.Beta(config.mixup_alpha, config.mixup_alpha);
            return (share, default, share);
        }
        if (config.cutmix_minmax is { } sides)
        {
            int h = Side(height, sides, ref random), w = Side(width, sides, ref random);
            var inside = new MixBox(random.Next(height - h + 1), random.Next(width - w + 1), h, w);
            return (1, inside, ShareAround(inside, height, width));
        }
        double kept = random.Beta(config.cutmix_alpha, config.cutmix_alpha);
        var box = BoxOf(kept, height, width, ref random);
        return (1, box, config.correct_lam ? ShareAround(box, height, width) : (float)kept);
    }

    /// <summary>A box of 1 - kept of the image's area around a random point, as far as it lies within the image.</summary>
    private static MixBox BoxOf(double kept, int height, int width, ref SeededRandom random)
    {
        double ratio = Math.Sqrt(1 - kept);
        int h = (int)(height * ratio), w = (int)(width * ratio);
        int y = random.Next(height), x = random.Next(width);
        int top = Math.Max(0, y - h / 2), left = Math.Max(0, x - w / 2);
        return new MixBox(top, left, Math.Min(height, y + h / 2) - top, Math.Min(width, x + w / 2) - left);
    }

    private static int Side(int length, (double Low, double High) shares, ref SeededRandom random)
    {
        int low = (int)(length * shares.Low);
        return Math.Min(length, random.Between(low, Math.Max(low, (int)(length * shares.High) - 1)));
    }

    private static float ShareAround(MixBox box, int height, int width) =>
        box.IsEmpty ? 1 : (float)(1 - (double)box.Height * box.Width / ((double)height * width));
}
