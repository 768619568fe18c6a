using Attention.Data;
using Attention.Torch;

namespace Attention.Engine.Data;

/// <summary>A picture of some images of each class, to see at a glance whether a data set is what it should be.</summary>
public static class ContactSheet
{
    private const int Tile = 96, Gap = 4;

    /// <summary>One row for each class that has images, as many as there is room for; broken images leave their place grey.</summary>
    /// <param name="images">The data set.</param>
    /// <param name="rows">Classes at most.</param>
    /// <param name="columns">Images of each.</param>
    /// <param name="seed">Which images are taken.</param>
    /// <returns>The sheet, and the names of the classes of its rows.</returns>
    public static (Image Sheet, IReadOnlyList<string> Rows) Make(IImages images, int rows = 10, int columns = 12, long seed = 0)
    {
        var chosen = Choose(images, rows, columns, seed);
        var sheet = new Image(columns * (Tile + Gap) + Gap, Math.Max(1, chosen.Count) * (Tile + Gap) + Gap);
        sheet.Pixels.Fill(255);
        var scratch = new ImageScratch();
        var tile = TransformPipeline.Parse($"resize({Tile})|center_crop({Tile})");
        for (int row = 0; row < chosen.Count; row++)
            for (int column = 0; column < chosen[row].Images.Count; column++)
                Paste(sheet, Gap + column * (Tile + Gap), Gap + row * (Tile + Gap), Thumbnail(images, chosen[row].Images[column], tile, scratch));
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

    private static Image? Thumbnail(IImages images, int index, TransformPipeline tile, ImageScratch scratch)
    {
        try
        {
            var random = new SeededRandom(0);
            return tile.Apply(images.Load(index, scratch, ImageNeed.All), scratch, ref random);
        }
        catch (ImageError)
        {
            return null;
        }
    }

    private static void Paste(Image sheet, int x, int y, Image? tile)
    {
        for (int row = 0; row < Tile; row++)
        {
            var to = sheet.Row(y + row).Slice(3 * x, 3 * Tile);
            if (tile is null)
                to.Fill(160);
            else
                tile.Row(row).CopyTo(to);
        }
    }
}
