namespace Attention.Data;

/// <summary>What an erased part holds.</summary>
public enum ErasedValue
{
    /// <summary>Normal noise, each value of its own.</summary>
    Pixel,

    /// <summary>0 after normalising: the mean colour.</summary>
    Const,

    /// <summary>One random colour.</summary>
    Rand,
}

/// <summary>
/// Random erasing (Zhong et al., arXiv:1708.04896) of normalised images, as timm has it.
/// </summary>
/// <param name="probability">How likely an image loses a part.</param>
/// <param name="value">What takes its place.</param>
/// <param name="scale">The part's share of the image's area, from and to; with several parts, of all of them.</param>
/// <param name="ratio">The part's height over its width, from and to, uniform in the logarithm.</param>
/// <param name="count">How many parts.</param>
public sealed class RandomErasing(
    double probability = 0.25, ErasedValue value = ErasedValue.Pixel, (double Low, double High)? scale = null, (double Low, double High)? ratio = null, int count = 1)
{
    private readonly (double Low, double High) _scale = scale ?? (0.02, 1.0 / 3), _ratio = ratio ?? (0.3, 1 / 0.3);

    /// <summary>Erases in place.</summary>
    /// <param name="planes">(3, H, W), normalised.</param>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <param name="random">All randomness.</param>
    public void Apply(Span<float> planes, int height, int width, ref SeededRandom random)
    {
        if (!random.Chance(probability))
            return;
        for (int part = 0; part < count; part++)
            for (int attempt = 0; attempt < 10; attempt++)
            {
                double area = random.Uniform(_scale.Low, _scale.High) * height * width / count;
                double aspect = Math.Exp(random.Uniform(Math.Log(_ratio.Low), Math.Log(_ratio.High)));
                int h = (int)Math.Round(Math.Sqrt(area * aspect)), w = (int)Math.Round(Math.Sqrt(area / aspect));
                if (w >= width || h >= height)
                    continue;
                Erase(planes, height, width, random.Between(0, height - h), random.Between(0, width - w), h, w, ref random);
                break;
            }
    }

    private void Erase(Span<float> planes, int height, int width, int top, int left, int h, int w, ref SeededRandom random)
    {
        for (int channel = 0; channel < 3; channel++)
        {
            float colour = value == ErasedValue.Rand ? (float)random.Normal() : 0;
            for (int y = top; y < top + h; y++)
            {
                var row = planes.Slice((channel * height + y) * width + left, w);
                row.Fill(colour);
                if (value == ErasedValue.Pixel)
                    foreach (ref float pixel in row)
                        pixel = (float)random.Normal();
            }
        }
    }
}
