using Attention.Data;
using Attention.Torch;

namespace Attention.Engine.Data;

/// <summary>What a data set turned out to hold.</summary>
/// <param name="Images">How many images it lists.</param>
/// <param name="Broken">Those that cannot be decoded, with the reason, which begins with the name.</param>
/// <param name="Unreadable">What was left out when it was opened.</param>
/// <param name="PerClass">In how many images each class occurs, in the order of the class names.</param>
/// <param name="Smallest">The image with the fewest pixels (W, H).</param>
/// <param name="Largest">The image with the most.</param>
public sealed record DatasetReport(
    int Images, IReadOnlyList<string> Broken, IReadOnlyList<string> Unreadable, IReadOnlyList<int> PerClass, (int Width, int Height) Smallest, (int Width, int Height) Largest);

/// <summary>Decodes every image of a data set and counts what it holds.</summary>
public static class DatasetCheck
{
    /// <summary>Checks a data set with all cores.</summary>
    /// <param name="images">The data set.</param>
    /// <param name="progress">Is told how many images are done, from several threads.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static DatasetReport Run(IImages images, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        var broken = new string?[images.Count];
        var sizes = new (int Width, int Height)[images.Count];
        var perClass = new int[images.ClassNames.Count];
        var dense = DenseData.Of(images);
        int done = 0;
        Parallel.For(0, images.Count, new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = Environment.ProcessorCount },
            static () => new ImageScratch(),
            (index, _, scratch) =>
            {
                try
                {
                    var image = images.Load(index, scratch, ImageNeed.All);
                    sizes[index] = (image.Width, image.Height);
                    dense?.AnnotationsOf(index, image.Height, image.Width);
                }
                catch (ImageError e)
                {
                    broken[index] = e.Message;
                }
                foreach (int label in images.LabelsIn(index).Distinct())
                    Interlocked.Increment(ref perClass[label]);
                progress?.Invoke(Interlocked.Increment(ref done));
                return scratch;
            },
            static _ => { });
        var ordered = sizes.Where(size => size.Width > 0).OrderBy(size => (long)size.Width * size.Height).ToArray();
        return new DatasetReport(images.Count, [.. broken.OfType<string>()], images.Unreadable, perClass, ordered.FirstOrDefault(), ordered.LastOrDefault());
    }
}
