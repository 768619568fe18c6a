using Attention.Data;
using Attention.Torch;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>
/// Writes what a segmenter said of images into a folder: <c>NAME.jpg</c> is the image under the colours of its classes, with their
/// names, and <c>NAME.png</c> the map of the classes.
/// </summary>
/// <param name="folder">Made where it is not there.</param>
/// <param name="names">The classes' names; null for their numbers.</param>
public sealed class SegmentationPictures(string folder, IReadOnlyList<string>? names)
{
    private const int Quality = 92;

    private readonly HashSet<string> written = [];

    /// <param name="images">The images.</param>
    /// <param name="index">Which of them.</param>
    /// <param name="classes">The class of each of its pixels.</param>
    public void Write(IImages images, int index, LabelMap classes)
    {
        Directory.CreateDirectory(folder);
        var place = Path.Combine(folder, Unused(Path.GetFileNameWithoutExtension(images.NameOf(index))));
        var image = images.Load(index, new ImageScratch(), ImageNeed.All);
        File.WriteAllBytes($"{place}.jpg", ImageCodec.EncodeJpeg(SegmentationPicture.Draw(image, classes, names), Quality));
        File.WriteAllBytes($"{place}.png", ImageCodec.EncodePng(classes));
    }

    // Images of several folders may have the same name.
    private string Unused(string name)
    {
        var free = name;
        for (int i = 2; !written.Add(free); i++)
            free = $"{name}_{i}";
        return free;
    }
}
