using Attention.Data;
using Attention.Engine.Runs;
using Attention.Torch;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>
/// Writes what a segmenter said of images into a folder: <c>NAME.jpg</c> is the image under the colours of its classes, and
/// <c>NAME.png</c> the map of the classes.
/// </summary>
/// <param name="folder">Made where it is not there.</param>
public sealed class SegmentationPictures(string folder)
{
    private const int Quality = 92;

    private readonly PictureFolder pictures = new(folder);

    /// <param name="images">The images.</param>
    /// <param name="index">Which of them.</param>
    /// <param name="classes">The class of each of its pixels.</param>
    public void Write(IImages images, int index, LabelMap classes)
    {
        var place = pictures.Take(images.NameOf(index));
        var image = images.Load(index, new ImageScratch(), ImageNeed.All);
        AtomicFile.Write($"{place}.jpg", stream => stream.Write(ImageCodec.EncodeJpeg(SegmentationPicture.Draw(image, classes), Quality)));
        AtomicFile.Write($"{place}.png", stream => stream.Write(ImageCodec.EncodePng(classes)));
    }
}
