using System.Runtime.InteropServices;
using Attention.Data;
using Attention.Torch;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>What became of the segments of one category: their sum of overlaps where they were found, and how often what happened.</summary>
public record struct PanopticTally(double Overlap, int Hits, int FalseAlarms, int Misses)
{
    public readonly int Total => Hits + FalseAlarms + Misses;

    /// <summary>Overlap of those found, times how many were found.</summary>
    public readonly double Quality => Total == 0 ? double.NaN : Overlap / (Hits + 0.5 * FalseAlarms + 0.5 * Misses);

    /// <summary>Mean overlap of those found; 0 where none is.</summary>
    public readonly double Segmentation => Total == 0 ? double.NaN : Hits == 0 ? 0 : Overlap / Hits;

    public readonly double Recognition => Total == 0 ? double.NaN : Hits / (Hits + 0.5 * FalseAlarms + 0.5 * Misses);

    public static PanopticTally operator +(PanopticTally a, PanopticTally b) =>
        new(a.Overlap + b.Overlap, a.Hits + b.Hits, a.FalseAlarms + b.FalseAlarms, a.Misses + b.Misses);
}

/// <summary>Means over the categories of which there are segments.</summary>
/// <param name="Quality">PQ.</param>
/// <param name="Segmentation">SQ.</param>
/// <param name="Recognition">RQ.</param>
/// <param name="Categories">How many.</param>
public sealed record PanopticMean(double Quality, double Segmentation, double Recognition, int Categories);

/// <summary>
/// Panoptic quality: Kirillov et al., Panoptic Segmentation, 2019 (arXiv:1801.00868), by the rules of cocodataset/panopticapi. A
/// segment is found where one of its category overlaps it by more than half, not counting pixels without truth; crowds are never
/// missed, and what lies for more than half on a crowd of its category or on pixels without truth is no false alarm.
/// </summary>
public sealed class PanopticScores
{
    private readonly PanopticTally[] tallies;

    private PanopticScores(IReadOnlyList<CocoCategory> categories, PanopticTally[] tallies) => (Categories, this.tallies) = (categories, tallies);

    public IReadOnlyList<CocoCategory> Categories { get; }

    /// <summary>One for each category.</summary>
    public IReadOnlyList<PanopticTally> Tallies => tallies;

    public PanopticMean All => MeanOf(_ => true);

    public PanopticMean Things => MeanOf(category => category.IsThing);

    public PanopticMean Stuff => MeanOf(category => !category.IsThing);

    /// <summary>Compares every image's maps, with all cores.</summary>
    /// <param name="truth">The annotation file.</param>
    /// <param name="truthMaps">The folder of its maps.</param>
    /// <param name="results">The results; there has to be one for every image that has a map.</param>
    /// <param name="resultMaps">The folder of their maps.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserError">A result is missing, or its map and its segments do not go together.</exception>
    public static PanopticScores Evaluate(CocoAnnotations truth, string truthMaps, PanopticResults results, string resultMaps, CancellationToken cancellation = default)
    {
        var images = Enumerable.Range(0, truth.Count).Where(image => truth.MapOf(image) is not null).ToArray();
        if (images.Length == 0)
            throw new UserError($"no image of {truth.Path} has a panoptic map", "use the annotations of the panoptic task");
        var perImage = new PanopticTally[images.Length][];
        try
        {
            Parallel.For(0, images.Length, new ParallelOptions { CancellationToken = cancellation }, static () => new ImageScratch(), (i, _, scratch) =>
            {
                string name = $"image {truth.Image(images[i]).Id}";
                var result = results.Of(images[i]) ?? throw new UserError($"there is no result for {name}", "write one for every image, without segments where there are none");
                var (annotated, predicted) = (Map(truthMaps, truth.MapOf(images[i])!, scratch), Map(resultMaps, result.Map, scratch));
                perImage[i] = Compare(annotated, truth.SegmentsIn(images[i]), predicted, result.Segments, truth.Categories.Count, name);
                return scratch;
            }, static _ => { });
        }
        catch (AggregateException e) when (e.InnerExceptions.OfType<UserError>().MinBy(error => error.Message, StringComparer.Ordinal) is { } first)
        {
            throw new UserError(first.Message, first.Advice, e);
        }
        var sums = new PanopticTally[truth.Categories.Count];
        foreach (var tally in perImage)
            for (int label = 0; label < sums.Length; label++)
                sums[label] += tally[label];
        return new PanopticScores(truth.Categories, sums);
    }

    /// <summary>What became of the segments of one image, for each category.</summary>
    /// <exception cref="UserError">The predicted map and the list of its segments do not go together, or the maps differ in size.</exception>
    public static PanopticTally[] Compare(PanopticMap truth, IReadOnlyList<PanopticSegment> annotated, PanopticMap result, IReadOnlyList<PanopticSegment> predicted, int categories, string name)
    {
        if ((truth.Width, truth.Height) != (result.Width, result.Height))
            throw new UserError($"the result for {name} has {result.Width} x {result.Height} pixels, not {truth.Width} x {truth.Height}", "write maps of the size of the annotated ones");
        var (shared, truthAreas, areas) = Count(truth, result);
        RequireSame(predicted, areas, name);

        var tallies = new PanopticTally[categories];
        var byId = predicted.ToDictionary(segment => segment.Id);
        var found = new HashSet<int>();
        foreach (var segment in annotated.Where(segment => !segment.IsCrowd))
        {
            bool hit = false;
            foreach (var (id, other) in byId)
            {
                if (other.Label != segment.Label || !shared.TryGetValue((segment.Id, id), out int both))
                    continue;
                int own = segment.Area ?? truthAreas.GetValueOrDefault(segment.Id);
                double overlap = (double)both / (areas[id] + own - both - shared.GetValueOrDefault((0, id)));
                if (overlap <= 0.5)
                    continue;
                found.Add(id);
                hit = true;
                tallies[segment.Label] += new PanopticTally(overlap, 1, 0, 0);
            }
            if (!hit)
                tallies[segment.Label].Misses++;
        }
        // Of several crowds of a category the last one stands for all, as in the reference.
        var crowds = annotated.Where(segment => segment.IsCrowd).GroupBy(segment => segment.Label).ToDictionary(group => group.Key, group => group.Last().Id);
        foreach (var segment in predicted.Where(segment => !found.Contains(segment.Id)))
        {
            int excused = shared.GetValueOrDefault((0, segment.Id)) + (crowds.TryGetValue(segment.Label, out int crowd) ? shared.GetValueOrDefault((crowd, segment.Id)) : 0);
            if ((double)excused / areas[segment.Id] <= 0.5)
                tallies[segment.Label].FalseAlarms++;
        }
        return tallies;
    }

    private static PanopticMap Map(string folder, string file, ImageScratch scratch)
    {
        try
        {
            return PanopticMap.Load(Path.Combine(folder, file), scratch);
        }
        catch (ImageError e)
        {
            throw new UserError(e.Message, "maps are PNG files in the folder of the annotations or results", e);
        }
    }

    private static (Dictionary<(int Truth, int Result), int> Shared, Dictionary<int, int> TruthAreas, Dictionary<int, int> Areas) Count(PanopticMap truth, PanopticMap result)
    {
        var shared = new Dictionary<(int Truth, int Result), int>();
        for (int start = 0; start < truth.Ids.Length;)
        {
            var pair = (truth.Ids[start], result.Ids[start]);
            int end = start + 1;
            while (end < truth.Ids.Length && (truth.Ids[end], result.Ids[end]) == pair)
                end++;
            CollectionsMarshal.GetValueRefOrAddDefault(shared, pair, out _) += end - start;
            start = end;
        }
        return (shared, Sums(pair => pair.Truth), Sums(pair => pair.Result));

        Dictionary<int, int> Sums(Func<(int Truth, int Result), int> of) =>
            shared.GroupBy(pair => of(pair.Key)).ToDictionary(group => group.Key, group => group.Sum(pair => pair.Value));
    }

    private static void RequireSame(IReadOnlyList<PanopticSegment> listed, Dictionary<int, int> drawn, string name)
    {
        var ids = listed.Select(segment => segment.Id).ToHashSet();
        foreach (int id in drawn.Keys.Where(id => id != 0 && !ids.Contains(id)).Order().Take(1))
            throw new UserError($"the result for {name} has pixels of a segment {id} that is not listed", "list every segment of the map in segments_info");
        foreach (int id in ids.Where(id => id == 0 || !drawn.ContainsKey(id)).Order().Take(1))
            throw new UserError($"the result for {name} lists a segment {id} that has no pixels", id == 0 ? "0 stands for no segment: number them from 1" : "list only segments of the map in segments_info");
    }

    private PanopticMean MeanOf(Func<CocoCategory, bool> isMeant)
    {
        PanopticTally[] meant = [.. tallies.Where((tally, label) => tally.Total > 0 && isMeant(Categories[label]))];
        double Mean(Func<PanopticTally, double> of) => meant.Length == 0 ? double.NaN : meant.Average(of);
        return new PanopticMean(Mean(tally => tally.Quality), Mean(tally => tally.Segmentation), Mean(tally => tally.Recognition), meant.Length);
    }
}
