using Attention.Data;
using Attention.Torch;

namespace Attention.Engine.Data;

/// <summary>
/// A picture of some images of each class, to see at a glance whether a data set is what it should be; with boxes, masks, keypoints and
/// classes of pixels where it has them.
/// </summary>
public static class ContactSheet
{
    private const int PlainTile = 96, DenseTile = 160, Gap = 4;
    private static readonly TransformPipeline plain = TransformPipeline.Parse($"resize({PlainTile})|center_crop({PlainTile})");

    /// <summary>One row for each class that has images, as many as there is room for; broken images leave their place grey.</summary>
    /// <param name="images">The data set.</param>
    /// <param name="rows">Classes at most.</param>
    /// <param name="columns">Images of each.</param>
    /// <param name="seed">Which images are taken.</param>
    /// <returns>The sheet, and the names of the classes of its rows.</returns>
    public static (Image Sheet, IReadOnlyList<string> Rows) Make(IImages images, int rows = 10, int columns = 12, long seed = 0)
    {
        var chosen = Choose(images, rows, columns, seed);
        var dense = DenseData.Of(images);
        int tile = dense is null ? PlainTile : DenseTile;
        var sheet = new Image(columns * (tile + Gap) + Gap, Math.Max(1, chosen.Count) * (tile + Gap) + Gap);
        sheet.Pixels.Fill(255);
        var scratch = new ImageScratch();
        for (int row = 0; row < chosen.Count; row++)
            for (int column = 0; column < chosen[row].Images.Count; column++)
            {
                int index = chosen[row].Images[column];
                var image = Readable(() => dense is null ? Plain(images.Load(index, scratch, ImageNeed.All), scratch) : Drawn(dense, index, scratch));
                Paste(sheet, Gap + column * (tile + Gap), Gap + row * (tile + Gap), tile, image);
            }
        return (sheet, [.. chosen.Select(each => each.Name)]);
    }

    private static List<(string Name, List<int> Images)> Choose(IImages images, int rows, int columns, long seed)
    {
        int[] order = new Shuffled(images.Count).Order(seed, 0);
        var byClass = new SortedDictionary<int, List<int>>();
        foreach (int index in order)
            foreach (int label in images.LabelsIn(index).Distinct().DefaultIfEmpty(-1)) // captions have no class
            {
                if (!byClass.TryGetValue(label, out var row))
                    byClass[label] = row = [];
                if (row.Count < columns)
                    row.Add(index);
            }
        return [.. byClass.Take(rows).Select(pair => (pair.Key < 0 ? "without a class" : images.ClassNames[pair.Key], pair.Value))];
    }

    private static Image Plain(Image image, ImageScratch scratch)
    {
        var random = new SeededRandom(0);
        return plain.Apply(image, scratch, ref random);
    }

    /// <summary>The middle of an image with what is known of it.</summary>
    private static Image Drawn(IDenseDataset images, int index, ImageScratch scratch)
    {
        var image = images.Load(index, scratch, ImageNeed.All);
        var known = new DenseImage(image, images.AnnotationsOf(index, image.Height, image.Width));
        double scale = (double)DenseTile / Math.Min(image.Height, image.Width);
        var fitted = known.Resize(Math.Max(DenseTile, (int)(image.Height * scale)), Math.Max(DenseTile, (int)(image.Width * scale)));
        var part = fitted.Crop((fitted.Width - DenseTile) / 2, (fitted.Height - DenseTile) / 2, DenseTile, DenseTile, Colour.Black, scratch);
        if (part.Classes is not null)
            DetectionPainter.DrawClasses(part.Source, part.Classes);
        DetectionPainter.Draw(part.Source, [.. part.Objects.Select(each => DrawnObject.Of(each, images.ClassNames[each.Label]))],
            new PaintOptions { Skeleton = KeypointNames.Skeleton(images.KeypointNames), Names = false });
        return part.Source;
    }

    private static Image? Readable(Func<Image> load)
    {
        try
        {
            return load();
        }
        catch (ImageError)
        {
            return null;
        }
    }

    private static void Paste(Image sheet, int x, int y, int tile, Image? image)
    {
        for (int row = 0; row < tile; row++)
        {
            var to = sheet.Row(y + row).Slice(3 * x, 3 * tile);
            if (image is null)
                to.Fill(160);
            else
                image.Row(row).CopyTo(to);
        }
    }
}
