namespace Attention.Data;

/// <summary>What the names of keypoints tell.</summary>
public static class KeypointNames
{
    /// <summary>The 17 keypoints of a person in COCO, in order.</summary>
    public static IReadOnlyList<string> Person { get; } =
    [
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
        "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    ];

    /// <summary>The lines between keypoints of a person in COCO, whose numbers count from 1.</summary>
    internal static readonly int[][] PersonLines =
    [
        [16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8], [7, 9],
        [8, 10], [9, 11], [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7],
    ];

    /// <summary>For each keypoint the one that takes its place in the mirror image: <c>left_eye</c> and <c>right_eye</c> change places.</summary>
    public static int[] Mirror(IReadOnlyList<string> names)
    {
        string[] all = [.. names];
        return [.. all.Select((name, i) => Array.IndexOf(all, Mirrored(name)) is >= 0 and var other ? other : i)];
    }

    /// <summary>The lines of COCO's skeleton between those keypoints that are there, as places among the names.</summary>
    public static IReadOnlyList<(int From, int To)> Skeleton(IReadOnlyList<string> names)
    {
        string[] all = [.. names];
        int PlaceOf(int number) => Array.IndexOf(all, Person[number - 1]);
        return [.. PersonLines.Select(line => (From: PlaceOf(line[0]), To: PlaceOf(line[1]))).Where(line => line.From >= 0 && line.To >= 0)];
    }

    private static string Mirrored(string name) =>
        name.Contains("left", StringComparison.Ordinal) ? name.Replace("left", "right") : name.Replace("right", "left");
}
