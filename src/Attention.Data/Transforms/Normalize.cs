using Attention.Torch;

namespace Attention.Data;

/// <summary>The last step: bytes to floats in planes, (H, W, 3) to (3, H, W), each channel as (value / 255 - mean) / std.</summary>
public sealed class Normalize
{
    private readonly float[][] _tables;

    /// <summary>One mean and one standard deviation for each of red, green and blue, for values in [0, 1].</summary>
    public Normalize(float[] mean, float[] std)
    {
        if (mean.Length != 3 || std.Length != 3)
            throw new ArgumentException($"3 means and 3 standard deviations are needed, not {mean.Length} and {std.Length}");
        (Mean, Std) = (mean, std);
        // 256 possible inputs per channel: the division is done once for each.
        _tables = [.. Enumerable.Range(0, 3).Select(c =>
            Enumerable.Range(0, 256).Select(value => (value / 255f - mean[c]) / std[c]).ToArray())];
    }

    /// <summary>torchvision's constants, of ImageNet's training images.</summary>
    public static Normalize ImageNet { get; } = new([0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]);

    /// <summary>0.5 everywhere, which gives values in [-1, 1].</summary>
    public static Normalize Half { get; } = new([0.5f, 0.5f, 0.5f], [0.5f, 0.5f, 0.5f]);

    /// <summary>The constants of CIFAR-10's training images.</summary>
    public static Normalize Cifar10 { get; } = new([0.4914f, 0.4822f, 0.4465f], [0.2470f, 0.2435f, 0.2616f]);

    /// <summary>No change of scale: values in [0, 1].</summary>
    public static Normalize Unit { get; } = new([0, 0, 0], [1, 1, 1]);

    /// <summary>Known constants by the name that stands for them in a line of transforms.</summary>
    public static IReadOnlyDictionary<string, Normalize> Named { get; } =
        new Dictionary<string, Normalize> { ["imagenet"] = ImageNet, ["half"] = Half, ["cifar10"] = Cifar10, ["unit"] = Unit };

    public IReadOnlyList<float> Mean { get; }

    public IReadOnlyList<float> Std { get; }

    /// <summary>Writes an image as (3, H, W).</summary>
    /// <param name="image">The image.</param>
    /// <param name="planes">3 * H * W values.</param>
    public void Apply(Image image, Span<float> planes)
    {
        int area = image.Width * image.Height;
        var pixels = image.Pixels;
        for (int channel = 0; channel < 3; channel++)
        {
            var table = _tables[channel];
            var plane = planes.Slice(channel * area, area);
            for (int i = 0, at = channel; i < plane.Length; i++, at += 3)
                plane[i] = table[pixels[at]];
        }
    }
}
