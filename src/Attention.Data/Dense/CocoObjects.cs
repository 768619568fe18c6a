using Attention.Torch;

namespace Attention.Data;

/// <summary>What is read of COCO's objects.</summary>
public sealed record CocoObjectsOptions
{
    /// <summary>Whether masks are drawn. An object without one then gets the pixels of its box.</summary>
    public bool Masks { get; init; } = true;

    /// <summary>Whether keypoints are read, where the file has any. An object without them then has none that is labelled.</summary>
    public bool Keypoints { get; init; } = true;

    /// <summary>Whether objects that stand for many are given, marked, or left out: as targets they would teach one box for a crowd.</summary>
    public bool Crowds { get; init; }

    /// <summary>Whether images without any object that is given are kept.</summary>
    public bool EmptyImages { get; init; } = true;
}

/// <summary>The objects of COCO's annotations, instances or people with keypoints, as they train and measure detectors.</summary>
public sealed class CocoObjects : IDenseDataset
{
    private readonly CocoObjectsOptions _options;
    private readonly int[] _images;

    /// <param name="coco">Images and annotations; what is wrong there was left out when they were read.</param>
    /// <param name="options">What is read.</param>
    /// <exception cref="UserError">No image is kept, or two categories have different keypoints.</exception>
    public CocoObjects(Coco coco, CocoObjectsOptions? options = null)
    {
        (Coco, _options) = (coco, options ?? new CocoObjectsOptions());
        KeypointNames = _options.Keypoints ? coco.KeypointNames : [];
        var other = coco.Annotations.Categories.FirstOrDefault(category => KeypointNames.Count > 0 && category.Keypoints.Count > 0 && !category.Keypoints.SequenceEqual(KeypointNames));
        if (other is not null)
            throw new UserError($"the keypoints of '{other.Name}' in {coco.Annotations.Path} are not those of other categories", "keep the categories of one skeleton");
        _images = [.. Enumerable.Range(0, coco.Count).Where(image => _options.EmptyImages || Given(image).Any())];
        if (_images.Length == 0)
            throw new UserError($"no image of {coco.Annotations.Path} has an object", "check the annotations, or keep images without objects");
    }

    public Coco Coco { get; }

    public int Count => _images.Length;

    public IReadOnlyList<string> ClassNames => Coco.ClassNames;

    public IReadOnlyList<string> KeypointNames { get; }

    public IReadOnlyList<string> Unreadable => Coco.Unreadable;

    /// <summary>Which image of <see cref="Coco"/>, and so of its annotations, an image is.</summary>
    public int CocoIndex(int index) => _images[index];

    public string NameOf(int index) => Coco.NameOf(_images[index]);

    public IEnumerable<int> LabelsIn(int index) => Given(_images[index]).Select(each => each.Label);

    public (int Height, int Width)? SizeOf(int index)
    {
        var image = Coco.Annotations.Image(_images[index]);
        return image.Width > 0 && image.Height > 0 ? (image.Height, image.Width) : null;
    }

    public Image Load(int index, ImageScratch scratch, NeedOf needOf) => Coco.Load(_images[index], scratch, needOf);

    public DenseAnnotations AnnotationsOf(int index, int height, int width)
    {
        if (SizeOf(index) is { } said && said != (height, width))
            throw new ImageError($"{NameOf(index)}: it has {width} x {height} pixels, its annotations are of {said.Width} x {said.Height}");
        try
        {
            return new DenseAnnotations([.. Given(_images[index]).Select(each => Read(each, height, width)).OfType<DenseObject>()], null);
        }
        catch (FormatException e) // a mask of another size, where the file does not say the image's
        {
            throw new ImageError($"{NameOf(index)}: {e.Message}", e);
        }
    }

    private IEnumerable<CocoObject> Given(int image) => Coco.ObjectsIn(image).Where(each => _options.Crowds || !each.IsCrowd);

    /// <summary>An object with its box cut at the image's borders; null where nothing of it is left.</summary>
    private DenseObject? Read(CocoObject each, int height, int width)
    {
        float left = (float)each.Box[0], top = (float)each.Box[1];
        float[] box = DenseBoxes.Clip([left, top, left + (float)each.Box[2], top + (float)each.Box[3]], height, width);
        if (DenseBoxes.IsEmpty(box))
            return null;
        return new DenseObject
        {
            Id = each.Id,
            Label = each.Label,
            Box = box,
            Area = (float)each.Area,
            IsCrowd = each.IsCrowd,
            Mask = _options.Masks ? MaskOf(each, height, width).ToMap() : null,
            Keypoints = KeypointNames.Count == 0 ? null : each.Keypoints.Count > 0 ? [.. each.Keypoints.Select(number => (float)number)] : new float[3 * KeypointNames.Count],
        };
    }

    private static RunLengthMask MaskOf(CocoObject each, int height, int width)
    {
        var mask = each.MaskIn(height, width) ?? RunLengthMask.FromBox(each.Box[0], each.Box[1], each.Box[2], each.Box[3], height, width);
        return (mask.Height, mask.Width) == (height, width) ? mask
            : throw new FormatException($"the mask of annotation {each.Id} is of {mask.Width} x {mask.Height} pixels, the image of {width} x {height}");
    }
}
