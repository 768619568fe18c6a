namespace Attention.Data;

/// <summary>
/// Resizes so that the shorter side has one of the given lengths, chosen at random, and the longer side at most another: torchvision's
/// <c>GeneralizedRCNNTransform</c>, the usual preparation of detectors.
/// </summary>
/// <param name="sizes">Of the shorter side.</param>
/// <param name="max">Of the longer side; 0 for no limit.</param>
/// <param name="antialias">
/// Whether bytes are resized as Pillow does (DETR, detectron2), rather than values at the end, normalised, without a wider filter
/// (torchvision's detectors).
/// </param>
public sealed class DenseResize(int[] sizes, int max = 0, bool antialias = false) : DenseTransform
{
    public override DenseImage Apply(DenseImage input, DenseContext context, ref SeededRandom random)
    {
        int size = sizes[sizes.Length == 1 ? 0 : random.Next(sizes.Length)];
        var (height, width) = SizeOf(input.Height, input.Width, size, max);
        var resized = input.Settled(context.Scratch).Resize(height, width);
        return antialias ? resized.Settled(context.Scratch) : resized;
    }

    /// <summary>
    /// The size that torchvision's detectors give an image: the scale in single precision, the reciprocal of a side rounded before it
    /// is multiplied, sides in double precision and rounded down.
    /// </summary>
    public static (int Height, int Width) SizeOf(int height, int width, int size, int max)
    {
        float scale = size * (1f / Math.Min(height, width));
        if (max > 0)
            scale = Math.Min(scale, max * (1f / Math.Max(height, width)));
        return (Scaled(height, scale), Scaled(width, scale));
    }

    internal static int Scaled(int side, double scale) => Math.Max(1, (int)Math.Floor(side * scale));
}

/// <summary>
/// Large-scale jitter (Ghiasi et al., arXiv:2012.07177): resizes to a random share of the given size, then cuts or pads to it.
/// </summary>
/// <param name="height">Of the result.</param>
/// <param name="width">Of the result.</param>
/// <param name="scale">The share, from and to; the paper's is (0.1, 2).</param>
/// <param name="fill">The colour beyond the image.</param>
public sealed class LargeScaleJitter(int height, int width, (double Low, double High) scale, Colour fill = default) : DenseTransform
{
    public override DenseImage Apply(DenseImage input, DenseContext context, ref SeededRandom random)
    {
        double factor = random.Uniform(scale.Low, scale.High) * Math.Min((double)height / input.Height, (double)width / input.Width);
        var resized = input.Resize(DenseResize.Scaled(input.Height, factor), DenseResize.Scaled(input.Width, factor));
        int left = random.Between(0, Math.Max(0, resized.Width - width)), top = random.Between(0, Math.Max(0, resized.Height - height));
        return resized.Crop(left, top, height, width, fill, context.Scratch);
    }
}

/// <summary>
/// With some probability, cuts a part of random size that holds at least one object by half; the whole image where none is found
/// in ten attempts.
/// </summary>
/// <param name="scale">The part's height and width as shares of the image's, from and to.</param>
/// <param name="probability">How likely anything is cut.</param>
public sealed class DenseCrop((double Low, double High) scale, double probability = 0.5) : DenseTransform
{
    public override DenseImage Apply(DenseImage input, DenseContext context, ref SeededRandom random)
    {
        if (!random.Chance(probability))
            return input;
        for (int attempt = 0; attempt < 10; attempt++)
        {
            int height = DenseResize.Scaled(input.Height, random.Uniform(scale.Low, scale.High));
            int width = DenseResize.Scaled(input.Width, random.Uniform(scale.Low, scale.High));
            int left = random.Between(0, input.Width - width), top = random.Between(0, input.Height - height);
            if (input.Objects.Count == 0 || input.Objects.Any(each => Share(each.Box, left, top, height, width) >= 0.5))
                return input.Crop(left, top, height, width, Colour.Black, context.Scratch);
        }
        return input;
    }

    private static double Share(float[] box, int left, int top, int height, int width) =>
        DenseBoxes.Area(DenseBoxes.Clip(DenseBoxes.Move(box, -left, -top), height, width)) / DenseBoxes.Area(box);
}

/// <summary>
/// DETR's augmentation (Carion et al., arXiv:2005.12872): with some probability, resizes the shorter side to one of some lengths and
/// cuts a part of random size; <see cref="DenseResize"/> follows.
/// </summary>
/// <param name="sizes">Of the shorter side; DETR's are 400, 500 and 600.</param>
/// <param name="least">The least height and width of the part.</param>
/// <param name="most">The greatest.</param>
/// <param name="probability">How likely anything happens.</param>
public sealed class ResizeCrop(int[] sizes, int least = 384, int most = 600, double probability = 0.5) : DenseTransform
{
    public override DenseImage Apply(DenseImage input, DenseContext context, ref SeededRandom random)
    {
        if (!random.Chance(probability))
            return input;
        var (resizedHeight, resizedWidth) = DenseResize.SizeOf(input.Height, input.Width, sizes[random.Next(sizes.Length)], 0);
        var resized = input.Resize(resizedHeight, resizedWidth);
        int width = random.Between(Math.Min(least, resizedWidth), Math.Min(most, resizedWidth));
        int height = random.Between(Math.Min(least, resizedHeight), Math.Min(most, resizedHeight));
        int left = random.Between(0, resizedWidth - width), top = random.Between(0, resizedHeight - height);
        return resized.Crop(left, top, height, width, Colour.Black, context.Scratch);
    }
}

/// <summary>Mirrors left and right with the given probability; left and right keypoints change places.</summary>
public sealed class DenseFlip(double probability = 0.5) : DenseTransform
{
    public override DenseImage Apply(DenseImage input, DenseContext context, ref SeededRandom random) =>
        random.Chance(probability) ? input.Flip(context.Mirror, context.Scratch) : input;
}

/// <summary>A step that changes colours and moves nothing.</summary>
public sealed class DenseColours(ImageTransform colours) : DenseTransform
{
    public override DenseImage Apply(DenseImage input, DenseContext context, ref SeededRandom random) =>
        input with { Source = colours.Apply(input.Source, context.Scratch, ref random) };
}
