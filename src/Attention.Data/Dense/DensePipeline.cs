using Attention.Torch;

namespace Attention.Data;

/// <summary>A random image of the data set with its annotations, into buffers; null where none can be read.</summary>
internal delegate DenseImage? DrawImage(ImageScratch scratch, ref SeededRandom random);

/// <summary>
/// The steps from a decoded image with its annotations to the model's input, written as one line such as
/// <c>large_scale_jitter(640, 640)|hflip|copy_paste</c>. <c>normalize</c> may stand at the end, and is ImageNet's where it does not.
/// </summary>
public sealed class DensePipeline(IReadOnlyList<DenseTransform> steps, Normalize normalize, string text)
{
    private static readonly IReadOnlyList<TransformSyntax> syntax =
    [
        new("resize(size, max=0, antialias=false)", a =>
            new DenseResize(a.AllPixels("size"), a.Pixels("max", 0), a.OneOf("antialias", ["true", "false"]) == "true")),
        new("large_scale_jitter(height, width, scale=(0.1, 2), fill=imagenet)", a =>
            new LargeScaleJitter(a.Pixels("height"), a.Pixels("width"), a.Range("scale", 100), a.Fill("fill"))),
        new("random_scale_crop(height, width, scale=(0.5, 2), most=1, fill=imagenet)", a =>
            new RandomScaleCrop(a.Pixels("height"), a.Pixels("width"), a.Range("scale", 100), a.Probability("most"), a.Fill("fill"))),
        new("random_crop(scale=(0.3, 1), p=0.5)", a => new DenseCrop(a.Range("scale", 1), a.Probability("p"))),
        new("resize_crop(sizes=(400, 500, 600), least=384, most=600, p=0.5)", a =>
            new ResizeCrop(a.AllPixels("sizes"), a.Pixels("least"), a.Pixels("most", a.Pixels("least")), a.Probability("p"))),
        new("hflip(p=0.5)", a => new DenseFlip(a.Probability("p"))),
        new("copy_paste(p=0.5, share=0.5)", a => new CopyPaste(a.Probability("p"), a.Probability("share"))),
        new("mosaic(height, width, p=1, fill=imagenet)", a => new Mosaic(a.Pixels("height"), a.Pixels("width"), a.Probability("p"), a.Fill("fill"))),
        .. new[] { "color_jitter", "grayscale", "solarize", "gaussian_blur" }.Select(TransformSyntax.Of)
            .Select(known => new TransformSyntax(known.Signature, a => new DenseColours((ImageTransform)known.Create(a)))),
        TransformSyntax.Of("normalize"),
    ];

    public IReadOnlyList<DenseTransform> Steps { get; } = steps;

    public Normalize Normalize { get; } = normalize;

    /// <summary>Every step with its arguments and their defaults.</summary>
    public static IReadOnlyList<string> Signatures { get; } = [.. syntax.Select(known => known.Signature)];

    /// <summary>Reads the one-line form.</summary>
    /// <exception cref="UserError">A step or argument is unknown, missing or out of range; the message gives its column.</exception>
    public static DensePipeline Parse(string line)
    {
        var calls = TransformLine.Parse(line);
        object[] steps = [.. calls.Select(call => TransformSyntax.Make(line, call, syntax))];
        TransformPipeline.RequireLast<Normalize>(line, calls, steps, Array.FindLastIndex(steps, step => step is DenseTransform) + 1);
        return new DensePipeline([.. steps.OfType<DenseTransform>()], steps.OfType<Normalize>().LastOrDefault() ?? Normalize.ImageNet, line);
    }

    /// <summary>The same steps with other constants.</summary>
    public DensePipeline With(Normalize other) => new(Steps, other, text);

    public override string ToString() => text;

    /// <summary>Applies all steps but <see cref="Normalize"/>.</summary>
    /// <param name="image">The image as it was read.</param>
    /// <param name="scratch">The buffers of the thread.</param>
    /// <param name="mirror">For each keypoint the one that takes its place in the mirror image.</param>
    /// <param name="draw">Gives other images to mix with.</param>
    /// <param name="random">All randomness.</param>
    internal DenseImage Apply(DenseImage image, ImageScratch scratch, IReadOnlyList<int> mirror, DrawImage draw, ref SeededRandom random) =>
        Apply(Steps.Count, image, scratch, mirror, draw, ref random);

    /// <summary>Normalises what <see cref="Apply(DenseImage, ImageScratch, IReadOnlyList{int}, DrawImage, ref SeededRandom)"/> gave, as (3, H, W), and resizes it where that still has to be done.</summary>
    internal void Finish(DenseImage image, Span<float> planes)
    {
        var source = image.Source;
        if ((source.Height, source.Width) == (image.Height, image.Width))
        {
            Normalize.Apply(source, planes);
            return;
        }
        using var normalized = new RentedFloats(3 * source.Height * source.Width);
        Normalize.Apply(source, normalized.Values);
        PlaneResampling.Bilinear(normalized.Values, source.Height, source.Width, planes, image.Height, image.Width);
    }

    // An image to mix with has been through the steps before the one that mixes.
    private DenseImage Apply(int count, DenseImage image, ImageScratch scratch, IReadOnlyList<int> mirror, DrawImage draw, ref SeededRandom random)
    {
        for (int i = 0; i < count; i++)
        {
            int before = i;
            image = Steps[i].Apply(image, new DenseContext(scratch, mirror, Other), ref random);

            DenseImage? Other(ref SeededRandom random) => draw(scratch.Second, ref random) is { } other
                ? Apply(before, other, scratch.Second, mirror, draw, ref random)
                : null;
        }
        return image;
    }
}
