using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// The steps from a decoded image to the model's input, written as one line: <c>random_resized_crop(224, scale=(0.35, 1))|hflip</c>.
/// An argument is given by its place or by its name. <c>normalize</c> may stand at the end, and is ImageNet's where it does not;
/// only <c>random_erasing</c>, which works on normalised values, may follow it.
/// </summary>
public sealed class TransformPipeline(IReadOnlyList<ImageTransform> steps, Normalize normalize, string text, RandomErasing? erasing = null)
{
    public IReadOnlyList<ImageTransform> Steps { get; } = steps;

    public Normalize Normalize { get; } = normalize;

    /// <summary>What is erased of the normalised image, or null.</summary>
    public RandomErasing? Erasing { get; } = erasing;

    /// <summary>The size (H, W) of every result, or null where it depends on the image.</summary>
    public (int Height, int Width)? OutputSize { get; } =
        steps.Aggregate(((int Height, int Width)?)null, (size, step) => step.SizeAfter(size));

    /// <summary>Every step with its arguments and their defaults, as in <c>resize(size, interpolation=bilinear)</c>.</summary>
    public static IReadOnlyList<string> Signatures { get; } = [.. TransformSyntax.All.Select(syntax => syntax.Signature)];

    /// <summary>Reads the one-line form.</summary>
    /// <exception cref="UserError">A step or argument is unknown, missing or out of range; the message gives its column.</exception>
    public static TransformPipeline Parse(string line)
    {
        var calls = TransformLine.Parse(line);
        object[] steps = [.. calls.Select(call => TransformSyntax.Make(line, call, TransformSyntax.All))];
        RequireLast<RandomErasing>(line, calls, steps, Array.FindLastIndex(steps, step => step is not RandomErasing) + 1);
        RequireLast<Normalize>(line, calls, steps, Array.FindLastIndex(steps, step => step is ImageTransform) + 1);
        return new TransformPipeline(
            [.. steps.OfType<ImageTransform>()], steps.OfType<Normalize>().LastOrDefault() ?? Normalize.ImageNet, line, steps.OfType<RandomErasing>().LastOrDefault());
    }

    /// <summary>The same steps with other constants.</summary>
    public TransformPipeline With(Normalize other) => new(Steps, other, text, Erasing);

    /// <summary>The usual augmentation: parts of random area and aspect ratio, and mirror images.</summary>
    /// <param name="imageSize">Height and width of the result.</param>
    /// <param name="interpolation">How parts are resized.</param>
    public static TransformPipeline Training(int imageSize, Interpolation interpolation = Interpolation.Bilinear) =>
        Parse($"random_resized_crop({imageSize}, interpolation={Word(interpolation)})|hflip");

    /// <summary>The usual preparation for measuring: the middle of the image.</summary>
    /// <param name="imageSize">Height and width of the result.</param>
    /// <param name="cropPct">The part of the resized image's shorter side that is kept.</param>
    /// <param name="interpolation">How the image is resized.</param>
    public static TransformPipeline Evaluation(int imageSize, double cropPct = 0.875, Interpolation interpolation = Interpolation.Bicubic) =>
        Parse($"resize({(int)Math.Floor(imageSize / cropPct)}, {Word(interpolation)})|center_crop({imageSize})");

    /// <summary>Applies all steps but <see cref="Normalize"/>. The result may be the input itself.</summary>
    public Image Apply(Image image, ImageScratch scratch, ref SeededRandom random)
    {
        foreach (var step in Steps)
            image = step.Apply(image, scratch, ref random);
        return image;
    }

    /// <summary>Normalises what <see cref="Apply"/> gave and erases a part of it.</summary>
    /// <param name="image">(H, W, 3) bytes.</param>
    /// <param name="planes">Takes (3, H, W).</param>
    /// <param name="random">What <see cref="Apply"/> left.</param>
    public void Finish(Image image, Span<float> planes, ref SeededRandom random)
    {
        Normalize.Apply(image, planes);
        Erasing?.Apply(planes, image.Height, image.Width, ref random);
    }

    /// <summary>What the steps will read of an image of the given size.</summary>
    /// <param name="width">Its width.</param>
    /// <param name="height">Its height.</param>
    /// <param name="random">A copy of what <see cref="Apply"/> will be given.</param>
    public ImageNeed Need(int width, int height, SeededRandom random) =>
        Steps.Count > 0 ? Steps[0].Need(width, height, random) : ImageNeed.All(width, height);

    public override string ToString() => text;

    /// <summary>Steps of a kind stand at the end, from the given place on, at most once.</summary>
    internal static void RequireLast<T>(string line, IReadOnlyList<TransformCall> calls, object[] steps, int place)
    {
        int first = Array.FindIndex(steps, step => step is T);
        int next = first + 1;
        if (first < 0 || (first >= place && (next == steps.Length || steps[next] is not T)))
            return;
        throw TransformLine.Error(line, calls[next].Position, $"'{calls[next].Name}' follows '{calls[first].Name}'",
            $"put '{calls[first].Name}' at the end, once");
    }

    private static string Word(Interpolation interpolation) => interpolation.ToString().ToLowerInvariant();
}
