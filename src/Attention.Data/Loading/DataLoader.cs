using System.Diagnostics;
using Attention.Torch;

namespace Attention.Data;

/// <summary>What happens to an image that cannot be read.</summary>
public enum BrokenImages
{
    /// <summary>The next readable image of the data set takes its place: for training.</summary>
    Replace,

    /// <summary>It is left out, and its batch is smaller: for evaluation, where no image may count twice.</summary>
    Skip,
}

/// <summary>How a <see cref="DataLoader"/> makes batches.</summary>
public sealed record LoaderOptions
{
    /// <summary>Images per batch.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Whether each epoch has an order of its own, from (seed, epoch).</summary>
    public bool Shuffle { get; init; }

    /// <summary>Whether a last batch that is not full is left out.</summary>
    public bool DropLast { get; init; }

    /// <summary>The seed of order and augmentation.</summary>
    public long Seed { get; init; }

    /// <summary>Threads that decode and transform; null for as many as there are cores.</summary>
    public int? Workers { get; init; }

    /// <summary>Batches that are prepared ahead.</summary>
    public int Prefetch { get; init; } = 4;

    public BrokenImages Broken { get; init; } = BrokenImages.Replace;
}

/// <summary>
/// Decodes, transforms and collates images in threads of its own, ahead of the consumer, which gets the batches in order. Order
/// and content depend on (seed, epoch, index) alone, whatever the number of workers. No worker touches libtorch.
/// </summary>
/// <param name="dataset">The images.</param>
/// <param name="transforms">What is done to each.</param>
/// <param name="options">How batches are made.</param>
/// <param name="warn">Told the first broken images by name; null for nobody. May be called from a worker.</param>
public sealed class DataLoader(IImageDataset dataset, TransformPipeline transforms, LoaderOptions options, Action<string>? warn = null) : IDisposable
{
    // Apart from every index, which keys augmentation.
    private const long OrderKey = -1;
    private readonly BrokenList _broken = new(warn);
    private readonly BufferPool _buffers = new();
    private (int Height, int Width)? _size = transforms.OutputSize;

    public IImageDataset Dataset => dataset;

    public int StepsPerEpoch => options.DropLast
        ? dataset.Count / options.BatchSize
        : (dataset.Count + options.BatchSize - 1) / options.BatchSize;

    /// <summary>How many images of the data set were found to be broken.</summary>
    public int BrokenCount => _broken.Count;

    /// <summary>How long consumers have waited for batches so far.</summary>
    public TimeSpan Waited { get; private set; }

    /// <summary>The indices of an epoch's images in their order.</summary>
    public int[] Order(int epoch)
    {
        int[] order = [.. Enumerable.Range(0, dataset.Count)];
        if (options.Shuffle)
            new SeededRandom(options.Seed, epoch, OrderKey).Shuffle(order.AsSpan());
        return order;
    }

    /// <summary>The batches of an epoch. Each has to be disposed; the workers end with the enumeration.</summary>
    /// <param name="epoch">Counts from 0.</param>
    /// <param name="firstBatch">Where to start within the epoch.</param>
    /// <exception cref="UserError">Images differ in size after the transforms, or not one image of the data set can be read.</exception>
    public IEnumerable<ImageBatch> Epoch(int epoch, int firstBatch = 0)
    {
        if (firstBatch >= StepsPerEpoch)
            yield break;
        var size = _size ??= SizeOfFirst(epoch);
        using var run = new EpochRun(
            Order(epoch), firstBatch, StepsPerEpoch, options, size, dataset.LabelOf, _buffers,
            (int index, ImageScratch scratch, Span<float> planes) => Fill(index, epoch, size, scratch, planes));
        while (true)
        {
            long start = Stopwatch.GetTimestamp();
            var batch = run.Next();
            Waited += Stopwatch.GetElapsedTime(start);
            if (batch is null)
                break;
            if (batch.Samples > 0)
                yield return batch;
            else
                batch.Dispose(); // all its images are broken
        }
    }

    /// <summary>Drops the buffers. Batches that are still in use keep theirs.</summary>
    public void Dispose() => _buffers.Clear();

    private int? Fill(int index, int epoch, (int Height, int Width) size, ImageScratch scratch, Span<float> planes)
    {
        var image = Load(ref index, epoch, scratch, options.Broken);
        if (image is null)
            return null;
        if ((image.Height, image.Width) != size)
            throw new UserError(
                $"images of one batch differ in size: {dataset.NameOf(index)} is {image.Width} x {image.Height}, others are {size.Width} x {size.Height}",
                $"end the transforms with a crop or with squash; they are '{transforms}'");
        transforms.Normalize.Apply(image, planes);
        return index;
    }

    private (int, int) SizeOfFirst(int epoch)
    {
        int index = 0;
        var image = Load(ref index, epoch, new ImageScratch(), BrokenImages.Replace)!;
        return (image.Height, image.Width);
    }

    /// <summary>Loads and transforms an image; null or the next readable one, whose index is then given, if it is broken.</summary>
    private Image? Load(ref int index, int epoch, ImageScratch scratch, BrokenImages policy)
    {
        for (int attempt = 0; attempt < dataset.Count; attempt++, index = (index + 1) % dataset.Count)
        {
            if (!_broken.Has(index))
            {
                try
                {
                    return Transformed(index, epoch, scratch);
                }
                catch (ImageError e)
                {
                    _broken.Add(index, e);
                }
            }
            if (policy == BrokenImages.Skip)
                return null;
        }
        throw new UserError($"not one of {dataset.Count} images can be read; {_broken.First}", "check the files and their permissions");
    }

    private Image Transformed(int index, int epoch, ImageScratch scratch)
    {
        var random = new SeededRandom(options.Seed, epoch, index);
        var ahead = random;
        var image = dataset.Load(index, scratch, (width, height) => transforms.MinSide(width, height, ahead));
        return transforms.Apply(image, scratch, ref random);
    }
}
