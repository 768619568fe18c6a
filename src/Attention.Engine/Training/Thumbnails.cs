using Attention.Data;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>Small pictures for reports and logs.</summary>
internal static class Thumbnails
{
    /// <summary>The image with a longer side of at most <paramref name="side"/>, by averaging whole blocks of pixels.</summary>
    public static Image Shrink(Image image, int side)
    {
        int block = (Math.Max(image.Width, image.Height) + side - 1) / side;
        if (block == 1)
            return image;
        var small = new Image(Math.Max(1, image.Width / block), Math.Max(1, image.Height / block));
        int across = Math.Min(block, image.Width), down = Math.Min(block, image.Height);
        for (int y = 0; y < small.Height; y++)
            for (int x = 0; x < small.Width; x++)
                for (int channel = 0; channel < 3; channel++)
                {
                    int sum = 0;
                    for (int dy = 0; dy < down; dy++)
                        for (int dx = 0; dx < across; dx++)
                            sum += image[x * block + dx, y * block + dy][channel];
                    small[x, y][channel] = (byte)(sum / (across * down));
                }
        return small;
    }

    /// <summary>The first images of a batch (B, 3, H, W) in a square, with the normalisation undone.</summary>
    public static Image Grid(Tensor images, Normalize normalize, int most)
    {
        int count = (int)Math.Min(most, images.shape[0]);
        int columns = (int)Math.Ceiling(Math.Sqrt(count)), rows = (count + columns - 1) / columns;
        var (height, width) = ((int)images.shape[2], (int)images.shape[3]);
        using var scope = NewDisposeScope();
        var pixels = images.slice(0, 0, count, 1).to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        var grid = new Image(columns * width, rows * height);
        grid.Pixels.Clear();
        for (int i = 0; i < count; i++)
            for (int channel = 0; channel < 3; channel++)
                for (int y = 0; y < height; y++)
                    for (int x = 0; x < width; x++)
                    {
                        float value = pixels[((i * 3 + channel) * height + y) * width + x] * normalize.Std[channel] + normalize.Mean[channel];
                        grid[i % columns * width + x, i / columns * height + y][channel] = (byte)Math.Clamp(value * 255 + 0.5f, 0, 255);
                    }
        return grid;
    }
}
