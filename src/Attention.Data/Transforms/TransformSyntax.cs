using Attention.Torch;

namespace Attention.Data;

/// <summary>How a step is written and what it becomes. The signature is its declaration: it names the arguments and gives the defaults.</summary>
internal sealed record TransformSyntax(string Signature, Func<TransformArguments, object> Create)
{
    /// <summary>Every step that a line may hold: an <see cref="ImageTransform"/>, or <see cref="Normalize"/> and <see cref="RandomErasing"/> at the end.</summary>
    public static IReadOnlyList<TransformSyntax> All { get; } =
    [
        new("resize(size, interpolation=bilinear)", a => new Resize(a.Pixels("size"), a.Choice<Interpolation>("interpolation"))),
        new("squash(height, width, interpolation=bilinear)", a =>
            new Squash(a.Pixels("height"), a.Pixels("width"), a.Choice<Interpolation>("interpolation"))),
        new("center_crop(size)", a => new CenterCrop(a.Pixels("size"))),
        new("crop(top, left, height, width)", a =>
            new Crop(a.Pixels("top", 0), a.Pixels("left", 0), a.Pixels("height"), a.Pixels("width"))),
        new("pad_crop(size, padding=4)", a => new PadCrop(a.Pixels("size"), a.Pixels("padding", 0))),
        new("random_resized_crop(size, scale=(0.08, 1), ratio=(3/4, 4/3), interpolation=bilinear)", a =>
            new RandomResizedCrop(a.Pixels("size"), a.Range("scale", 1), a.Range("ratio", 100), a.Choice<Interpolation>("interpolation"))),
        new("hflip(p=0.5)", a => new HorizontalFlip(a.Probability("p"))),
        new("vflip(p=0.5)", a => new VerticalFlip(a.Probability("p"))),
        new("grayscale(p=0.1)", a => new Sometimes(a.Probability("p"), static (Image input, Image output, ref SeededRandom _) => Colours.Grayscale(input, output))),
        new("solarize(threshold=128, p=0.5)", a =>
        {
            int threshold = a.Whole("threshold", 0, 256);
            return new Sometimes(a.Probability("p"), (Image input, Image output, ref SeededRandom _) => Colours.Solarize(input, output, threshold));
        }),
        new("gaussian_blur(radius=(0.1, 2), p=0.5)", a =>
        {
            var radius = a.Range("radius", 100);
            return new Sometimes(a.Probability("p"), (Image input, Image output, ref SeededRandom random) =>
                Blur.Gaussian(input, output, random.Uniform(radius.Low, radius.High)));
        }),
        new("color_jitter(brightness=0, contrast=0, saturation=0, hue=0, p=1)", a => new ColorJitter(
            a.Real("brightness", 0, 100), a.Real("contrast", 0, 100), a.Real("saturation", 0, 100), a.Real("hue", 0, 0.5), a.Probability("p"))),
        new("auto_augment(policy=original, std=0, fill=imagenet)", a => new AutoAugment(a.OneOf("policy", Policies.Names), a.Real("std", 0, 100), a.Fill("fill"))),
        new("rand_augment(magnitude=9, std=0.5, layers=2, p=0.5, increasing=true, max=10, fill=imagenet)", a => new RandAugment(
            a.Real("magnitude", 0, 100), a.Real("std", 0, 1000), a.Whole("layers", 1, 100), a.Probability("p"), a.OneOf("increasing", ["true", "false"]) == "true",
            a.Real("max", 0, 100), a.Fill("fill"))),
        new("trivial_augment(fill=0)", a => new TrivialAugment(a.Fill("fill"))),
        new("aug_mix(magnitude=3, width=3, depth=0, alpha=1, fill=imagenet)", a => new AugMix(
            a.Real("magnitude", 0, 10), a.Whole("width", 1, 100), a.Whole("depth", 0, 100), a.Real("alpha", 0.001, 1000), a.Fill("fill"))),
        new("three_augment(fill=imagenet)", a => new AutoAugment("3a", 0, a.Fill("fill"))),
        new("random_erasing(p=0.25, value=pixel, scale=(0.02, 1/3), ratio=(0.3, 10/3), count=1)", a => new RandomErasing(
            a.Probability("p"), a.Choice<ErasedValue>("value"), a.Range("scale", 1), a.Range("ratio", 100), a.Whole("count", 1, 100))),
        new("normalize(mean=imagenet, std=imagenet)", Normalization),
    ];

    /// <summary>A step of <see cref="All"/> by its name.</summary>
    public static TransformSyntax Of(string name) => All.First(known => known.Declaration.Name == name);

    /// <summary>The signature, taken apart: arguments without a default stand there as mere names.</summary>
    public TransformCall Declaration { get; } = TransformLine.Parse(Signature)[0];

    /// <summary>Makes a step.</summary>
    /// <param name="line">The line that it comes from, for messages.</param>
    /// <param name="call">The step in it.</param>
    /// <param name="all">The steps that the line may hold.</param>
    /// <exception cref="UserError">There is no such step, or its arguments are wrong.</exception>
    public static object Make(string line, TransformCall call, IReadOnlyList<TransformSyntax> all)
    {
        var syntax = all.FirstOrDefault(known => known.Declaration.Name == call.Name)
            ?? throw TransformLine.Error(line, call.Position, $"there is no transform '{call.Name}'",
                Spelling.Advice(call.Name, [.. all.Select(known => known.Declaration.Name)]));
        return syntax.Create(new TransformArguments(line, call, syntax));
    }

    // One name stands for both constants: normalize(half).
    private static Normalize Normalization(TransformArguments arguments)
    {
        if (arguments.IsGiven("std"))
            return new Normalize(arguments.Colour("mean", known => known.Mean), arguments.Colour("std", known => known.Std, above: 0));
        return Normalize.Named.GetValueOrDefault(arguments.Text("mean"))
            ?? throw arguments.Wrong("mean", $"one of: {string.Join(", ", Normalize.Named.Keys)}; or numbers, and then std as well");
    }
}
