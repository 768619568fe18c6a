using Attention.Data;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>A range of areas in square pixels, both ends in it.</summary>
public sealed record AreaRange(string Name, double Least, double Most)
{
    public bool Contains(double area) => area >= Least && area <= Most;
}

/// <summary>How detections are judged; COCO's own settings, unless others are given.</summary>
public sealed record CocoProtocol
{
    private const double Small = 32 * 32, Medium = 96 * 96, Largest = 1e10;

    /// <summary>The spread of each of COCO's 17 keypoints, in sizes of the person.</summary>
    public static readonly IReadOnlyList<double> PersonSigmas =
        [.. new[] { .26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89 }.Select(sigma => sigma / 10)];

    /// <summary>The overlaps that are asked for: 0.5 to 0.95 in steps of 0.05, rounded as NumPy's linspace does.</summary>
    public IReadOnlyList<double> Overlaps { get; init; } = [.. Enumerable.Range(0, 9).Select(i => 0.5 + i * ((0.95 - 0.5) / 9)), 0.95];

    /// <summary>The recalls at which precision is taken.</summary>
    public IReadOnlyList<double> Recalls { get; init; } = [.. Enumerable.Range(0, 101).Select(i => i * 0.01)];

    /// <summary>How many detections of an image and category count, ascending.</summary>
    public IReadOnlyList<int> MostDetections { get; init; } = [1, 10, 100];

    /// <summary>The ranges of areas; the first has all.</summary>
    public IReadOnlyList<AreaRange> Areas { get; init; } = [new("all", 0, Largest), new("small", 0, Small), new("medium", Small, Medium), new("large", Medium, Largest)];

    /// <summary>The spread of each keypoint.</summary>
    public IReadOnlyList<double> Sigmas { get; init; } = PersonSigmas;

    /// <summary>COCO's settings for what is judged.</summary>
    public static CocoProtocol For(CocoKind kind) => kind != CocoKind.Keypoints ? new()
        : new() { MostDetections = [20], Areas = [new("all", 0, Largest), new("medium", Small, Medium), new("large", Medium, Largest)] };
}
