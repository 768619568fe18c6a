using Attention.Torch;

namespace Attention.Data;

/// <summary>One of a policy's chains of operations, chosen at random (AutoAugment, arXiv:1805.09501; and 3-Augment, arXiv:2204.07118).</summary>
/// <param name="policy">One of original, originalr, v0, v0r and 3a.</param>
/// <param name="std">The standard deviation of magnitudes.</param>
/// <param name="fill">The colour of what comes from outside of the image.</param>
public sealed class AutoAugment(string policy = "original", double std = 0, Colour fill = default) : ImageTransform
{
    private readonly AugmentOp[][] _policy = Policies.Of(policy);
    private readonly AugmentSettings _settings = new(fill, std);

    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        foreach (var op in _policy[random.Next(_policy.Length)])
            input = op.Apply(input, scratch, _settings, ref random);
        return input;
    }
}

/// <summary>
/// RandAugment (Cubuk et al., arXiv:1909.13719) as timm has it: each of some operations, drawn with replacement, is applied with a
/// probability. <c>rand_augment(9, 0.5)</c> is timm's <c>rand-m9-mstd0.5-inc1</c>.
/// </summary>
/// <param name="magnitude">Strength; 10 is full.</param>
/// <param name="std">The standard deviation of the magnitude; above 100, it is drawn uniformly from 0 on.</param>
/// <param name="layers">How many operations are drawn.</param>
/// <param name="probability">How likely each of them is applied.</param>
/// <param name="increasing">Whether every operation changes more with a higher magnitude.</param>
/// <param name="max">The highest magnitude.</param>
/// <param name="fill">The colour of what comes from outside of the image.</param>
public sealed class RandAugment(
    double magnitude = 9, double std = 0.5, int layers = 2, double probability = 0.5, bool increasing = true, double max = AugmentOp.FullMagnitude,
    Colour fill = default) : ImageTransform
{
    private readonly AugmentOp[] _ops = [.. (increasing ? Policies.RandomIncreasing : Policies.Random).Select(name => new AugmentOp(name, probability, magnitude))];
    private readonly AugmentSettings _settings = new(fill, std > 100 ? double.PositiveInfinity : std, max);

    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        for (int layer = 0; layer < layers; layer++)
            input = _ops[random.Next(_ops.Length)].Apply(input, scratch, _settings, ref random);
        return input;
    }
}

/// <summary>
/// AugMix (Hendrycks et al., arXiv:1912.02781): the image blended with a mixture of chains of operations, as timm has it.
/// </summary>
/// <param name="magnitude">The highest magnitude; each operation draws its own from 0 on.</param>
/// <param name="width">Number of chains.</param>
/// <param name="depth">Operations of a chain; 0 draws 1 to 3.</param>
/// <param name="alpha">Of the Dirichlet and Beta distributions of the shares.</param>
/// <param name="fill">The colour of what comes from outside of the image.</param>
public sealed class AugMix(double magnitude = 3, int width = 3, int depth = 0, double alpha = 1, Colour fill = default) : ImageTransform
{
    private readonly AugmentOp[] _ops = [.. Policies.Mix.Select(name => new AugmentOp(name, 1, magnitude))];
    private readonly AugmentSettings _settings = new(fill, double.PositiveInfinity);

    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        Span<float> shares = stackalloc float[width];
        for (int chain = 0; chain < width; chain++)
            shares[chain] = (float)random.Gamma(alpha);
        float sum = 0, mixed = (float)random.Beta(alpha, alpha);
        foreach (float share in shares)
            sum += share;

        var original = scratch.Keep(input);
        var values = scratch.Sums(original.Pixels.Length);
        values.Clear();
        foreach (float share in shares)
        {
            var chained = original;
            for (int left = depth > 0 ? depth : random.Between(1, 3); left > 0; left--)
                chained = _ops[random.Next(_ops.Length)].Apply(chained, scratch, _settings, ref random);
            var pixels = chained.Pixels;
            for (int i = 0; i < pixels.Length; i++)
                values[i] += share / sum * pixels[i];
        }
        var output = scratch.Take(original.Width, original.Height);
        var from = original.Pixels;
        var to = output.Pixels;
        for (int i = 0; i < to.Length; i++)
            to[i] = Colours.Blend(from[i], (byte)Math.Clamp(values[i], 0, 255), mixed);
        return output;
    }
}

/// <summary>
/// TrivialAugment (Müller and Hutter, arXiv:2103.10158) with the wide ranges: one operation of a random strength, as torchvision's
/// <c>TrivialAugmentWide</c>.
/// </summary>
public sealed class TrivialAugment(Colour fill = default) : ImageTransform
{
    private const int Strengths = 31;

    private static readonly string[] Operations =
    [
        "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness", "Posterize",
        "Solarize", "AutoContrast", "Equalize",
    ];

    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        string name = Operations[random.Next(Operations.Length)];
        int strength = random.Next(Strengths), sign = random.Chance(0.5) ? -1 : 1;
        if (name == "Identity")
            return input;
        var output = scratch.Take(input.Width, input.Height);
        Run(name, input, output, strength, sign, fill);
        return output;
    }

    /// <summary>One operation at a strength of 0 to 30, in one direction or the other where it has two.</summary>
    internal static void Run(string name, Image input, Image output, int strength, int sign, Colour fill)
    {
        double enhanced = 1 + sign * Level(0.99f);
        switch (name)
        {
            case "ShearX": Moved(AffineMap.ShearX(sign * Level(0.99f))); break;
            case "ShearY": Moved(AffineMap.ShearY(sign * Level(0.99f))); break;
            case "TranslateX": Moved(AffineMap.Shift(-sign * (int)Level(32), 0)); break;
            case "TranslateY": Moved(AffineMap.Shift(0, -sign * (int)Level(32))); break;
            case "Rotate": Warp.Rotate(input, output, sign * Level(135), WarpFilter.Nearest, fill); break;
            case "Brightness": Colours.Brightness(input, output, enhanced); break;
            case "Color": Colours.Saturation(input, output, enhanced); break;
            case "Contrast": Colours.Contrast(input, output, enhanced); break;
            case "Sharpness": Colours.Sharpness(input, output, enhanced); break;
            case "Posterize": Colours.Posterize(input, output, 8 - (int)Math.Round(strength / 5.0, MidpointRounding.ToEven)); break;
            case "Solarize": Colours.Solarize(input, output, (int)Math.Ceiling(255 - Level(255))); break;
            case "AutoContrast": Colours.AutoContrast(input, output); break;
            case "Equalize": Colours.Equalize(input, output); break;
            default: throw new ArgumentException($"there is no operation '{name}'");
        }

        // As torch.linspace has it, to the bit.
        double Level(float full) => 2 * strength < Strengths ? full / (Strengths - 1) * strength : full - full / (Strengths - 1) * (Strengths - 1 - strength);

        void Moved(AffineMap map) => Warp.Apply(input, output, map, WarpFilter.Nearest, fill);
    }
}

/// <summary>
/// Changes brightness, contrast, saturation and hue at random, in random order (torchvision's <c>ColorJitter</c>).
/// </summary>
/// <param name="brightness">Multiplied by 1 - x to 1 + x.</param>
/// <param name="contrast">Likewise.</param>
/// <param name="saturation">Likewise.</param>
/// <param name="hue">Turned by -x to x of the circle, at most 0.5.</param>
/// <param name="probability">How likely anything happens.</param>
public sealed class ColorJitter(double brightness = 0, double contrast = 0, double saturation = 0, double hue = 0, double probability = 1) : ImageTransform
{
    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        if (!random.Chance(probability))
            return input;
        Span<int> order = [0, 1, 2, 3];
        random.Shuffle(order);
        double bright = Factor(brightness, ref random), contrasted = Factor(contrast, ref random), saturated = Factor(saturation, ref random);
        double turned = random.Uniform(-hue, hue);
        foreach (int step in order)
            input = step switch
            {
                0 when brightness > 0 => With(input, scratch, bright, Colours.Brightness),
                1 when contrast > 0 => With(input, scratch, contrasted, Colours.Contrast),
                2 when saturation > 0 => With(input, scratch, saturated, Colours.Saturation),
                3 when hue > 0 => With(input, scratch, turned, Colours.Hue),
                _ => input,
            };
        return input;
    }

    private static double Factor(double range, ref SeededRandom random) => random.Uniform(Math.Max(0, 1 - range), 1 + range);

    private static Image With(Image input, ImageScratch scratch, double factor, Action<Image, Image, double> change)
    {
        var output = scratch.Take(input.Width, input.Height);
        change(input, output, factor);
        return output;
    }
}

/// <summary>An operation that is applied with a probability: grayscale, solarize, gaussian_blur and their like.</summary>
/// <param name="probability">How likely it is applied.</param>
/// <param name="run">Fills the second image from the first.</param>
public sealed class Sometimes(double probability, Sometimes.Operation run) : ImageTransform
{
    /// <summary>Fills the output, which has the input's size.</summary>
    public delegate void Operation(Image input, Image output, ref SeededRandom random);

    public override Image Apply(Image input, ImageScratch scratch, ref SeededRandom random)
    {
        if (!random.Chance(probability))
            return input;
        var output = scratch.Take(input.Width, input.Height);
        run(input, output, ref random);
        return output;
    }
}
