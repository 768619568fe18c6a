using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// The steps from a decoded image to the model's input. Written as one line, <c>random_resized_crop(224)|hflip</c>, with the
/// steps resize, squash, center_crop, pad_crop, random_resized_crop and hflip; normalize may stand at the end, and is ImageNet's
/// where it does not.
/// </summary>
public sealed class TransformPipeline(IReadOnlyList<ImageTransform> steps, Normalize normalize, string text)
{
    public IReadOnlyList<ImageTransform> Steps { get; } = steps;

    public Normalize Normalize { get; } = normalize;

    /// <summary>The size (H, W) of every result, or null where it depends on the image.</summary>
    public (int Height, int Width)? OutputSize { get; } =
        steps.Aggregate(((int Height, int Width)?)null, (size, step) => step.SizeAfter(size));

    /// <summary>Reads the one-line form.</summary>
    /// <exception cref="UserError">The line has a step or a value that is unknown, missing or out of range; the message says which.</exception>
    public static TransformPipeline Parse(string line) => TransformParser.Parse(line);

    /// <summary>Applies all steps but <see cref="Normalize"/>. The result may be the input itself.</summary>
    public Image Apply(Image image, ImageScratch scratch, ref SeededRandom random)
    {
        foreach (var step in Steps)
            image = step.Apply(image, scratch, ref random);
        return image;
    }

    /// <summary>The shorter side that an image has to keep when it is decoded at a smaller scale; 0 for the full size.</summary>
    public int MinSide(int width, int height, SeededRandom random) => Steps.Count > 0 ? Steps[0].MinSide(width, height, random) : 0;

    public override string ToString() => text;
}
