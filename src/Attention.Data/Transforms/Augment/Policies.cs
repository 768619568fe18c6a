namespace Attention.Data;

/// <summary>The tables of the automatic augmentation policies.</summary>
internal static class Policies
{
    private static readonly Dictionary<string, string> Tables = new()
    {
        // AutoAugment's policy for ImageNet (Cubuk et al., arXiv:1805.09501, table 9): operation, probability, magnitude.
        ["original"] = """
            PosterizeOriginal 0.4 8, Rotate 0.6 9
            Solarize 0.6 5, AutoContrast 0.6 5
            Equalize 0.8 8, Equalize 0.6 3
            PosterizeOriginal 0.6 7, PosterizeOriginal 0.6 6
            Equalize 0.4 7, Solarize 0.2 4
            Equalize 0.4 4, Rotate 0.8 8
            Solarize 0.6 3, Equalize 0.6 7
            PosterizeOriginal 0.8 5, Equalize 1 2
            Rotate 0.2 3, Solarize 0.6 8
            Equalize 0.6 8, PosterizeOriginal 0.4 6
            Rotate 0.8 8, Color 0.4 0
            Rotate 0.4 9, Equalize 0.6 2
            Equalize 0 7, Equalize 0.8 8
            Invert 0.6 4, Equalize 1 8
            Color 0.6 4, Contrast 1 8
            Rotate 0.8 8, Color 1 2
            Color 0.8 8, Solarize 0.8 7
            Sharpness 0.4 7, Invert 0.6 8
            ShearX 0.6 5, Equalize 1 9
            Color 0.4 0, Equalize 0.6 3
            Equalize 0.4 7, Solarize 0.2 4
            Solarize 0.6 5, AutoContrast 0.6 5
            Invert 0.6 4, Equalize 1 8
            Color 0.6 4, Contrast 1 8
            Equalize 0.8 8, Equalize 0.6 3
            """,
        // The one that EfficientNet was trained with.
        ["v0"] = """
            Equalize 0.8 1, ShearY 0.8 4
            Color 0.4 9, Equalize 0.6 3
            Color 0.4 1, Rotate 0.6 8
            Solarize 0.8 3, Equalize 0.4 7
            Solarize 0.4 2, Solarize 0.6 2
            Color 0.2 0, Equalize 0.8 8
            Equalize 0.4 8, SolarizeAdd 0.8 3
            ShearX 0.2 9, Rotate 0.6 8
            Color 0.6 1, Equalize 1 2
            Invert 0.4 9, Rotate 0.6 0
            Equalize 1 9, ShearY 0.6 3
            Color 0.4 7, Equalize 0.6 0
            Posterize 0.4 6, AutoContrast 0.4 7
            Solarize 0.6 8, Color 0.6 9
            Solarize 0.2 4, Rotate 0.8 9
            Rotate 1 7, TranslateYRel 0.8 9
            ShearX 0 0, Solarize 0.8 4
            ShearY 0.8 0, Color 0.6 4
            Color 1 0, Rotate 0.6 2
            Equalize 0.8 4, Equalize 0 8
            Equalize 1 4, AutoContrast 0.6 2
            ShearY 0.4 7, SolarizeAdd 0.6 7
            Posterize 0.8 2, Solarize 0.6 10
            Solarize 0.6 8, Equalize 0.6 1
            Color 0.8 6, Rotate 0.4 5
            """,
        // 3-Augment (Touvron et al., arXiv:2204.07118).
        ["3a"] = """
            Solarize 1 5
            Desaturate 1 10
            GaussianBlurRand 1 10
            """,
    };

    /// <summary>What AutoAugment's policies are called. Those that end with r remove more bits with higher magnitudes.</summary>
    public static IReadOnlyList<string> Names { get; } = ["original", "originalr", "v0", "v0r", "3a"];

    /// <summary>RandAugment's operations (Cubuk et al., arXiv:1909.13719).</summary>
    public static IReadOnlyList<string> Random { get; } =
    [
        "AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd", "Color", "Contrast", "Brightness",
        "Sharpness", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel",
    ];

    /// <summary>The same where all change more with higher magnitudes, as timm has them.</summary>
    public static IReadOnlyList<string> RandomIncreasing { get; } =
    [
        "AutoContrast", "Equalize", "Invert", "Rotate", "PosterizeIncreasing", "SolarizeIncreasing", "SolarizeAdd", "ColorIncreasing",
        "ContrastIncreasing", "BrightnessIncreasing", "SharpnessIncreasing", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel",
    ];

    /// <summary>AugMix's operations (Hendrycks et al., arXiv:1912.02781), with the enhancements that timm adds.</summary>
    public static IReadOnlyList<string> Mix { get; } =
    [
        "AutoContrast", "ColorIncreasing", "ContrastIncreasing", "BrightnessIncreasing", "SharpnessIncreasing", "Equalize", "Rotate",
        "PosterizeIncreasing", "SolarizeIncreasing", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel",
    ];

    /// <summary>The sub-policies of a policy, of which one is applied to an image.</summary>
    public static AugmentOp[][] Of(string name)
    {
        bool increasing = name.EndsWith('r');
        string table = Tables[increasing ? name[..^1] : name];
        if (increasing)
            table = table.Replace("PosterizeOriginal", "Posterize").Replace("Posterize", "PosterizeIncreasing");
        return [.. table.Split('\n').Select(line => line.Split(',').Select(Parse).ToArray())];
    }

    private static AugmentOp Parse(string text)
    {
        var parts = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var culture = System.Globalization.CultureInfo.InvariantCulture;
        return new AugmentOp(parts[0], double.Parse(parts[1], culture), double.Parse(parts[2], culture));
    }
}
