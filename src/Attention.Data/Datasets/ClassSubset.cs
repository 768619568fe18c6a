using Attention.Torch;

namespace Attention.Data;

/// <summary>The images of some classes of a data set, labelled in the order in which the classes are given.</summary>
public sealed class ClassSubset : IImageDataset
{
    private readonly IImageDataset _images;
    private readonly (int Index, int Label)[] _chosen;

    /// <param name="images">All images.</param>
    /// <param name="classes">Names of the classes to keep.</param>
    /// <exception cref="UserError">A class that the data set does not have, or no image of any.</exception>
    public ClassSubset(IImageDataset images, IReadOnlyList<string> classes)
    {
        (_images, ClassNames) = (images, classes);
        var unknown = classes.FirstOrDefault(name => !images.ClassNames.Contains(name));
        if (unknown is not null)
            throw new UserError($"the data has no class '{unknown}'", Spelling.Advice(unknown, images.ClassNames));
        var labels = images.ClassNames.Select(name => Array.IndexOf([.. classes], name)).ToArray();
        _chosen = [.. Enumerable.Range(0, images.Count).Select(index => (index, labels[images.LabelOf(index)])).Where(pair => pair.Item2 >= 0)];
        if (_chosen.Length == 0)
            throw new UserError($"there are no images of {string.Join(", ", classes)}", "choose other classes");
    }

    public int Count => _chosen.Length;

    public IReadOnlyList<string> ClassNames { get; }

    public int LabelOf(int index) => _chosen[index].Label;

    public string NameOf(int index) => _images.NameOf(_chosen[index].Index);

    /// <inheritdoc/>
    public Image Load(int index, ImageScratch scratch, NeedOf needOf) => _images.Load(_chosen[index].Index, scratch, needOf);
}
