using Attention.Data;
using Attention.Torch;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>Pictures of the class of each pixel.</summary>
public static class SegmentationPicture
{
    /// <summary>The image under the colours of its classes; between two classes runs a dark line.</summary>
    /// <param name="image">The image.</param>
    /// <param name="classes">The class of each of its pixels.</param>
    public static Image Draw(Image image, LabelMap classes)
    {
        var drawn = image.Clone();
        for (int y = 0; y < image.Height; y++)
            for (int x = 0; x < image.Width; x++)
            {
                byte label = classes[x, y];
                bool border = x + 1 < image.Width && classes[x + 1, y] != label || y + 1 < image.Height && classes[x, y + 1] != label;
                var colour = ColourOf(label);
                var pixel = drawn[x, y];
                for (int channel = 0; channel < 3; channel++)
                    pixel[channel] = border ? (byte)(pixel[channel] / 4) : (byte)((pixel[channel] + colour[channel] + 1) / 2);
            }
        return drawn;
    }

    // PASCAL VOC's rule: the bits of the label, in turn, into the high bits of red, green and blue. The first classes differ the most.
    private static byte[] ColourOf(byte label)
    {
        var colour = new byte[3];
        for (int bit = 7, rest = label; rest > 0; bit--, rest >>= 3)
            for (int channel = 0; channel < 3; channel++)
                colour[channel] |= (byte)((rest >> channel & 1) << bit);
        return colour;
    }
}
