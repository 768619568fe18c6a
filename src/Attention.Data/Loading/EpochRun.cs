using System.Runtime.ExceptionServices;

namespace Attention.Data;

/// <summary>A sample of an epoch.</summary>
/// <param name="Index">The image.</param>
/// <param name="Before">How often it came before in the epoch, on any rank.</param>
internal readonly record struct Draw(int Index, int Before);

/// <summary>
/// Writes the image of a draw as (3, H, W); returns the index of the image that was taken, null for none. Lists the images
/// that turned out to be broken.
/// </summary>
internal delegate int? FillSample(Draw draw, ImageScratch scratch, Span<float> planes, List<BrokenImage> broken);

/// <summary>
/// One pass over the data. Workers claim samples in order, a few at a time, and fill the batch that each belongs to; a batch is
/// open while it is at most Prefetch batches ahead of the consumer. Without workers the consumer fills its batches itself.
/// </summary>
internal sealed class EpochRun : IDisposable
{
    // Few enough to share the first batch among the workers, many enough for the lock to cost nothing.
    private const int Claim = 4;

    private readonly object _lock = new();
    private readonly Draw[] _order;
    private readonly int _batches, _batchSize, _prefetch, _planes;
    private readonly (int Height, int Width) _size;
    private readonly Func<int, int> _labelOf;
    private readonly BufferPool _buffers;
    private readonly FillSample _fill;
    private readonly Dictionary<int, OpenBatch> _open = [];
    private readonly Thread[] _workers;
    private readonly ImageScratch? _ownScratch;
    private readonly CancellationToken _cancellation;
    private readonly CancellationTokenRegistration _wakeUp;

    // What the lock guards, with the open batches.
    private int _nextSample, _nextBatch;
    private ExceptionDispatchInfo? _failure;
    private bool _stopped;

    public EpochRun(
        Draw[] order, int firstBatch, int batches, LoaderOptions options, (int Height, int Width) size,
        Func<int, int> labelOf, BufferPool buffers, FillSample fill, int workers, CancellationToken cancellation)
    {
        (_order, _batches, _batchSize) = (order, batches, options.BatchSize);
        // Small batches must not leave many workers without a sample to claim.
        _prefetch = workers == 0 ? 1 : Math.Max(options.Prefetch, 1 + (2 * workers * Claim + _batchSize - 1) / _batchSize);
        (_size, _planes) = (size, 3 * size.Height * size.Width);
        (_labelOf, _buffers, _fill) = (labelOf, buffers, fill);
        buffers.Reserve(_prefetch + 1, _batchSize * _planes); // one more is with the consumer
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
    public ImageBatch? Next(out IReadOnlyList<BrokenImage> broken)
    {
        broken = [];
        _cancellation.ThrowIfCancellationRequested();
        if (_nextBatch >= _batches)
            return null;
        if (_ownScratch is not null)
            while (!(_open.TryGetValue(_nextBatch, out var own) && own.Left == 0) && TryClaim(out var batch, out int from, out int to))
                Fill(batch, from, to, _ownScratch);

        OpenBatch? done;
        lock (_lock)
        {
            while (!_open.TryGetValue(_nextBatch, out done) || done.Left > 0)
            {
                _failure?.Throw();
                _cancellation.ThrowIfCancellationRequested();
                Monitor.Wait(_lock);
            }
            _open.Remove(_nextBatch++);
            Monitor.PulseAll(_lock);
        }
        broken = [.. done.Broken.OrderBy(pair => pair.Key).SelectMany(pair => pair.Value)];
        return Collate(done);
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
        foreach (var batch in _open.Values)
            _buffers.GiveBack(batch.Images);
    }

    private void Work()
    {
        try
        {
            var scratch = new ImageScratch();
            while (TryClaim(out var batch, out int from, out int to))
                Fill(batch, from, to, scratch);
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

    private void Fill(OpenBatch batch, int from, int to, ImageScratch scratch)
    {
        var broken = new List<BrokenImage>();
        for (int i = from; i < to; i++)
            batch.Taken[i] = _fill(_order[batch.First + i], scratch, batch.Images.Values.Slice(i * _planes, _planes), broken);
        lock (_lock)
        {
            if (broken.Count > 0)
                batch.Broken.Add(from, broken);
            batch.Left -= to - from;
            if (batch.Left == 0)
                Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Claims samples from..to of a batch, after waiting for the consumer where it is too far ahead; false at the end.</summary>
    private bool TryClaim(out OpenBatch batch, out int from, out int to)
    {
        lock (_lock)
        {
            int number;
            while (true)
            {
                number = _nextSample / _batchSize;
                if (_stopped || _failure is not null || number >= _batches)
                {
                    (batch, from, to) = (null!, 0, 0);
                    return false;
                }
                if (number < _nextBatch + _prefetch)
                    break;
                Monitor.Wait(_lock);
            }
            int first = number * _batchSize;
            if (!_open.TryGetValue(number, out batch!))
                _open[number] = batch = new OpenBatch(first, Math.Min(_batchSize, _order.Length - first), _buffers.Take(_batchSize * _planes));
            from = _nextSample - first;
            to = Math.Min(from + Claim, batch.Taken.Length);
            _nextSample = first + to;
            return true;
        }
    }

    /// <summary>Closes the gaps of images that were left out.</summary>
    private ImageBatch Collate(OpenBatch done)
    {
        int count = 0;
        for (int i = 0; i < done.Taken.Length; i++)
            if (done.Taken[i] is { } index)
            {
                if (count < i)
                    done.Images.Values.Slice(i * _planes, _planes).CopyTo(done.Images.Values[(count * _planes)..]);
                done.Taken[count++] = index;
            }
        int[] indices = [.. done.Taken.Take(count).Select(index => index!.Value)];
        return new ImageBatch(done.Images, indices, [.. indices.Select(index => (long)_labelOf(index))], _size, _buffers);
    }

    private sealed class OpenBatch(int first, int count, PixelBuffer images)
    {
        /// <summary>Where it starts in the epoch's order.</summary>
        public int First => first;

        public PixelBuffer Images => images;

        /// <summary>The image that was taken for each sample.</summary>
        public int?[] Taken { get; } = new int?[count];

        /// <summary>Broken images by the first sample of the claim that met them.</summary>
        public Dictionary<int, List<BrokenImage>> Broken { get; } = [];

        /// <summary>Samples that are not filled yet.</summary>
        public int Left { get; set; } = count;
    }
}
