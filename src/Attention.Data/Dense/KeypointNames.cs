namespace Attention.Data;

/// <summary>What the names of keypoints tell.</summary>
public static class KeypointNames
{
    /// <summary>For each keypoint the one that takes its place in the mirror image: <c>left_eye</c> and <c>right_eye</c> change places.</summary>
    public static int[] Mirror(IReadOnlyList<string> names)
    {
        string[] all = [.. names];
        return [.. all.Select((name, i) => Array.IndexOf(all, Mirrored(name)) is >= 0 and var other ? other : i)];
    }

    private static string Mirrored(string name) =>
        name.Contains("left", StringComparison.Ordinal) ? name.Replace("left", "right") : name.Replace("right", "left");
}
