using Attention.Torch;

namespace Attention.Data;

/// <summary>How a <see cref="DenseLoader"/> makes batches.</summary>
public sealed record DenseLoaderOptions : LoaderOptions
{
    /// <summary>Height and width of each batch are multiples of this.</summary>
    public int Divisor { get; init; } = 32;

    /// <summary>
    /// Whether images that are wider than high share batches, and those that are not, so that little is padded. Each image still comes
    /// once; the last batches of an epoch may be mixed.
    /// </summary>
    public bool GroupByShape { get; init; }
}

/// <summary>
/// Images with objects or classes of pixels as batches, padded to the largest image of each. Batches never lie in page-locked memory.
/// </summary>
/// <param name="dataset">The images.</param>
/// <param name="transforms">What is done to each.</param>
/// <param name="options">How batches are made.</param>
/// <param name="warn">Told the first broken images by name, on the consumer's thread and in the order of the batches; null for nobody.</param>
public sealed class DenseLoader(IDenseDataset dataset, DensePipeline transforms, DenseLoaderOptions options, Action<string>? warn = null)
    : EpochLoader<DenseBatch>(dataset, options with { PageLocked = false }, warn)
{
    private readonly int[] _mirror = KeypointNames.Mirror(dataset.KeypointNames);
    private readonly (int Divisor, bool GroupByShape) _shape = (options.Divisor, options.GroupByShape);

    public IDenseDataset Dataset => dataset;

    private protected override IOpenBatch<DenseBatch> Open(int epoch, int count) => new OpenBatch(this, epoch, count);

    private protected override int SamplesOf(DenseBatch batch) => batch.Samples.Count;

    /// <summary>Wide and other images in turns of whole batches of all ranks, in the order in which these fill up.</summary>
    private protected override int[] Arrange(int[] order)
    {
        if (!_shape.GroupByShape)
            return order;
        int whole = Options.BatchSize * Options.Ranks;
        var arranged = new List<int>(order.Length);
        List<int> wide = [], other = [];
        foreach (int index in order)
        {
            var group = dataset.SizeOf(index) is { } size && size.Width > size.Height ? wide : other;
            group.Add(index);
            if (group.Count < whole)
                continue;
            arranged.AddRange(group);
            group.Clear();
        }
        return [.. arranged, .. wide, .. other];
    }

    private Prepared? Fill(Draw draw, int epoch, ImageScratch scratch, List<BrokenImage> broken)
    {
        int index = draw.Index;
        return Readable(ref index, Options.Broken, broken, tried =>
        {
            var random = RandomOf(epoch, tried, draw.Before);
            var image = Read(tried, scratch);
            var (height, width) = (image.Height, image.Width);
            var done = transforms.Apply(image, scratch, _mirror, (ImageScratch second, ref SeededRandom drawn) => ReadAny(second, broken, ref drawn), ref random);
            var planes = new RentedFloats(3 * done.Height * done.Width);
            transforms.Finish(done, planes.Values);
            return new Prepared(planes, new DenseSample
            {
                Index = tried,
                Height = done.Height,
                Width = done.Width,
                OriginalHeight = height,
                OriginalWidth = width,
                Objects = done.Objects,
                Classes = done.Classes,
            });
        });
    }

    private DenseImage Read(int index, ImageScratch scratch)
    {
        var image = dataset.Load(index, scratch, ImageNeed.All);
        return new DenseImage(image, dataset.AnnotationsOf(index, image.Height, image.Width));
    }

    /// <summary>A random image, or the next one that can be read; null where too many are broken.</summary>
    private DenseImage? ReadAny(ImageScratch scratch, List<BrokenImage> broken, ref SeededRandom random)
    {
        int index = random.Next(dataset.Count);
        return Readable(ref index, BrokenImages.Replace, broken, tried => Read(tried, scratch));
    }

    private sealed record Prepared(RentedFloats Planes, DenseSample Sample);

    private sealed class OpenBatch(DenseLoader loader, int epoch, int count) : IOpenBatch<DenseBatch>
    {
        private readonly Prepared?[] _taken = new Prepared?[count];

        public void Fill(int sample, Draw draw, ImageScratch scratch, List<BrokenImage> broken) =>
            _taken[sample] = loader.Fill(draw, epoch, scratch, broken);

        /// <summary>Lays the images into one buffer.</summary>
        public DenseBatch Close()
        {
            Prepared[] kept = [.. _taken.OfType<Prepared>()];
            int height = Padded(kept.Select(each => each.Sample.Height)), width = Padded(kept.Select(each => each.Sample.Width));
            var pixels = loader.Buffers.Take(kept.Length * 3 * height * width);
            for (int i = 0; i < kept.Length; i++)
                using (kept[i].Planes)
                    Lay(kept[i], pixels.Values.Slice(i * 3 * height * width, 3 * height * width), height, width);
            return new DenseBatch(pixels, height, width, [.. kept.Select(each => each.Sample)], loader.Buffers);
        }

        public void Abandon()
        {
            foreach (var each in _taken)
                each?.Planes.Dispose();
        }

        private int Padded(IEnumerable<int> sides)
        {
            int divisor = loader._shape.Divisor;
            return (sides.DefaultIfEmpty(divisor).Max() + divisor - 1) / divisor * divisor;
        }

        private static void Lay(Prepared each, Span<float> planes, int height, int width)
        {
            var sample = each.Sample;
            for (int row = 0; row < 3 * height; row++)
            {
                var (channel, y) = (row / height, row % height);
                var to = planes.Slice(row * width, width);
                if (y >= sample.Height)
                {
                    to.Clear();
                    continue;
                }
                each.Planes.Values.Slice((channel * sample.Height + y) * sample.Width, sample.Width).CopyTo(to);
                to[sample.Width..].Clear();
            }
        }
    }
}
