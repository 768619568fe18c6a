using System.Runtime.ExceptionServices;

namespace Attention.Data;

/// <summary>A sample of an epoch.</summary>
/// <param name="Index">The image.</param>
/// <param name="Before">How often it came before in the epoch, on any rank.</param>
internal readonly record struct Draw(int Index, int Before);

/// <summary>A batch in the making. Several threads fill it, each other samples.</summary>
internal interface IOpenBatch<TBatch>
{
    /// <summary>Makes the sample of a draw, or leaves it out; lists the images that turned out to be broken.</summary>
    void Fill(int sample, Draw draw, ImageScratch scratch, List<BrokenImage> broken);

    /// <summary>Makes the batch, when all samples were filled.</summary>
    TBatch Close();

    /// <summary>Gives up what it holds instead.</summary>
    void Abandon();
}

/// <summary>
/// One pass over the data. Workers claim samples in order, a few at a time, and fill the batch that each belongs to; a batch is
/// open while it is at most so many batches ahead of the consumer. Without workers the consumer fills its batches itself.
/// </summary>
internal sealed class EpochRun<TBatch> : IDisposable
    where TBatch : class, IDisposable
{
    private readonly object _lock = new();
    private readonly Draw[] _order;
    private readonly int _batches, _batchSize, _ahead;
    private readonly Func<int, IOpenBatch<TBatch>> _open;
    private readonly Dictionary<int, Slot> _slots = [];
    private readonly Thread[] _workers;
    private readonly ImageScratch? _ownScratch;
    private readonly CancellationToken _cancellation;
    private readonly CancellationTokenRegistration _wakeUp;

    // What the lock guards, with the slots.
    private int _nextSample, _nextBatch;
    private ExceptionDispatchInfo? _failure;
    private bool _stopped;

    /// <param name="order">The samples.</param>
    /// <param name="firstBatch">Where to begin.</param>
    /// <param name="batches">How many batches there are, those before the first one included.</param>
    /// <param name="batchSize">Samples of each.</param>
    /// <param name="ahead">Batches that are open at once.</param>
    /// <param name="open">Begins a batch of so many samples.</param>
    /// <param name="workers">Threads.</param>
    /// <param name="cancellation">Ends the waiting for a batch.</param>
    public EpochRun(
        Draw[] order, int firstBatch, int batches, int batchSize, int ahead, Func<int, IOpenBatch<TBatch>> open, int workers, CancellationToken cancellation)
    {
        (_order, _batches, _batchSize, _ahead, _open) = (order, batches, batchSize, ahead, open);
        (_nextBatch, _nextSample) = (firstBatch, firstBatch * _batchSize);
        _cancellation = cancellation;
        _wakeUp = cancellation.Register(() =>
        {
            lock (_lock)
                Monitor.PulseAll(_lock);
        });
        _ownScratch = workers == 0 ? new ImageScratch() : null;
        _workers = [.. Enumerable.Range(0, workers).Select(i => new Thread(Work) { IsBackground = true, Name = $"data {i}" })];
        foreach (var worker in _workers)
            worker.Start();
    }

    /// <summary>The next batch, or null after the last one.</summary>
    /// <param name="broken">The broken images that were met in it, in its order.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public TBatch? Next(out IReadOnlyList<BrokenImage> broken)
    {
        broken = [];
        _cancellation.ThrowIfCancellationRequested();
        if (_nextBatch >= _batches)
            return null;
        if (_ownScratch is not null)
            while (!(_slots.TryGetValue(_nextBatch, out var own) && own.Done is not null) && TryClaim(out var slot, out int from, out int to))
                Fill(slot, from, to, _ownScratch);

        Slot? done;
        lock (_lock)
        {
            while (!_slots.TryGetValue(_nextBatch, out done) || done.Done is null)
            {
                _failure?.Throw();
                _cancellation.ThrowIfCancellationRequested();
                Monitor.Wait(_lock);
            }
            _slots.Remove(_nextBatch++);
            Monitor.PulseAll(_lock);
        }
        broken = [.. done.Broken.OrderBy(pair => pair.Key).SelectMany(pair => pair.Value)];
        return done.Done;
    }

    /// <summary>Ends the workers and waits for them.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _stopped = true;
            Monitor.PulseAll(_lock);
        }
        foreach (var worker in _workers)
            worker.Join();
        _wakeUp.Dispose();
        foreach (var slot in _slots.Values)
            if (slot.Done is not null)
                slot.Done.Dispose();
            else
                slot.Batch.Abandon();
    }

    private void Work()
    {
        try
        {
            var scratch = new ImageScratch();
            while (TryClaim(out var slot, out int from, out int to))
                Fill(slot, from, to, scratch);
        }
        catch (Exception e)
        {
            lock (_lock)
            {
                _failure ??= ExceptionDispatchInfo.Capture(e);
                Monitor.PulseAll(_lock);
            }
        }
    }

    /// <summary>Fills samples of a batch, and closes it with the last ones.</summary>
    private void Fill(Slot slot, int from, int to, ImageScratch scratch)
    {
        var broken = new List<BrokenImage>();
        for (int i = from; i < to; i++)
            slot.Batch.Fill(i, _order[slot.First + i], scratch, broken);
        bool isLast;
        lock (_lock)
        {
            if (broken.Count > 0)
                slot.Broken.Add(from, broken);
            slot.Left -= to - from;
            isLast = slot.Left == 0;
        }
        if (!isLast)
            return;
        var batch = slot.Batch.Close();
        lock (_lock)
        {
            slot.Done = batch;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Claims samples from..to of a batch, after waiting for the consumer where it is too far ahead; false at the end.</summary>
    private bool TryClaim(out Slot slot, out int from, out int to)
    {
        lock (_lock)
        {
            int number;
            while (true)
            {
                number = _nextSample / _batchSize;
                if (_stopped || _failure is not null || number >= _batches || _nextSample >= _order.Length)
                {
                    (slot, from, to) = (null!, 0, 0);
                    return false;
                }
                if (number < _nextBatch + _ahead)
                    break;
                Monitor.Wait(_lock);
            }
            int first = number * _batchSize, count = Math.Min(_batchSize, _order.Length - first);
            if (!_slots.TryGetValue(number, out slot!))
                _slots[number] = slot = new Slot(first, count, _open(count));
            from = _nextSample - first;
            to = Math.Min(from + EpochRun.Claim, count);
            _nextSample = first + to;
            return true;
        }
    }

    private sealed class Slot(int first, int count, IOpenBatch<TBatch> batch)
    {
        /// <summary>Where it starts in the epoch's order.</summary>
        public int First => first;

        public IOpenBatch<TBatch> Batch => batch;

        /// <summary>The closed batch.</summary>
        public TBatch? Done { get; set; }

        /// <summary>Broken images by the first sample of the claim that met them.</summary>
        public Dictionary<int, List<BrokenImage>> Broken { get; } = [];

        /// <summary>Samples that are not filled yet.</summary>
        public int Left { get; set; } = count;
    }
}

/// <summary>How workers share an epoch.</summary>
internal static class EpochRun
{
    /// <summary>Samples that a worker takes at once: few enough to share the first batch among the workers, many enough for the lock to cost nothing.</summary>
    public const int Claim = 4;

    /// <summary>Batches that are open at once: small ones must not leave many workers without a sample to claim.</summary>
    public static int Ahead(LoaderOptions options, int workers) =>
        workers == 0 ? 1 : Math.Max(options.Prefetch, 1 + (2 * workers * Claim + options.BatchSize - 1) / options.BatchSize);
}
