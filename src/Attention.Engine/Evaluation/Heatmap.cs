using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation;

/// <summary>A map of weights drawn over an image in colours from blue (least) over green to red (most).</summary>
public static class Heatmap
{
    private const double Opacity = 0.55;

    /// <summary>The image with the map over it, smoothed to the image's size.</summary>
    /// <param name="image">The image.</param>
    /// <param name="map">Weights (h, w) over the whole image; only their order of size counts.</param>
    public static Image Draw(Image image, Tensor map)
    {
        using var scope = NewDisposeScope();
        var wide = nn.functional.interpolate(map.reshape(1, 1, map.shape[0], map.shape[1]), [image.Height, image.Width], mode: InterpolationMode.Bilinear, align_corners: false);
        var values = wide.reshape(-1).data<float>().ToArray();
        var (least, most) = (values.Min(), values.Max());
        var drawn = new Image(image.Width, image.Height);
        for (int y = 0; y < image.Height; y++)
            for (int x = 0; x < image.Width; x++)
            {
                double share = most > least ? (values[y * image.Width + x] - least) / (most - least) : 0;
                var from = image[x, y];
                var to = drawn[x, y];
                for (int channel = 0; channel < 3; channel++)
                    to[channel] = (byte)Math.Round(from[channel] * (1 - Opacity) + 255 * Opacity * Colour(share, channel));
            }
        return drawn;
    }

    // Three ramps that overlap: red rises late, green in the middle, blue falls early.
    private static double Colour(double share, int channel) => Math.Clamp(1.5 - Math.Abs(4 * share - (3 - channel)), 0, 1);
}
