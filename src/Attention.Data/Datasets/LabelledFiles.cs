using Attention.Torch;

namespace Attention.Data;

/// <summary>Image files with one label each, from wherever the labels were read.</summary>
/// <param name="files">Path and label of each.</param>
/// <param name="classes">The names of the labels.</param>
public class LabelledFiles(IReadOnlyList<(string Path, int Label)> files, IReadOnlyList<string> classes) : IImageDataset
{
    public int Count => files.Count;

    public IReadOnlyList<string> ClassNames => classes;

    /// <summary>Whether images are turned as the camera noted.</summary>
    public bool Upright { get; init; } = true;

    public int LabelOf(int index) => files[index].Label;

    public string NameOf(int index) => files[index].Path;

    public Image Load(int index, ImageScratch scratch, NeedOf needOf) => ImageFiles.Load(files[index].Path, scratch, needOf, Upright);
}
