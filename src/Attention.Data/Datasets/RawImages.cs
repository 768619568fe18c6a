using Attention.Torch;

namespace Attention.Data;

/// <summary>Small images that lie in memory one after the other, as the binary files of CIFAR and MNIST hold them.</summary>
public abstract class RawImages(int width, int height, byte[] pixels, byte[] labels, IReadOnlyList<string> classes, string name) : IImageDataset
{
    public int Count => labels.Length;

    public IReadOnlyList<string> ClassNames => classes;

    /// <summary>The image planes of all images.</summary>
    protected ReadOnlySpan<byte> PixelsOf(int index, int length) => pixels.AsSpan(index * length, length);

    public int LabelOf(int index) => labels[index];

    public string NameOf(int index) => $"{name}[{index}]";

    public Image Load(int index, ImageScratch scratch, NeedOf needOf)
    {
        scratch.Decoded.Reshape(width, height);
        Fill(index, scratch.Decoded);
        return scratch.Decoded;
    }

    /// <summary>Writes an image as interleaved RGB.</summary>
    protected abstract void Fill(int index, Image image);

    /// <summary>Refuses labels that have no name.</summary>
    protected static byte[] Checked(byte[] labels, int classes, string file)
    {
        int wrong = Array.FindIndex(labels, label => label >= classes);
        return wrong < 0 ? labels
            : throw new UserError($"{file}: image {wrong} has the label {labels[wrong]}, but there are {classes} classes", "the file is damaged, or of another kind; get it again");
    }
}
