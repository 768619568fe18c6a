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

/// <summary>How a loader makes batches.</summary>
public record LoaderOptions
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

    /// <summary>Ends the waiting for batches, beside what <see cref="EpochLoader{TBatch}.Epoch"/> is given.</summary>
    public CancellationToken Cancellation { get; init; }

    public BrokenImages Broken { get; init; } = BrokenImages.Replace;

    /// <summary>How many broken images a run survives. By default a hundredth of the images, or 100 where that is more.</summary>
    public int? MaxBroken { get; init; }
}
