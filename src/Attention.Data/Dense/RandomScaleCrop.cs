namespace Attention.Data;

/// <summary>
/// Resizes to a random scale and cuts or pads to one size, as mmseg prepares ADE20K: at scale 1 the image's shorter side is that of the
/// result, or its longer side four times as long where that is less.
/// </summary>
/// <param name="height">Of the result.</param>
/// <param name="width">Of the result.</param>
/// <param name="scale">From and to.</param>
/// <param name="most">The share of the pixels that one class may have; of ten places the last is taken where none is better. 1 takes the first.</param>
/// <param name="fill">The colour beyond the image.</param>
public sealed class RandomScaleCrop(int height, int width, (double Low, double High) scale, double most = 1, Colour fill = default) : DenseTransform
{
    private const int LongSides = 4, Attempts = 10;

    public override DenseImage Apply(DenseImage input, DenseContext context, ref SeededRandom random)
    {
        int side = Math.Min(height, width);
        double usual = Math.Min((double)side / Math.Min(input.Height, input.Width), (double)LongSides * side / Math.Max(input.Height, input.Width));
        double factor = usual * random.Uniform(scale.Low, scale.High);
        var resized = input.Resize(Math.Max(1, (int)(input.Height * factor + 0.5)), Math.Max(1, (int)(input.Width * factor + 0.5)));
        for (int attempt = 1; ; attempt++)
        {
            int left = random.Between(0, Math.Max(0, resized.Width - width)), top = random.Between(0, Math.Max(0, resized.Height - height));
            if (most >= 1 || attempt == Attempts || resized.Window(left, top, height, width).Classes is not { } classes || Largest(classes) < most)
                return resized.Crop(left, top, height, width, fill, context.Scratch);
        }
    }

    // The largest share of one class; 1 where there is one alone.
    private static double Largest(byte[] classes)
    {
        Span<int> counts = stackalloc int[LabelMapFolder.None + 1];
        counts.Clear();
        foreach (byte each in classes)
            counts[each]++;
        int largest = 0, all = 0;
        foreach (int count in counts[..LabelMapFolder.None])
            (largest, all) = (Math.Max(largest, count), all + count);
        return all == 0 ? 1 : (double)largest / all;
    }
}
