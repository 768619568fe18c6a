using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// Copy-paste (Ghiasi et al., arXiv:2012.07177): objects of another image are put over this one, at the places they have there. What
/// they cover goes from the masks below, boxes follow the masks, and objects of which hardly anything is left go. Images with objects
/// without a mask stay as they are.
/// </summary>
/// <param name="probability">How likely anything is pasted.</param>
/// <param name="share">How likely each object of the other image is.</param>
public sealed class CopyPaste(double probability = 0.5, double share = 0.5) : DenseTransform
{
    public override DenseImage Apply(DenseImage input, DenseContext context, ref SeededRandom random)
    {
        if (!random.Chance(probability) || input.Objects.Any(each => each.Mask is null) || context.Other(ref random) is not { } drawn)
            return input;
        var chosen = new List<DenseObject>();
        foreach (var each in drawn.Objects)
            if (random.Chance(share) && each is { Mask: not null, IsCrowd: false })
                chosen.Add(each);
        if (chosen.Count == 0)
            return input;

        var (height, width) = (input.Height, input.Width);
        var below = input.Settled(context.Scratch);
        var above = (drawn with { Objects = chosen }).Crop(0, 0, height, width, Colour.Black, context.Scratch.Second);
        var cover = new byte[height * width];
        foreach (var each in above.Objects)
            for (int i = 0; i < cover.Length; i++)
                cover[i] |= each.Mask![i];
        var pixels = context.Scratch.Take(width, height);
        below.Source.Pixels.CopyTo(pixels.Pixels);
        byte[]? classes = below.Classes is null ? null : [.. below.Classes];
        for (int i = 0; i < cover.Length; i++)
            if (cover[i] != 0)
            {
                above.Source.Pixels.Slice(3 * i, 3).CopyTo(pixels.Pixels[(3 * i)..]);
                if (classes is not null)
                    classes[i] = above.Classes?[i] ?? LabelMapFolder.None;
            }
        return below with
        {
            Source = pixels,
            Objects = [.. below.Objects.Select(each => Uncovered(each, cover, height, width)).OfType<DenseObject>(), .. above.Objects],
            Classes = classes,
        };
    }

    private static DenseObject? Uncovered(DenseObject each, byte[] cover, int height, int width)
    {
        byte[] mask = [.. each.Mask!];
        for (int i = 0; i < mask.Length; i++)
            if (cover[i] != 0)
                mask[i] = 0;
        return DenseImage.Left(each, mask, height, width);
    }
}

/// <summary>
/// Mosaic (Bochkovskiy et al., arXiv:2004.10934): four images, each resized to fit the result, meet at a point drawn from the middle of
/// it; what reaches beyond their quarters is cut.
/// </summary>
/// <param name="height">Of the result.</param>
/// <param name="width">Of the result.</param>
/// <param name="probability">How likely the image is mixed; otherwise it stays as it is.</param>
/// <param name="fill">The colour where no image reaches.</param>
public sealed class Mosaic(int height, int width, double probability = 1, Colour fill = default) : DenseTransform
{
    public override DenseImage Apply(DenseImage input, DenseContext context, ref SeededRandom random)
    {
        if (!random.Chance(probability))
            return input;
        int middleX = random.Between(width / 4, width - width / 4), middleY = random.Between(height / 4, height - height / 4);
        var canvas = new Image(width, height);
        var objects = new List<DenseObject>();
        byte[]? classes = input.Classes is null ? null : new byte[height * width];
        PixelMaps.Fill(canvas.Pixels, fill);
        classes?.AsSpan().Fill(LabelMapFolder.None);
        for (int quarter = 0; quarter < 4; quarter++)
        {
            bool isLeft = quarter % 2 == 0, isTop = quarter < 2;
            int left = isLeft ? 0 : middleX, top = isTop ? 0 : middleY;
            int across = isLeft ? middleX : width - middleX, down = isTop ? middleY : height - middleY;
            var scratch = quarter == 0 ? context.Scratch : context.Scratch.Second;
            if ((quarter == 0 ? input : context.Other(ref random)) is not { } image)
                continue; // hardly any image can be read
            double scale = Math.Min((double)height / image.Height, (double)width / image.Width);
            var fitted = image.Resize(DenseResize.Scaled(image.Height, scale), DenseResize.Scaled(image.Width, scale));
            // The corner at the middle of the mosaic is the image's own.
            var part = fitted.Crop(isLeft ? fitted.Width - across : 0, isTop ? fitted.Height - down : 0, down, across, fill, scratch);
            for (int y = 0; y < down; y++)
            {
                part.Source.Row(y).CopyTo(canvas.Row(top + y)[(3 * left)..]);
                if (classes is not null)
                    part.Classes.AsSpan(y * across, across).CopyTo(classes.AsSpan((top + y) * width + left));
            }
            objects.AddRange(part.Window(-left, -top, height, width).Objects);
        }
        return new DenseImage(canvas, height, width, objects, classes);
    }
}
