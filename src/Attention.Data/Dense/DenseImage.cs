using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// An image on its way to the model, with what is known of it: whatever moves or cuts the image does so with boxes, masks,
/// keypoints and classes. Nothing is written to: each step gives a new one.
/// </summary>
/// <param name="Source">
/// The pixels. Where they are of another size than the image, resizing still has to be done: it is left to the end, where it is
/// computed in floating point after normalising, as torchvision's detectors do.
/// </param>
/// <param name="Height">Of the image.</param>
/// <param name="Width">Of the image.</param>
/// <param name="Objects">The objects in it.</param>
/// <param name="Classes">The class of each pixel, (H, W), <see cref="LabelMapFolder.None"/> for none; null where that is not known.</param>
public sealed record DenseImage(Image Source, int Height, int Width, IReadOnlyList<DenseObject> Objects, byte[]? Classes)
{
    // Less of an object than this is gone: a sliver teaches nothing.
    private const double LeastLeft = 0.05;

    public DenseImage(Image image, DenseAnnotations annotations)
        : this(image, image.Height, image.Width, annotations.Objects, annotations.Classes)
    {
    }

    /// <summary>The same with pixels of its own size. What shrinks is antialiased.</summary>
    public DenseImage Settled(ImageScratch scratch)
    {
        if ((Source.Height, Source.Width) == (Height, Width))
            return this;
        var pixels = scratch.Take(Width, Height);
        Resampling.Resize(Source, 0, 0, Source.Width, Source.Height, pixels, Interpolation.Bilinear, scratch);
        return this with { Source = pixels };
    }

    /// <summary>
    /// The image at another size, its pixels left as they are. Boxes are multiplied by the ratio of the sizes in single precision,
    /// masks take the nearest pixel, as torchvision does; keypoints stay in the middle of their pixels.
    /// </summary>
    public DenseImage Resize(int height, int width)
    {
        if ((height, width) == (Height, Width))
            return this;
        float across = (float)width / Width, down = (float)height / Height;
        return this with
        {
            Height = height,
            Width = width,
            Objects = [.. Objects.Select(each => each with
            {
                Box = [each.Box[0] * across, each.Box[1] * down, each.Box[2] * across, each.Box[3] * down],
                Area = each.Area * across * down,
                Mask = each.Mask is null ? null : PixelMaps.Resize(each.Mask, Height, Width, height, width),
                Keypoints = Moved(each.Keypoints, (x, y) => ((x + 0.5f) * across - 0.5f, (y + 0.5f) * down - 0.5f)),
            })],
            Classes = Classes is null ? null : PixelMaps.Resize(Classes, Height, Width, height, width),
        };
    }

    /// <summary>The mirror image.</summary>
    /// <param name="mirror">For each keypoint the one that takes its place: a left eye becomes a right one.</param>
    /// <param name="scratch">Buffers.</param>
    public DenseImage Flip(IReadOnlyList<int> mirror, ImageScratch scratch)
    {
        var pixels = scratch.Take(Source.Width, Source.Height);
        HorizontalFlip.Mirror(Source, pixels);
        return this with
        {
            Source = pixels,
            Objects = [.. Objects.Select(each => each with
            {
                Box = [Width - each.Box[2], each.Box[1], Width - each.Box[0], each.Box[3]],
                Mask = each.Mask is null ? null : PixelMaps.Flip(each.Mask, Height, Width),
                Keypoints = Moved(each.Keypoints is null ? null : [.. mirror.SelectMany(from => each.Keypoints[(3 * from)..(3 * from + 3)])], (x, y) => (Width - 1 - x, y)),
            })],
            Classes = Classes is null ? null : PixelMaps.Flip(Classes, Height, Width),
        };
    }

    /// <summary>
    /// A part of the image, which may reach beyond it. Objects are cut; those of which hardly anything is left go. Beyond the image
    /// there is a colour and no class.
    /// </summary>
    public DenseImage Crop(int left, int top, int height, int width, Colour fill, ImageScratch scratch)
    {
        var settled = Settled(scratch);
        var pixels = scratch.Take(width, height);
        PixelMaps.Copy(settled.Source, left, top, pixels, fill);
        return settled.Window(left, top, height, width) with { Source = pixels };
    }

    /// <summary>What <see cref="Crop"/> does, but for the pixels.</summary>
    internal DenseImage Window(int left, int top, int height, int width) => this with
    {
        Height = height,
        Width = width,
        Objects = [.. Objects.Select(each => Cut(each, left, top, height, width)).OfType<DenseObject>()],
        Classes = Classes is null ? null : PixelMaps.Window(Classes, Height, Width, left, top, height, width, LabelMapFolder.None),
    };

    /// <summary>An object of which some pixels are no longer seen; null where hardly any is.</summary>
    /// <param name="each">The object, with its mask and box as they were.</param>
    /// <param name="mask">What is left of the mask, in an image of this height and width.</param>
    /// <param name="height">Of the image.</param>
    /// <param name="width">Of the image.</param>
    internal static DenseObject? Left(DenseObject each, byte[] mask, int height, int width)
    {
        int before = each.Mask!.AsSpan().Count((byte)1), after = mask.AsSpan().Count((byte)1);
        if (after == before && before > 0)
            return each with { Mask = mask };
        if (after == 0 || after < LeastLeft * before)
            return null;
        return each with { Mask = mask, Box = DenseBoxes.Around(mask, height, width), Area = each.Area * after / before };
    }

    private DenseObject? Cut(DenseObject each, int left, int top, int height, int width)
    {
        var moved = DenseBoxes.Move(each.Box, -left, -top);
        var box = DenseBoxes.Clip(moved, height, width);
        float share = DenseBoxes.Area(box) / DenseBoxes.Area(moved);
        if (!(share > 0))
            return null;
        var cut = each with
        {
            Box = box,
            Keypoints = Seen(Moved(each.Keypoints, (x, y) => (x - left, y - top)), height, width),
        };
        if (each.Mask is not null)
            return Left(cut, PixelMaps.Window(each.Mask, Height, Width, left, top, height, width, 0), height, width);
        return share < LeastLeft ? null : cut with { Area = each.Area * share };
    }

    /// <summary>Keypoints at other places; those that are not labelled stay at 0.</summary>
    private static float[]? Moved(float[]? keypoints, Func<float, float, (float, float)> move)
    {
        if (keypoints is null)
            return null;
        float[] moved = [.. keypoints];
        for (int i = 0; i < moved.Length; i += 3)
            if (moved[i + 2] > 0)
                (moved[i], moved[i + 1]) = move(moved[i], moved[i + 1]);
        return moved;
    }

    /// <summary>Keypoints outside of the image are not labelled.</summary>
    private static float[]? Seen(float[]? keypoints, int height, int width)
    {
        for (int i = 0; i < keypoints?.Length; i += 3)
            if (!(keypoints[i] >= -0.5f && keypoints[i + 1] >= -0.5f && keypoints[i] < width - 0.5f && keypoints[i + 1] < height - 0.5f))
                keypoints.AsSpan(i, 3).Clear();
        return keypoints;
    }
}
