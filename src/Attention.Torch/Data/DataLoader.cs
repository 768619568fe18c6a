using System.Collections;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.utils.data;

namespace TorchSharp.Modules;

/// <summary>
/// Batches of a data set's samples, each disposed when the next is asked for. Samples are read one after the other on the
/// caller's thread, whatever the number of workers: libtorch keeps a pool of threads for every thread that computes.
/// </summary>
public class DataLoader<T, S> : IEnumerable<S>, IDisposable
{
    public DataLoader(Dataset<T> dataset, int batchSize, Func<IEnumerable<T>, Device, S> collate_fn, IEnumerable<long> shuffler, Device? device = null, int num_worker = 1, bool drop_last = false, bool disposeBatch = true, bool disposeDataset = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        this.dataset = dataset;
        batch_size = batchSize;
        this.collate_fn = collate_fn;
        sampler = shuffler;
        Device = device ?? CPU;
        num_workers = Math.Max(num_worker, 1);
        this.drop_last = drop_last;
        DisposeBatch = disposeBatch;
        DisposeDataset = disposeDataset;
    }

    public DataLoader(Dataset<T> dataset, int batchSize, Func<IEnumerable<T>, Device, S> collate_fn, bool shuffle = false, Device? device = null, int? seed = null, int num_worker = 1, bool drop_last = false, bool disposeBatch = true, bool disposeDataset = true)
        : this(dataset, batchSize, collate_fn, shuffle ? new FisherYatesShuffler(dataset.Count, seed) : InOrder(dataset.Count), device, num_worker, drop_last, disposeBatch, disposeDataset)
    {
    }

    public Dataset<T> dataset { get; }
    public int batch_size { get; }

    /// <summary>Makes a batch on the device from its samples.</summary>
    public Func<IEnumerable<T>, Device, S> collate_fn { get; }

    /// <summary>The numbers of the samples in the order of an epoch.</summary>
    public IEnumerable<long> sampler { get; }
    public Device Device { get; }
    public int num_workers { get; }

    /// <summary>Whether a last batch that is not full is left out.</summary>
    public bool drop_last { get; }
    public bool DisposeBatch { get; }
    public bool DisposeDataset { get; }

    /// <summary>Batches in an epoch.</summary>
    public long Count => drop_last ? dataset.Count / batch_size : (dataset.Count + batch_size - 1) / batch_size;

    private static IEnumerable<long> InOrder(long count)
    {
        for (long i = 0; i < count; i++)
            yield return i;
    }

    public IEnumerator<S> GetEnumerator()
    {
        foreach (var indices in sampler.Chunk(batch_size))
        {
            if (drop_last && indices.Length < batch_size)
                yield break;
            var (batch, owned) = Collate(indices);
            try
            {
                yield return batch;
            }
            finally
            {
                if (DisposeBatch)
                    foreach (var disposable in owned)
                        disposable.Dispose();
            }
        }
    }

    // The batch, and all that was made with it. The samples end here.
    private (S Batch, IReadOnlyList<IDisposable> Owned) Collate(long[] indices)
    {
        using var samples = NewDisposeScope();
        var items = Array.ConvertAll(indices, dataset.GetTensor);
        using var scope = NewDisposeScope();
        var batch = collate_fn(items, Device);
        var owned = scope.DisposablesView;
        scope.Detach(owned);
        return (batch, owned);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        if (disposing && DisposeDataset)
            dataset.Dispose();
    }

    /// <summary>One tensor of every sample, stacked, on the device.</summary>
    private protected static Tensor Stack(IEnumerable<Tensor> tensors, Device device)
    {
        using var scope = NewDisposeScope();
        return stack(tensors).to(device).MoveToOuterDisposeScope();
    }
}

/// <summary>Batches of samples that are named tensors: each name's tensors stacked.</summary>
public class DataLoader : DataLoader<Dictionary<string, Tensor>, Dictionary<string, Tensor>>
{
    public DataLoader(Dataset dataset, int batchSize, IEnumerable<long> shuffler, Device device = null!, int num_worker = 1, bool drop_last = false, bool disposeBatch = true, bool disposeDataset = true)
        : base(dataset, batchSize, Collate, shuffler, device, num_worker, drop_last, disposeBatch, disposeDataset)
    {
    }

    public DataLoader(Dataset dataset, int batchSize, bool shuffle = false, Device device = null!, int? seed = null, int num_worker = 1, bool drop_last = false, bool disposeBatch = true, bool disposeDataset = true)
        : base(dataset, batchSize, Collate, shuffle, device, seed, num_worker, drop_last, disposeBatch, disposeDataset)
    {
    }

    private static Dictionary<string, Tensor> Collate(IEnumerable<Dictionary<string, Tensor>> samples, Device device) =>
        samples.First().Keys.ToDictionary(name => name, name => Stack(samples.Select(sample => sample[name]), device));
}

/// <summary>Batches of samples that are lists of tensors: each position's tensors stacked.</summary>
public class IterableDataLoader : DataLoader<IList<Tensor>, IList<Tensor>>
{
    public IterableDataLoader(IterableDataset dataset, int batchSize, IEnumerable<long> shuffler, Device device = null!, int num_worker = 1, bool drop_last = false, bool disposeBatch = true, bool disposeDataset = true)
        : base(dataset, batchSize, Collate, shuffler, device, num_worker, drop_last, disposeBatch, disposeDataset)
    {
    }

    public IterableDataLoader(IterableDataset dataset, int batchSize, bool shuffle = false, Device device = null!, int? seed = null, int num_worker = 1, bool drop_last = false, bool disposeBatch = true, bool disposeDataset = true)
        : base(dataset, batchSize, Collate, shuffle, device, seed, num_worker, drop_last, disposeBatch, disposeDataset)
    {
    }

    private static IList<Tensor> Collate(IEnumerable<IList<Tensor>> samples, Device device) =>
        Enumerable.Range(0, samples.First().Count).Select(i => Stack(samples.Select(sample => sample[i]), device)).ToList();
}

/// <summary>Tensors of the same length in their first dimension, whose slices are the samples.</summary>
public class TensorDataset : IterableDataset
{
    private readonly Tensor[] tensors;

    internal TensorDataset(Tensor[] tensors)
    {
        if (tensors is null || tensors.Length == 0)
            throw new ArgumentException("a tensor data set needs at least one tensor", nameof(tensors));
        if (tensors.Any(t => t.size(0) != tensors[0].size(0)))
            throw new ArgumentException($"the tensors have first dimensions of different sizes: {string.Join(", ", tensors.Select(t => t.size(0)))}", nameof(tensors));
        this.tensors = Array.ConvertAll(tensors, t => t.alias().DetachFromDisposeScope());
    }

    public override long Count => tensors[0].size(0);
    public IList<Tensor> this[long index] => tensors.Select(t => t[index]).ToList();
    public override IList<Tensor> GetTensor(long index) => this[index];

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            foreach (var tensor in tensors)
                tensor.Dispose();
    }
}
