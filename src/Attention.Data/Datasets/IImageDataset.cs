using Attention.Torch;

namespace Attention.Data;

/// <summary>Images of a data set, whatever is known of them. All members may be called from several threads at once.</summary>
public interface IImages
{
    int Count { get; }

    /// <summary>The name of each label.</summary>
    IReadOnlyList<string> ClassNames { get; }

    /// <summary>What to call image <paramref name="index"/> in messages, such as its file.</summary>
    string NameOf(int index);

    /// <summary>The labels of all that is annotated in image <paramref name="index"/>, from 0; one may come several times.</summary>
    IEnumerable<int> LabelsIn(int index);

    /// <summary>What could not be read when the data set was opened, with the reason, and was left out.</summary>
    IReadOnlyList<string> Unreadable => [];

    /// <summary>Decodes an image.</summary>
    /// <param name="index">Which.</param>
    /// <param name="scratch">Its File and Decoded buffers may be used, so that the image is valid until the next call with it.</param>
    /// <param name="needOf">What will be read of it; the rest of the image may be undefined.</param>
    /// <returns>The image, which the caller may not write to.</returns>
    /// <exception cref="ImageError">The image is broken; the message begins with its name.</exception>
    Image Load(int index, ImageScratch scratch, NeedOf needOf);
}

/// <summary>Images with one label each.</summary>
public interface IImageDataset : IImages
{
    /// <summary>The label of image <paramref name="index"/>, from 0.</summary>
    int LabelOf(int index);

    IEnumerable<int> IImages.LabelsIn(int index) => [LabelOf(index)];
}
