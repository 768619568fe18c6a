using System.Collections.Concurrent;
using Attention.Data;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>
/// Judges detections as COCO's own code does (Lin et al., arXiv:1405.0312; pycocotools' cocoeval): in each image, detections from
/// the surest on take the object of their category that they overlap most, crowds and objects outside the range of areas are no
/// gain and no loss, and precision over recall is averaged. All cores work on it; the result does not depend on how many.
/// </summary>
public static class CocoEvaluator
{
    /// <summary>Compares results with the truth.</summary>
    /// <exception cref="UserError">The truth has nothing of what is judged, or keypoints without known spreads.</exception>
    public static CocoScores Evaluate(CocoAnnotations truth, CocoResults results, CocoProtocol? protocol = null)
    {
        protocol ??= CocoProtocol.For(results.Kind);
        var overlaps = Overlaps.Of(results.Kind, truth, protocol);
        var groups = Group(truth, results, protocol);
        // Groups of one image each are small, so that they are handed out in bunches.
        Parallel.ForEach(Partitioner.Create(0, Math.Max(1, groups.Count), Math.Max(1, groups.Count / (Environment.ProcessorCount * 16))), range =>
        {
            var matcher = new Matcher(protocol, overlaps, results);
            for (int i = range.Item1; i < Math.Min(range.Item2, groups.Count); i++)
                matcher.Match(groups[i]);
        });
        var byLabel = groups.ToLookup(group => group.Label);
        var curves = new CategoryCurves[truth.Categories.Count];
        Parallel.For(0, curves.Length, label => curves[label] = Accumulator.Accumulate([.. byLabel[label]], protocol));
        return new CocoScores(results.Kind, protocol, truth, curves);
    }

    /// <summary>The objects and detections of each category and image that has any: by category, then by the image's number.</summary>
    private static List<MatchGroup> Group(CocoAnnotations truth, CocoResults results, CocoProtocol protocol)
    {
        var groups = new Dictionary<(int Label, int Image), MatchGroup>();
        MatchGroup In(int label, int image) => groups.TryGetValue((label, image), out var group) ? group
            : groups[(label, image)] = new MatchGroup(label, truth.Image(image));
        for (int image = 0; image < truth.Count; image++)
            foreach (var found in truth.ObjectsIn(image))
                if (results.Kind != CocoKind.Keypoints || truth.Categories[found.Label].Keypoints.Count > 0)
                    In(found.Label, image).Objects.Add(found);
        foreach (var detection in results.Detections)
            In(detection.Label, detection.Image).Detections.Add(detection);
        return [.. groups.Values.OrderBy(group => group.Label).ThenBy(group => group.Image.Id)];
    }
}

/// <summary>What is in one image of one category, and what became of it.</summary>
internal sealed record MatchGroup(int Label, CocoImage Image)
{
    public List<CocoObject> Objects { get; } = [];

    /// <summary>In the order of the file; after matching, the surest that count, from the surest on.</summary>
    public List<CocoDetection> Detections { get; set; } = [];

    /// <summary>All detections, also those that are too many.</summary>
    public int Found { get; set; }

    /// <summary>The objects that count, for each range of areas.</summary>
    public int[] Counted { get; set; } = [];

    /// <summary>A bit for each overlap, at area * detections + detection: whether it took an object.</summary>
    public uint[] Taken { get; set; } = [];

    /// <summary>The same: whether it is neither gain nor loss.</summary>
    public uint[] Ignored { get; set; } = [];
}

/// <summary>Matches the detections of one group after the other to its objects.</summary>
internal sealed class Matcher(CocoProtocol protocol, Overlaps overlaps, CocoResults results)
{
    // An overlap of 1 in binary fractions can fall short of it.
    private const double Short = 1e-10;

    public void Match(MatchGroup group)
    {
        group.Found = group.Detections.Count;
        // Stable: of equal scores the first in the file stays first.
        group.Detections = [.. group.Detections.OrderByDescending(detection => detection.Score).Take(protocol.MostDetections[^1])];
        var (objects, detections) = (group.Objects, group.Detections);
        var shared = overlaps.Between(group);
        int areas = protocol.Areas.Count;
        group.Counted = new int[areas];
        group.Taken = new uint[areas * detections.Count];
        group.Ignored = new uint[areas * detections.Count];
        var sizes = detections.Select(detection => overlaps.AreaOf(detection, results.HaveBoxes)).ToArray();
        Span<bool> ignored = new bool[objects.Count];
        for (int area = 0; area < areas; area++)
        {
            var range = protocol.Areas[area];
            for (int g = 0; g < objects.Count; g++)
                ignored[g] = overlaps.IsIgnored(objects[g]) || !range.Contains(objects[g].Area);
            group.Counted[area] = ignored.Count(false);
            int[] order = InOrder(ignored);
            for (int t = 0; t < protocol.Overlaps.Count; t++)
                MatchAt(group, shared, order, ignored, t, area * detections.Count);
            for (int d = 0; d < detections.Count; d++)
                if (!range.Contains(sizes[d]))
                    group.Ignored[area * detections.Count + d] |= ~group.Taken[area * detections.Count + d];
        }
    }

    private void MatchAt(MatchGroup group, double[] shared, int[] order, ReadOnlySpan<bool> ignored, int t, int at)
    {
        var objects = group.Objects;
        Span<bool> taken = objects.Count <= 256 ? stackalloc bool[objects.Count] : new bool[objects.Count];
        for (int d = 0; d < group.Detections.Count; d++)
        {
            double best = Math.Min(protocol.Overlaps[t], 1 - Short);
            int match = -1;
            foreach (int g in order)
            {
                if (taken[g] && !objects[g].IsCrowd)
                    continue;
                // What counts comes first: once such an object is taken, those that do not are not asked.
                if (match >= 0 && !ignored[match] && ignored[g])
                    break;
                double overlap = shared[d * objects.Count + g];
                if (overlap < best)
                    continue;
                (best, match) = (overlap, g);
            }
            if (match < 0)
                continue;
            taken[match] = true;
            group.Taken[at + d] |= 1u << t;
            if (ignored[match])
                group.Ignored[at + d] |= 1u << t;
        }
    }

    /// <summary>The objects that count, then the others, else as they come.</summary>
    private static int[] InOrder(ReadOnlySpan<bool> ignored)
    {
        var order = new int[ignored.Length];
        int next = 0;
        foreach (bool wanted in (ReadOnlySpan<bool>)[false, true])
            for (int g = 0; g < ignored.Length; g++)
                if (ignored[g] == wanted)
                    order[next++] = g;
        return order;
    }
}

/// <summary>Precision over recall from the matches of a category.</summary>
internal static class Accumulator
{
    // NumPy's spacing(1), which keeps 0 / 0 away.
    private const double Epsilon = 2.220446049250313e-16;

    /// <param name="groups">The images of the category, by number.</param>
    /// <param name="protocol">What is asked for.</param>
    public static CategoryCurves Accumulate(MatchGroup[] groups, CocoProtocol protocol)
    {
        int areas = protocol.Areas.Count;
        var curves = new CategoryCurves(areas) { Objects = groups.Sum(group => group.Counted[0]), Detections = groups.Sum(group => group.Found) };
        // Stable: of equal scores the image with the lower number comes first.
        var ranked = groups.SelectMany(group => group.Detections.Select((detection, rank) => (detection.Score, Group: group, Rank: rank)))
            .OrderByDescending(each => each.Score).ToArray();
        for (int area = 0; area < areas; area++)
        {
            int counted = groups.Sum(group => group.Counted[area]);
            if (counted == 0)
                continue;
            var taken = new uint[ranked.Length];
            var ignored = new uint[ranked.Length];
            for (int i = 0; i < ranked.Length; i++)
            {
                var (_, group, rank) = ranked[i];
                int place = area * group.Detections.Count + rank;
                (taken[i], ignored[i]) = (group.Taken[place], group.Ignored[place]);
            }
            curves.Precision[area] = [.. Enumerable.Range(0, protocol.Overlaps.Count).SelectMany(t => PrecisionAt(taken, ignored, t, counted, protocol.Recalls))];
            curves.Recall[area] = [.. protocol.MostDetections.Select(most => Enumerable.Range(0, protocol.Overlaps.Count)
                .Select(t => (double)Hits(t, most) / counted).ToArray())];

            int Hits(int t, int most)
            {
                int hits = 0;
                for (int i = 0; i < ranked.Length; i++)
                    hits += ranked[i].Rank < most ? (int)((taken[i] & ~ignored[i]) >> t & 1) : 0;
                return hits;
            }
        }
        return curves;
    }

    private static double[] PrecisionAt(uint[] taken, uint[] ignored, int t, int counted, IReadOnlyList<double> recalls)
    {
        var recall = new double[taken.Length];
        var precision = new double[taken.Length];
        int hits = 0, misses = 0, length = 0;
        for (int i = 0; i < taken.Length; i++)
        {
            if ((ignored[i] >> t & 1) != 0)
                continue;
            bool hit = (taken[i] >> t & 1) != 0;
            (hits, misses) = hit ? (hits + 1, misses) : (hits, misses + 1);
            recall[length] = (double)hits / counted;
            precision[length++] = hits / (misses + hits + Epsilon);
        }
        // The best that can be had at this recall or a higher one.
        for (int i = length - 1; i > 0; i--)
            precision[i - 1] = Math.Max(precision[i - 1], precision[i]);
        var values = new double[recalls.Count];
        for (int r = 0, i = 0; r < values.Length; r++)
        {
            while (i < length && recall[i] < recalls[r])
                i++;
            if (i == length)
                break;
            values[r] = precision[i];
        }
        return values;
    }
}
