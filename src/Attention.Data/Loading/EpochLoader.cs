using System.Diagnostics;
using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// Makes batches of images in threads of its own, ahead of the consumer, which gets them in order. Order and content depend on
/// (seed, epoch, index) alone, whatever the number of workers. No worker touches libtorch.
/// </summary>
public abstract class EpochLoader<TBatch> : IDisposable
    where TBatch : class, IDisposable
{
    private const int MaxDefaultWorkers = 16;
    private readonly IImages _dataset;
    private readonly Sampler _sampler;
    private readonly BrokenList _broken;

    private protected EpochLoader(IImages dataset, LoaderOptions options, Action<string>? warn)
    {
        (_dataset, Options) = (dataset, options);
        _sampler = options.Sampler ?? (options.Shuffle ? new Shuffled(dataset.Count) : new InOrder(dataset.Count));
        _broken = new BrokenList(dataset.Count, options.MaxBroken ?? Math.Max(100, dataset.Count / 100), warn);
        Workers = options.Workers
            ?? (dataset is CachedImages || Environment.ProcessorCount <= 2 ? 1 : Math.Min(Environment.ProcessorCount - 1, MaxDefaultWorkers));
        Buffers = new BufferPool(options.PageLocked);
    }

    /// <summary>Batches of an epoch on this rank.</summary>
    public int StepsPerEpoch => (SamplesPerEpoch + Options.BatchSize - 1) / Options.BatchSize;

    /// <summary>Samples of an epoch on this rank.</summary>
    public int SamplesPerEpoch => (Total - Options.Rank + Options.Ranks - 1) / Options.Ranks;

    /// <summary>Threads that decode and transform.</summary>
    public int Workers { get; }

    /// <summary>How many images of the data set were found to be broken.</summary>
    public int BrokenCount => _broken.Count;

    /// <summary>How long consumers have waited for batches so far.</summary>
    public TimeSpan Waited { get; private set; }

    private protected LoaderOptions Options { get; }

    private protected BufferPool Buffers { get; }

    /// <summary>The indices of an epoch's images on this rank, in their order.</summary>
    public int[] Order(int epoch) => [.. Draws(epoch).Select(draw => draw.Index)];

    /// <summary>The batches of an epoch. Each has to be disposed; the workers end with the enumeration.</summary>
    /// <param name="epoch">Counts from 0.</param>
    /// <param name="firstBatch">Where to start within the epoch.</param>
    /// <param name="cancellation">Ends the waiting for a batch.</param>
    /// <exception cref="UserError">Images do not fit into one batch, or too many of them are broken.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<TBatch> Epoch(int epoch, int firstBatch = 0, CancellationToken cancellation = default)
    {
        if (firstBatch >= StepsPerEpoch)
            yield break;
        Begin(epoch);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, Options.Cancellation);
        using var run = new EpochRun<TBatch>(
            Draws(epoch), firstBatch, StepsPerEpoch, Options.BatchSize, EpochRun.Ahead(Options, Workers), count => Open(epoch, count), Workers, stop.Token);
        while (true)
        {
            long start = Stopwatch.GetTimestamp();
            var batch = run.Next(out var broken);
            Waited += Stopwatch.GetElapsedTime(start);
            _broken.Add(broken);
            if (batch is null)
                break;
            if (SamplesOf(batch) > 0)
                yield return batch;
            else
                batch.Dispose(); // all its images are broken
        }
    }

    /// <summary>Drops the buffers. Batches that are still in use keep theirs.</summary>
    public void Dispose() => Buffers.Clear();

    /// <summary>Prepares an epoch on the consumer's thread.</summary>
    private protected virtual void Begin(int epoch)
    {
    }

    private protected abstract IOpenBatch<TBatch> Open(int epoch, int count);

    private protected abstract int SamplesOf(TBatch batch);

    /// <summary>Another order of the same images, over all ranks.</summary>
    private protected virtual int[] Arrange(int[] order) => order;

    /// <summary>
    /// Does what can be done with an image; if it is broken, gives null or goes on to the next readable one, whose index is then
    /// given. Null as well where so many are broken in a row that the run will end.
    /// </summary>
    private protected T? Readable<T>(ref int index, BrokenImages policy, List<BrokenImage> broken, Func<int, T> load)
        where T : class
    {
        for (int attempt = 0; attempt <= Math.Min(_broken.Limit, _dataset.Count - 1); attempt++, index = (index + 1) % _dataset.Count)
        {
            if (!_broken.Has(index))
            {
                try
                {
                    return load(index);
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

    /// <summary>Counts broken images that were met before an epoch.</summary>
    private protected void Report(List<BrokenImage> broken) => _broken.Add(broken);

    /// <summary>All randomness of a draw.</summary>
    private protected SeededRandom RandomOf(int epoch, int index, int before) =>
        before == 0 ? new SeededRandom(Options.Seed, epoch, index) : new SeededRandom(Options.Seed, epoch, index, before);

    // Samples of an epoch over all ranks.
    private int Total
    {
        get
        {
            int whole = Options.BatchSize * Options.Ranks;
            return Options.Last switch
            {
                LastBatch.Drop => _sampler.Count / whole * whole,
                LastBatch.Pad => (_sampler.Count + whole - 1) / whole * whole,
                _ => _sampler.Count,
            };
        }
    }

    private Draw[] Draws(int epoch)
    {
        int[] order = Arrange(_sampler.Order(Options.Seed, epoch));
        var draws = new Draw[SamplesPerEpoch];
        var times = new int[_dataset.Count];
        int total = Total;
        for (int i = 0; i < total; i++)
        {
            int index = order[i % order.Length];
            int before = times[index]++;
            if (i % Options.Ranks == Options.Rank)
                draws[i / Options.Ranks] = new Draw(index, before);
        }
        return draws;
    }
}
