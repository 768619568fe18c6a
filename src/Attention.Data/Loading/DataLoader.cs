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

/// <summary>What becomes of the samples that do not fill a batch of every rank.</summary>
public enum LastBatch
{
    /// <summary>They make smaller batches; ranks may differ by one sample. For evaluation.</summary>
    Keep,

    /// <summary>They are left out.</summary>
    Drop,

    /// <summary>The first samples of the epoch come again, until all batches are full.</summary>
    Pad,
}

/// <summary>How a <see cref="DataLoader"/> makes batches.</summary>
public sealed record LoaderOptions
{
    /// <summary>Images per batch.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Whether each epoch has an order of its own, from (seed, epoch); where there is no <see cref="Sampler"/>.</summary>
    public bool Shuffle { get; init; }

    /// <summary>Chooses the images of each epoch; null for all, once.</summary>
    public Sampler? Sampler { get; init; }

    /// <summary>What becomes of a last batch that is not full.</summary>
    public LastBatch Last { get; init; } = LastBatch.Keep;

    /// <summary>Which part of each epoch is read here, from 0 to <see cref="Ranks"/> - 1.</summary>
    public int Rank { get; init; }

    /// <summary>How many processes share each epoch: sample i belongs to rank i modulo this number.</summary>
    public int Ranks { get; init; } = 1;

    /// <summary>The seed of order and augmentation.</summary>
    public long Seed { get; init; }

    /// <summary>
    /// Threads that decode and transform; 0 for none: the consumer does the work when it asks for a batch. By default one where
    /// images are kept in memory or there are at most 2 cores, which leaves the computation its own, else one less than there are
    /// cores.
    /// </summary>
    public int? Workers { get; init; }

    /// <summary>Batches that are prepared ahead.</summary>
    public int Prefetch { get; init; } = 2;

    /// <summary>Whether batches lie in page-locked memory, from where CUDA copies faster.</summary>
    public bool PageLocked { get; init; }

    /// <summary>Ends the waiting for batches, beside what <see cref="DataLoader.Epoch"/> is given.</summary>
    public CancellationToken Cancellation { get; init; }

    public BrokenImages Broken { get; init; } = BrokenImages.Replace;

    /// <summary>How many broken images a run survives. By default a hundredth of the images, or 100 where that is more.</summary>
    public int? MaxBroken { get; init; }
}

/// <summary>
/// Decodes, transforms and collates images in threads of its own, ahead of the consumer, which gets the batches in order. Order
/// and content depend on (seed, epoch, index) alone, whatever the number of workers. No worker touches libtorch.
/// </summary>
/// <param name="dataset">The images.</param>
/// <param name="transforms">What is done to each.</param>
/// <param name="options">How batches are made.</param>
/// <param name="warn">Told the first broken images by name, on the consumer's thread and in the order of the batches; null for nobody.</param>
public sealed class DataLoader(IImageDataset dataset, TransformPipeline transforms, LoaderOptions options, Action<string>? warn = null) : IDisposable
{
    private const int MaxDefaultWorkers = 16;
    private readonly Sampler _sampler = options.Sampler ?? (options.Shuffle ? new Shuffled(dataset.Count) : new InOrder(dataset.Count));
    private readonly BrokenList _broken = new(dataset.Count, options.MaxBroken ?? Math.Max(100, dataset.Count / 100), warn);
    private readonly BufferPool _buffers = new(options.PageLocked);
    private (int Height, int Width)? _size = transforms.OutputSize;

    public IImageDataset Dataset => dataset;

    /// <summary>Batches of an epoch on this rank.</summary>
    public int StepsPerEpoch => (SamplesPerEpoch + options.BatchSize - 1) / options.BatchSize;

    /// <summary>Samples of an epoch on this rank.</summary>
    public int SamplesPerEpoch => (Total - options.Rank + options.Ranks - 1) / options.Ranks;

    /// <summary>Threads that decode and transform.</summary>
    public int Workers { get; } = options.Workers
        ?? (dataset is CachedImages || Environment.ProcessorCount <= 2 ? 1 : Math.Min(Environment.ProcessorCount - 1, MaxDefaultWorkers));

    /// <summary>How many images of the data set were found to be broken.</summary>
    public int BrokenCount => _broken.Count;

    /// <summary>How long consumers have waited for batches so far.</summary>
    public TimeSpan Waited { get; private set; }

    /// <summary>The indices of an epoch's images on this rank, in their order.</summary>
    public int[] Order(int epoch) => [.. Draws(epoch).Select(draw => draw.Index)];

    /// <summary>The batches of an epoch. Each has to be disposed; the workers end with the enumeration.</summary>
    /// <param name="epoch">Counts from 0.</param>
    /// <param name="firstBatch">Where to start within the epoch.</param>
    /// <param name="cancellation">Ends the waiting for a batch.</param>
    /// <exception cref="UserError">Images differ in size after the transforms, or too many of them are broken.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<ImageBatch> Epoch(int epoch, int firstBatch = 0, CancellationToken cancellation = default)
    {
        if (firstBatch >= StepsPerEpoch)
            yield break;
        var size = _size ??= SizeOfFirst(epoch);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, options.Cancellation);
        using var run = new EpochRun(
            Draws(epoch), firstBatch, StepsPerEpoch, options, size, dataset.LabelOf, _buffers,
            (Draw draw, ImageScratch scratch, Span<float> planes, List<BrokenImage> broken) => Fill(draw, epoch, size, scratch, planes, broken),
            Workers, stop.Token);
        while (true)
        {
            long start = Stopwatch.GetTimestamp();
            var batch = run.Next(out var broken);
            Waited += Stopwatch.GetElapsedTime(start);
            _broken.Add(broken);
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

    // Samples of an epoch over all ranks.
    private int Total
    {
        get
        {
            int whole = options.BatchSize * options.Ranks;
            return options.Last switch
            {
                LastBatch.Drop => _sampler.Count / whole * whole,
                LastBatch.Pad => (_sampler.Count + whole - 1) / whole * whole,
                _ => _sampler.Count,
            };
        }
    }

    private Draw[] Draws(int epoch)
    {
        int[] order = _sampler.Order(options.Seed, epoch);
        var draws = new Draw[SamplesPerEpoch];
        var times = new int[dataset.Count];
        int total = Total;
        for (int i = 0; i < total; i++)
        {
            int index = order[i % order.Length];
            int before = times[index]++;
            if (i % options.Ranks == options.Rank)
                draws[i / options.Ranks] = new Draw(index, before);
        }
        return draws;
    }

    private int? Fill(Draw draw, int epoch, (int Height, int Width) size, ImageScratch scratch, Span<float> planes, List<BrokenImage> broken)
    {
        int index = draw.Index;
        var image = Load(ref index, draw.Before, epoch, scratch, options.Broken, broken, out var random);
        if (image is null)
            return null;
        if ((image.Height, image.Width) != size)
            throw new UserError(
                $"images of one batch differ in size: {dataset.NameOf(index)} is {image.Width} x {image.Height}, others are {size.Width} x {size.Height}",
                $"end the transforms with a crop or with squash; they are '{transforms}'");
        transforms.Finish(image, planes, ref random);
        return index;
    }

    private (int, int) SizeOfFirst(int epoch)
    {
        int index = 0;
        var broken = new List<BrokenImage>();
        var image = Load(ref index, 0, epoch, new ImageScratch(), BrokenImages.Replace, broken, out _);
        _broken.Add(broken);
        return (image!.Height, image.Width);
    }

    /// <summary>
    /// Loads and transforms an image; if it is broken, null or the next readable one, whose index is then given. Null as well
    /// where so many are broken in a row that the run will end.
    /// </summary>
    private Image? Load(ref int index, int before, int epoch, ImageScratch scratch, BrokenImages policy, List<BrokenImage> broken, out SeededRandom random)
    {
        random = default;
        for (int attempt = 0; attempt <= Math.Min(_broken.Limit, dataset.Count - 1); attempt++, index = (index + 1) % dataset.Count)
        {
            if (!_broken.Has(index))
            {
                try
                {
                    return Transformed(index, before, epoch, scratch, out random);
                }
                catch (ImageError e)
                {
                    broken.Add(new BrokenImage(index, e.Message));
                }
            }
            if (policy == BrokenImages.Skip)
                return null;
        }
        return null;
    }

    private Image Transformed(int index, int before, int epoch, ImageScratch scratch, out SeededRandom random)
    {
        random = before == 0 ? new SeededRandom(options.Seed, epoch, index) : new SeededRandom(options.Seed, epoch, index, before);
        var ahead = random;
        var image = dataset.Load(index, scratch, (width, height) => transforms.Need(width, height, ahead));
        return transforms.Apply(image, scratch, ref random);
    }
}
