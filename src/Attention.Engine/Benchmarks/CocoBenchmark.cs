using System.Diagnostics;
using System.Globalization;
using System.Text;
using Attention.Data;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Engine.Benchmarks;

/// <summary>How fast detections are judged.</summary>
/// <param name="Detections">How many.</param>
/// <param name="LoadSeconds">Reading the files.</param>
/// <param name="EvaluateSeconds">Judging: the median of several runs.</param>
/// <param name="AveragePrecision">What came of it, to be compared with that of other evaluators.</param>
public sealed record CocoTiming(int Detections, double LoadSeconds, double EvaluateSeconds, double AveragePrecision);

/// <summary>Times the evaluation of detections that are made up: objects at random, most found, not quite in place.</summary>
public sealed record CocoBenchmark
{
    private const int Width = 640, Height = 480, Objects = 8;

    public int Images { get; init; } = 5000;

    /// <summary>Detections in each image.</summary>
    public int Detections { get; init; } = 100;

    public int Categories { get; init; } = 80;

    public CocoKind Kind { get; init; } = CocoKind.Boxes;

    public int Runs { get; init; } = 3;

    /// <summary>Writes <c>annotations.json</c> and <c>results.json</c> into a folder, and times reading and judging them.</summary>
    public CocoTiming Run(string folder)
    {
        Directory.CreateDirectory(folder);
        var (annotations, results) = (Path.Combine(folder, "annotations.json"), Path.Combine(folder, "results.json"));
        Write(annotations, results);
        var ((truth, found), load) = Time(() =>
        {
            var truth = CocoAnnotations.Load(annotations);
            return (truth, CocoResults.Load(results, truth, Kind));
        });
        var runs = Enumerable.Range(0, Runs).Select(_ => Time(() => CocoEvaluator.Evaluate(truth, found))).ToArray();
        return new CocoTiming(found.Detections.Count, load, runs.Select(run => run.Seconds).Order().ElementAt(Runs / 2), runs[0].Value.AveragePrecision);
    }

    private void Write(string annotations, string results)
    {
        var random = new Random(1);
        using var truth = new StreamWriter(annotations);
        using var found = new StreamWriter(results);
        string keypoints = string.Join(", ", Enumerable.Range(0, 17).Select(k => $"\"k{k}\""));
        truth.Write($"{{\"categories\": [{string.Join(", ", Enumerable.Range(1, Categories).Select(id => $"{{\"id\": {id}, \"name\": \"c{id}\", \"keypoints\": [{keypoints}]}}"))}],\n");
        truth.Write($"\"images\": [{string.Join(",\n", Enumerable.Range(1, Images).Select(id => $"{{\"id\": {id}, \"file_name\": \"{id}.jpg\", \"width\": {Width}, \"height\": {Height}}}"))}],\n\"annotations\": [");
        found.Write("[");
        int annotation = 0, result = 0;
        for (int image = 1; image <= Images; image++)
        {
            var objects = new (int Category, double[] Box)[Objects];
            for (int i = 0; i < Objects; i++)
            {
                double width = 8 + random.NextDouble() * 200, height = 8 + random.NextDouble() * 200;
                objects[i] = (random.Next(1, Categories + 1), [random.NextDouble() * (Width - width), random.NextDouble() * (Height - height), width, height]);
                var (category, box) = objects[i];
                truth.Write(Text($"{(annotation++ == 0 ? "" : ",\n")}{{\"id\": {annotation}, \"image_id\": {image}, \"category_id\": {category}, \"iscrowd\": 0, \"area\": {box[2] * box[3]:F2}, {Shape(box, isTruth: true)}}}"));
            }
            for (int i = 0; i < Detections; i++)
            {
                var (category, near) = objects[random.Next(Objects)];
                if (random.Next(3) == 0)
                    category = random.Next(1, Categories + 1);
                double[] box = [.. near.Select((value, k) => Math.Max(1, value + (random.NextDouble() - 0.5) * 0.4 * near[2 + k % 2]))];
                (box[2], box[3]) = (Math.Min(box[2], Width - box[0] - 1), Math.Min(box[3], Height - box[1] - 1));
                found.Write(Text($"{(result++ == 0 ? "" : ",\n")}{{\"image_id\": {image}, \"category_id\": {category}, \"score\": {random.NextDouble():F3}, {Shape(box, isTruth: false)}}}"));
            }
        }
        truth.Write("]}");
        found.Write("]");

        static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
        string Shape(double[] box, bool isTruth)
        {
            var text = new StringBuilder();
            if (isTruth || Kind == CocoKind.Boxes)
                text.Append(Text($"\"bbox\": [{box[0]:F2}, {box[1]:F2}, {box[2]:F2}, {box[3]:F2}]")).Append(isTruth && Kind != CocoKind.Boxes ? ", " : "");
            if (Kind == CocoKind.Keypoints)
                text.Append("\"keypoints\": [").AppendJoin(", ", Enumerable.Range(0, 17).Select(k => Text($"{box[0] + box[2] * (k % 4) / 4:F2}, {box[1] + box[3] * (k / 4) / 5:F2}, 2"))).Append(isTruth ? "], \"num_keypoints\": 17" : "]");
            if (Kind == CocoKind.Masks)
            {
                double[] outline = [.. Enumerable.Range(0, 12).SelectMany(k => new[] { box[0] + box[2] * (0.5 + 0.5 * Math.Cos(k * Math.PI / 6)), box[1] + box[3] * (0.5 + 0.5 * Math.Sin(k * Math.PI / 6)) })];
                text.Append("\"segmentation\": ").Append(isTruth ? $"[[{string.Join(", ", outline.Select(value => Text($"{value:F2}")))}]]"
                    : $"{{\"size\": [{Height}, {Width}], \"counts\": \"{RunLengthMask.FromPolygon(outline, Height, Width).ToText().Replace("\\", "\\\\", StringComparison.Ordinal)}\"}}");
            }
            return text.ToString();
        }
    }

    private static (T Value, double Seconds) Time<T>(Func<T> work)
    {
        long start = Stopwatch.GetTimestamp();
        var value = work();
        return (value, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }
}
