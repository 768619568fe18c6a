namespace Attention.Data.Samples;

/// <summary>What the annotations say of one object.</summary>
/// <param name="Category">From 1.</param>
/// <param name="Polygons">Its visible pixels, each polygon as x, y, x, y, ...</param>
/// <param name="Area">The number of its visible pixels.</param>
/// <param name="Box">x, y, width, height of its visible pixels.</param>
/// <param name="Keypoints">x, y, visibility of each of a person's keypoints, else null.</param>
internal sealed record SceneAnnotation(int Category, List<int[]> Polygons, int Area, int[] Box, int[]? Keypoints);

/// <summary>What the annotations say of one scene.</summary>
internal sealed record SceneRecord(int Id, string File, int Width, int Height, SceneAnnotation[] Annotations)
{
    public static SceneRecord Of(Scene scene, int id, string file) => new(
        id, file, scene.Width, scene.Height, [.. scene.Objects.Select((each, i) => Annotate(scene, each, i + 1))]);

    private static SceneAnnotation Annotate(Scene scene, SceneObject each, int owner)
    {
        var mask = new bool[scene.Owner.Length];
        int area = 0, left = scene.Width, top = scene.Height, right = 0, bottom = 0;
        for (int i = 0; i < mask.Length; i++)
        {
            if (scene.Owner[i] != owner)
                continue;
            mask[i] = true;
            area++;
            int x = i % scene.Width, y = i / scene.Width;
            (left, top, right, bottom) = (Math.Min(left, x), Math.Min(top, y), Math.Max(right, x + 1), Math.Max(bottom, y + 1));
        }
        return new SceneAnnotation(
            each.Category, MaskOutline.Trace(mask, scene.Width, scene.Height), area, [left, top, right - left, bottom - top],
            each is Person person ? [.. person.Keypoints.SelectMany(point => Keypoint(scene, owner, point.X, point.Y))] : null);
    }

    /// <summary>The pixel that holds a keypoint, and 2 if the object is in front there, 1 if it is not, all 0 outside of the image.</summary>
    private static int[] Keypoint(Scene scene, int owner, float x, float y)
    {
        int column = (int)MathF.Floor(x), row = (int)MathF.Floor(y);
        if (column < 0 || row < 0 || column >= scene.Width || row >= scene.Height)
            return [0, 0, 0];
        return [column, row, scene.Owner[row * scene.Width + column] == owner ? 2 : 1];
    }
}
