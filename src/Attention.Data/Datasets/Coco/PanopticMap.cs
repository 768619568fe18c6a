using Attention.Torch;

namespace Attention.Data;

/// <summary>The number of the segment at each pixel, (H, W) row by row; 0 for none (Kirillov et al., arXiv:1801.00868).</summary>
public sealed record PanopticMap(int Width, int Height, int[] Ids)
{
    /// <summary>Reads COCO's form: a PNG with the number as red + 256 green + 65536 blue.</summary>
    /// <exception cref="ImageError">It cannot be read.</exception>
    public static PanopticMap Load(string path, ImageScratch scratch)
    {
        var image = ImageFiles.Load(path, scratch, ImageNeed.All, upright: false);
        var ids = new int[image.Width * image.Height];
        var pixels = image.Pixels;
        for (int i = 0; i < ids.Length; i++)
            ids[i] = pixels[3 * i] | pixels[3 * i + 1] << 8 | pixels[3 * i + 2] << 16;
        return new PanopticMap(image.Width, image.Height, ids);
    }
}
