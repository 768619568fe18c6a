using Attention.Torch;

namespace Attention.Data;

/// <summary>What all operations of a policy share.</summary>
/// <param name="Fill">The colour of what comes from outside of the image.</param>
/// <param name="Std">The standard deviation of magnitudes; infinity draws them uniformly from 0 on.</param>
/// <param name="Max">The highest magnitude; 10 is full strength.</param>
internal sealed record AugmentSettings(Colour Fill, double Std, double Max = AugmentOp.FullMagnitude);

/// <summary>
/// An operation of the automatic augmentation policies, at a magnitude of 0 to 10. Follows timm's auto_augment: which argument a
/// magnitude stands for, and that warps read bilinearly or bicubically at random.
/// </summary>
internal sealed record AugmentOp(string Name, double Probability, double Magnitude)
{
    public const double FullMagnitude = 10;

    private delegate void Operation(Image input, Image output, double level, AugmentSettings settings, ref SeededRandom random);

    // The level is the magnitude as a share of full strength.
    private static readonly Dictionary<string, Operation> Operations = new()
    {
        ["AutoContrast"] = static (Image input, Image output, double _, AugmentSettings _, ref SeededRandom _) => Colours.AutoContrast(input, output),
        ["Equalize"] = static (Image input, Image output, double _, AugmentSettings _, ref SeededRandom _) => Colours.Equalize(input, output),
        ["Invert"] = static (Image input, Image output, double _, AugmentSettings _, ref SeededRandom _) => Colours.Invert(input, output),
        ["Posterize"] = static (Image input, Image output, double level, AugmentSettings _, ref SeededRandom _) =>
            Colours.Posterize(input, output, (int)(level * 4)),
        ["PosterizeIncreasing"] = static (Image input, Image output, double level, AugmentSettings _, ref SeededRandom _) =>
            Colours.Posterize(input, output, Math.Max(0, 4 - (int)(level * 4))),
        ["PosterizeOriginal"] = static (Image input, Image output, double level, AugmentSettings _, ref SeededRandom _) =>
            Colours.Posterize(input, output, Math.Min(8, (int)(level * 4) + 4)),
        ["Solarize"] = static (Image input, Image output, double level, AugmentSettings _, ref SeededRandom _) =>
            Colours.Solarize(input, output, Math.Min(256, (int)(level * 256))),
        ["SolarizeIncreasing"] = static (Image input, Image output, double level, AugmentSettings _, ref SeededRandom _) =>
            Colours.Solarize(input, output, 256 - Math.Min(256, (int)(level * 256))),
        ["SolarizeAdd"] = static (Image input, Image output, double level, AugmentSettings _, ref SeededRandom _) =>
            Colours.SolarizeAdd(input, output, Math.Min(128, (int)(level * 110))),
        ["Color"] = Enhanced(Colours.Saturation),
        ["Contrast"] = Enhanced(Colours.Contrast),
        ["Brightness"] = Enhanced(Colours.Brightness),
        ["Sharpness"] = Enhanced(Colours.Sharpness),
        ["ColorIncreasing"] = EnhancedMore(Colours.Saturation),
        ["ContrastIncreasing"] = EnhancedMore(Colours.Contrast),
        ["BrightnessIncreasing"] = EnhancedMore(Colours.Brightness),
        ["SharpnessIncreasing"] = EnhancedMore(Colours.Sharpness),
        ["Desaturate"] = static (Image input, Image output, double level, AugmentSettings _, ref SeededRandom _) =>
            Colours.Saturation(input, output, 1 - Math.Clamp(0.5 + 0.5 * level, 0.5, 1)),
        ["GaussianBlur"] = static (Image input, Image output, double level, AugmentSettings _, ref SeededRandom _) =>
            Blur.Gaussian(input, output, Math.Clamp(0.1 + 1.9 * level, 0.1, 2)),
        ["GaussianBlurRand"] = static (Image input, Image output, double level, AugmentSettings _, ref SeededRandom random) =>
            Blur.Gaussian(input, output, random.Uniform(0.1, 2 * Math.Clamp(level, 0, 1))),
        ["Rotate"] = static (Image input, Image output, double level, AugmentSettings settings, ref SeededRandom random) =>
        {
            double degrees = Signed(30 * level, ref random);
            Warp.Rotate(input, output, degrees, Filter(ref random), settings.Fill);
        },
        ["ShearX"] = Warped(static (level, _) => AffineMap.ShearX(0.3 * level)),
        ["ShearY"] = Warped(static (level, _) => AffineMap.ShearY(0.3 * level)),
        ["TranslateXRel"] = Warped(static (level, image) => AffineMap.Shift(0.45 * level * image.Width, 0)),
        ["TranslateYRel"] = Warped(static (level, image) => AffineMap.Shift(0, 0.45 * level * image.Height)),
    };

    /// <summary>The names that there are.</summary>
    public static IReadOnlyCollection<string> Names => Operations.Keys;

    /// <summary>Applies the operation with its probability; the result may be the input itself.</summary>
    public Image Apply(Image input, ImageScratch scratch, AugmentSettings settings, ref SeededRandom random)
    {
        if (Probability < 1 && !random.Chance(Probability))
            return input;
        double magnitude = settings.Std switch
        {
            double.PositiveInfinity => random.Uniform(0, Magnitude),
            > 0 => random.Normal(Magnitude, settings.Std),
            _ => Magnitude,
        };
        var output = scratch.Take(input.Width, input.Height);
        Operations[Name](input, output, Math.Clamp(magnitude, 0, settings.Max) / FullMagnitude, settings, ref random);
        return output;
    }

    /// <summary>One operation at an exact level, for tests against Pillow.</summary>
    internal static void Run(string name, Image input, Image output, double level, AugmentSettings settings, ref SeededRandom random) =>
        Operations[name](input, output, level, settings, ref random);

    // From 0.1 to 1.9: no change in the middle.
    private static Operation Enhanced(Action<Image, Image, double> enhance) =>
        (Image input, Image output, double level, AugmentSettings _, ref SeededRandom _) => enhance(input, output, level * 1.8 + 0.1);

    // Away from no change, in either direction.
    private static Operation EnhancedMore(Action<Image, Image, double> enhance) =>
        (Image input, Image output, double level, AugmentSettings _, ref SeededRandom random) =>
            enhance(input, output, Math.Max(0.1, 1 + Signed(level * 0.9, ref random)));

    private static Operation Warped(Func<double, Image, AffineMap> map) =>
        (Image input, Image output, double level, AugmentSettings settings, ref SeededRandom random) =>
        {
            var own = map(Signed(level, ref random), input);
            Warp.Apply(input, output, own, Filter(ref random), settings.Fill);
        };

    private static double Signed(double value, ref SeededRandom random) => random.Chance(0.5) ? -value : value;

    private static WarpFilter Filter(ref SeededRandom random) => random.Chance(0.5) ? WarpFilter.Bilinear : WarpFilter.Bicubic;
}
