using Attention.Data;
using Attention.Torch;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>One class of pixels.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Pixels">Pixels of it.</param>
/// <param name="Guessed">Pixels that were taken for it.</param>
/// <param name="Correct">Pixels of both.</param>
public sealed record PixelClassScore(string Name, long Pixels, long Guessed, long Correct)
{
    /// <summary>Correct pixels over those that are or were taken for it; NaN where there are none.</summary>
    public double IntersectionOverUnion => (double)Correct / (Pixels + Guessed - Correct);

    /// <summary>Twice the correct pixels over the sum of both; NaN where there are none.</summary>
    public double Dice => 2.0 * Correct / (Pixels + Guessed);

    /// <summary>Share of its pixels that were recognised; NaN where there are none.</summary>
    public double Accuracy => (double)Correct / Pixels;
}

/// <summary>How well the pixels of images are classified. Fed map by map; pixels without a class do not count.</summary>
/// <param name="names">The classes' names, one for each label.</param>
public sealed class SegmentationScores(IReadOnlyList<string> names)
{
    // The last column counts guesses of no class, or of one without a name.
    private readonly long[,] confusion = new long[names.Count, names.Count + 1];

    /// <summary>Adds an image.</summary>
    /// <param name="truth">The class of each pixel, <see cref="LabelMapFolder.None"/> for none.</param>
    /// <param name="guess">What each was taken for, in the same order.</param>
    /// <exception cref="ArgumentException">The maps differ in length, or the truth has a class without a name.</exception>
    public void Add(ReadOnlySpan<byte> truth, ReadOnlySpan<byte> guess)
    {
        if (truth.Length != guess.Length)
            throw new ArgumentException($"{guess.Length} pixels were guessed, not {truth.Length}", nameof(guess));
        for (int i = 0; i < truth.Length; i++)
        {
            if (truth[i] == LabelMapFolder.None)
                continue;
            if (truth[i] >= names.Count)
                throw new ArgumentException($"there is no class {truth[i]}", nameof(truth));
            confusion[truth[i], Math.Min(guess[i], names.Count)]++;
        }
    }

    /// <summary>Pixels by class (row) and guess (column); the last column counts guesses without a class.</summary>
    public long[,] Confusion() => (long[,])confusion.Clone();

    /// <summary>Pixels that have a class.</summary>
    public long Pixels => confusion.Cast<long>().Sum();

    /// <summary>Share of the pixels that were recognised.</summary>
    public double PixelAccuracy => (double)Enumerable.Range(0, names.Count).Sum(label => confusion[label, label]) / Pixels;

    /// <summary>Mean over the classes that occur, in truth or as a guess.</summary>
    public double MeanIntersectionOverUnion => MeanOf(each => each.IntersectionOverUnion);

    /// <summary>The same of the Dice coefficient.</summary>
    public double MeanDice => MeanOf(each => each.Dice);

    /// <summary>Mean over the classes that have pixels.</summary>
    public double MeanAccuracy => MeanOf(each => each.Accuracy);

    /// <summary>Intersection over union, weighted by the pixels of each class.</summary>
    public double FrequencyWeightedIntersectionOverUnion =>
        Classes().Where(each => each.Pixels > 0).Sum(each => each.IntersectionOverUnion * each.Pixels) / Pixels;

    /// <summary>The figures by name: miou, pixel_accuracy, mean_accuracy, dice.</summary>
    public IReadOnlyDictionary<string, double> Metrics() => new Dictionary<string, double>
    {
        ["miou"] = MeanIntersectionOverUnion,
        ["pixel_accuracy"] = PixelAccuracy,
        ["mean_accuracy"] = MeanAccuracy,
        ["dice"] = MeanDice,
    };

    /// <summary>Every class with a name.</summary>
    public IReadOnlyList<PixelClassScore> Classes() => [.. names.Select((name, label) => new PixelClassScore(name,
        Enumerable.Range(0, names.Count + 1).Sum(guess => confusion[label, guess]),
        Enumerable.Range(0, names.Count).Sum(truth => confusion[truth, label]),
        confusion[label, label]))];

    /// <summary>Compares two folders of maps, PNG files of the same names.</summary>
    /// <param name="truth">The folder of the annotated maps; each needs a result.</param>
    /// <param name="results">The folder of the results.</param>
    /// <param name="names">The classes' names.</param>
    /// <param name="zeroIsNone">Whether 0 means no class and 1 the first one, in both folders, as in ADE20K.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserError">A map is missing, broken, of another size or of a class without a name.</exception>
    public static SegmentationScores OfFolders(string truth, string results, IReadOnlyList<string> names, bool zeroIsNone = false, CancellationToken cancellation = default)
    {
        var scores = new SegmentationScores(names);
        foreach (string file in ImageFiles.ListOf(truth).Where(file => file.EndsWith(".png", StringComparison.OrdinalIgnoreCase)))
        {
            cancellation.ThrowIfCancellationRequested();
            string result = Path.Combine(results, Path.GetFileName(file));
            var (expected, guess) = (Load(file, zeroIsNone), Load(result, zeroIsNone));
            if ((expected.Width, expected.Height) != (guess.Width, guess.Height))
                throw new UserError($"{result} has {guess.Width} x {guess.Height} pixels, {file} {expected.Width} x {expected.Height}", "write maps of the size of the annotated ones");
            int wrong = Array.FindIndex(expected.Values, value => value != LabelMapFolder.None && value >= names.Count);
            if (wrong >= 0)
                throw new UserError($"{file} holds the class {expected.Values[wrong]}, but there are {names.Count}", "give all classes, and say where 0 means none");
            scores.Add(expected.Values, guess.Values);
        }
        return scores.Pixels > 0 ? scores : throw new UserError($"no pixel of the maps in {truth} has a class", "maps are PNG files of one channel with the class of each pixel");
    }

    private static LabelMap Load(string path, bool zeroIsNone)
    {
        try
        {
            var map = ImageCodec.DecodeLabels(File.ReadAllBytes(path));
            if (zeroIsNone)
                foreach (ref byte value in map.Values.AsSpan())
                    value--; // 0 becomes None
            return map;
        }
        catch (Exception e) when (e is ImageError or IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{path} cannot be read: {e.Message}", "every annotated map needs a result of the same name: a PNG of one channel", e);
        }
    }

    private double MeanOf(Func<PixelClassScore, double> of)
    {
        double[] values = [.. Classes().Select(of).Where(double.IsFinite)];
        return values.Length == 0 ? double.NaN : values.Average();
    }
}
