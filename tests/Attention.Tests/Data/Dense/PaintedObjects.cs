using Attention.Data;
using Attention.Torch;

namespace Attention.Tests.Data;

/// <summary>
/// Images of rectangles, each of a colour that tells the image and the object, over black: what a loader makes of boxes, masks,
/// keypoints and classes can be checked against the pixels.
/// </summary>
internal sealed class PaintedObjects(int count, int[]? broken = null, bool withMasks = true) : IDenseDataset
{
    public const int Classes = 3;

    public Action<int> OnLoad { get; init; } = _ => { };

    public int Count => count;

    public IReadOnlyList<string> ClassNames => ["a", "b", "c"];

    public IReadOnlyList<string> KeypointNames => ["middle", "left_corner", "right_corner"];

    public string NameOf(int index) => $"number {index}";

    public IEnumerable<int> LabelsIn(int index) => Objects(index).Select(each => each.Label);

    public (int Height, int Width)? SizeOf(int index) => index % 3 == 0 ? (60, 40) : (40, 40 + 4 * (index % 5) + 4);

    public Image Load(int index, ImageScratch scratch, NeedOf needOf)
    {
        OnLoad(index);
        if (broken?.Contains(index) == true)
            throw new ImageError($"{index}: it is broken");
        var (height, width) = SizeOf(index)!.Value;
        scratch.Decoded.Reshape(width, height);
        scratch.Decoded.Pixels.Clear();
        foreach (var each in Objects(index))
            for (int i = 0; i < height * width; i++)
                if (each.Mask![i] != 0)
                    ColourOf(each.Id).CopyTo(scratch.Decoded.Pixels[(3 * i)..]);
        return scratch.Decoded;
    }

    public DenseAnnotations AnnotationsOf(int index, int height, int width)
    {
        var objects = Objects(index);
        var classes = new byte[height * width];
        Array.Fill(classes, LabelMapFolder.None);
        foreach (var each in objects)
            for (int i = 0; i < classes.Length; i++)
                if (each.Mask![i] != 0)
                    classes[i] = (byte)each.Label;
        return new DenseAnnotations(withMasks ? objects : [.. objects.Select(each => each with { Mask = null })], classes);
    }

    public static byte[] ColourOf(long id) => [(byte)(100 + id / 10), (byte)(100 + 50 * (id % 10)), 200];

    /// <summary>One or two rectangles, side by side.</summary>
    private List<DenseObject> Objects(int index)
    {
        var (height, width) = SizeOf(index)!.Value;
        var random = new SeededRandom(index, 77);
        var objects = new List<DenseObject>();
        for (int place = 0; place < 1 + index % 2; place++)
        {
            int left = 3 + place * width / 2 + random.Next(4), top = 2 + random.Next(10);
            int right = left + 8 + random.Next(6), bottom = top + 10 + random.Next(16);
            var mask = new byte[height * width];
            for (int y = top; y < bottom; y++)
                mask.AsSpan(y * width + left, right - left).Fill(1);
            objects.Add(new DenseObject
            {
                Id = 10 * index + place,
                Label = (index + place) % Classes,
                Box = [left, top, right, bottom],
                Area = (right - left) * (bottom - top),
                Mask = mask,
                Keypoints = [(left + right - 1) / 2f, (top + bottom - 1) / 2f, 2, right - 1, top, 2, left, top, 1],
            });
        }
        return objects;
    }
}
