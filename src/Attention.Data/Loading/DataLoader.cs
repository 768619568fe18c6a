using Attention.Torch;

namespace Attention.Data;

/// <summary>Images with one label each as batches of one size.</summary>
/// <param name="dataset">The images.</param>
/// <param name="transforms">What is done to each.</param>
/// <param name="options">How batches are made.</param>
/// <param name="warn">Told the first broken images by name, on the consumer's thread and in the order of the batches; null for nobody.</param>
public sealed class DataLoader(IImageDataset dataset, TransformPipeline transforms, LoaderOptions options, Action<string>? warn = null)
    : EpochLoader<ImageBatch>(dataset, options, warn)
{
    private (int Height, int Width)? _size = transforms.OutputSize;

    public IImageDataset Dataset => dataset;

    private protected override void Begin(int epoch)
    {
        var (height, width) = _size ??= SizeOfFirst(epoch);
        Buffers.Reserve(EpochRun.Ahead(Options, Workers) + 1, Options.BatchSize * 3 * height * width); // one more is with the consumer
    }

    private protected override IOpenBatch<ImageBatch> Open(int epoch, int count)
    {
        var size = _size!.Value;
        return new OpenBatch(this, epoch, count, size, Buffers.Take(Options.BatchSize * 3 * size.Height * size.Width));
    }

    private protected override int SamplesOf(ImageBatch batch) => batch.Samples;

    private int? Fill(Draw draw, int epoch, (int Height, int Width) size, ImageScratch scratch, Span<float> planes, List<BrokenImage> broken)
    {
        int index = draw.Index;
        var image = Load(ref index, draw.Before, epoch, scratch, Options.Broken, broken, out var random);
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
        Report(broken);
        return (image!.Height, image.Width);
    }

    private Image? Load(ref int index, int before, int epoch, ImageScratch scratch, BrokenImages policy, List<BrokenImage> broken, out SeededRandom left)
    {
        SeededRandom random = default;
        var image = Readable(ref index, policy, broken, tried =>
        {
            random = RandomOf(epoch, tried, before);
            var ahead = random;
            var decoded = dataset.Load(tried, scratch, (width, height) => transforms.Need(width, height, ahead));
            return transforms.Apply(decoded, scratch, ref random);
        });
        left = random;
        return image;
    }

    private sealed class OpenBatch(DataLoader loader, int epoch, int count, (int Height, int Width) size, PixelBuffer images) : IOpenBatch<ImageBatch>
    {
        private readonly int _planes = 3 * size.Height * size.Width;

        // The image that was taken for each sample.
        private readonly int?[] _taken = new int?[count];

        public void Fill(int sample, Draw draw, ImageScratch scratch, List<BrokenImage> broken) =>
            _taken[sample] = loader.Fill(draw, epoch, size, scratch, images.Values.Slice(sample * _planes, _planes), broken);

        /// <summary>Closes the gaps of images that were left out.</summary>
        public ImageBatch Close()
        {
            int kept = 0;
            for (int i = 0; i < count; i++)
                if (_taken[i] is { } index)
                {
                    if (kept < i)
                        images.Values.Slice(i * _planes, _planes).CopyTo(images.Values[(kept * _planes)..]);
                    _taken[kept++] = index;
                }
            int[] indices = [.. _taken.Take(kept).Select(index => index!.Value)];
            return new ImageBatch(images, indices, [.. indices.Select(index => (long)loader.Dataset.LabelOf(index))], size, loader.Buffers);
        }

        public void Abandon() => loader.Buffers.GiveBack(images);
    }
}
