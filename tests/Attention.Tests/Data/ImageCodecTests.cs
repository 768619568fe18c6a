using Attention.Torch;
using Xunit;

namespace Attention.Tests.Data;

public class ImageCodecTests
{
    [Fact]
    public void Png_keeps_every_byte()
    {
        var image = Picture(37, 23);
        var back = ImageCodec.Decode(ImageCodec.EncodePng(image));
        Assert.Equal((37, 23), (back.Width, back.Height));
        Assert.True(image.Pixels.SequenceEqual(back.Pixels));
    }

    [Fact]
    public void Jpeg_stays_close_and_follows_quality()
    {
        var image = Smooth(96, 64);
        var (fine, coarse) = (ImageCodec.EncodeJpeg(image, 95), ImageCodec.EncodeJpeg(image, 20));
        Assert.True(fine.Length > coarse.Length);
        Assert.InRange(MeanDifference(image, ImageCodec.Decode(fine)), 0, 2.5);
        Assert.True(MeanDifference(image, ImageCodec.Decode(coarse)) > MeanDifference(image, ImageCodec.Decode(fine)));
    }

    [Fact]
    public void Label_maps_keep_their_values()
    {
        var map = new LabelMap(5, 3, [0, 1, 2, 3, 254, 255, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        var back = ImageCodec.DecodeLabels(ImageCodec.EncodePng(map));
        Assert.Equal(map.Values, back.Values);
        Assert.Equal((5, 3), (back.Width, back.Height));
        Assert.Throws<ArgumentException>(() => ImageCodec.EncodePng(new LabelMap(5, 4, map.Values)));
    }

    [Fact]
    public void Label_maps_of_few_bits_are_not_stretched()
    {
#if TORCH_NUGET
        Assert.Contains("8-bit grey only", Assert.Throws<ImageError>(() => ImageCodec.DecodeLabels(Sample.Png4BitPalette)).Message);
#else
        Assert.Equal([0, 1, 2, 3, 3, 2, 1, 0], ImageCodec.DecodeLabels(Sample.Png4BitPalette).Values);
#endif
        var looked = ImageCodec.Decode(Sample.Png4BitPalette);
        Assert.Equal([255, 0, 0], looked[0, 0].ToArray());
        Assert.Equal([10, 20, 30], looked[3, 0].ToArray());
    }

    [Fact]
    public void Probe_reads_headers()
    {
        Assert.Equal(new ImageInfo(ImageFormat.Png, 37, 23, 3), ImageCodec.Probe(ImageCodec.EncodePng(Picture(37, 23))));
        Assert.Equal(new ImageInfo(ImageFormat.Jpeg, 37, 23, 3), ImageCodec.Probe(ImageCodec.EncodeJpeg(Picture(37, 23))));
        Assert.Equal(new ImageInfo(ImageFormat.WebP, 16, 12, 3), ImageCodec.Probe(Sample.WebP));
        Assert.Equal(new ImageInfo(ImageFormat.Png, 2, 2, 4), ImageCodec.Probe(Sample.Png16BitAlpha));
    }

    [Fact]
    public void Other_kinds_of_files_become_rgb()
    {
        // 16 bits are rounded, alpha is dropped.
        var deep = ImageCodec.Decode(Sample.Png16BitAlpha);
        Assert.Equal([255, 0, 128], deep[0, 0].ToArray());
        Assert.Equal([1, 2, 3], deep[1, 1].ToArray());
        var grey = ImageCodec.Decode(Sample.Png1BitGrey);
        Assert.Equal([255, 255, 255], grey[0, 0].ToArray());
        Assert.Equal([0, 0, 0], grey[1, 0].ToArray());
        var webp = ImageCodec.Decode(Sample.WebP);
        Assert.All(webp[4, 4].ToArray().Zip([200, 60, 20]), pair => Assert.InRange(pair.First - pair.Second, -4, 4));
        var greyJpeg = ImageCodec.Decode(Sample.JpegGrey);
        Assert.Equal(1, ImageCodec.Probe(Sample.JpegGrey).Channels);
        Assert.Equal(greyJpeg[3, 3][0], greyJpeg[3, 3][2]);
    }

    [Fact]
    public void Cmyk_is_converted_as_Pillow_does()
    {
        Assert.Equal(4, ImageCodec.Probe(Sample.JpegCmyk).Channels);
        var image = ImageCodec.Decode(Sample.JpegCmyk);
        Assert.All(image[2, 2].ToArray().Zip(Sample.JpegCmykColor), pair => Assert.InRange(pair.First - pair.Second, -3, 3));
    }

    [Theory]
    [InlineData(0, 400, 300)]
    [InlineData(151, 400, 300)]
    [InlineData(150, 200, 150)]
    [InlineData(75, 100, 75)]
    [InlineData(10, 50, 38)]
    public void Jpeg_is_decoded_at_the_smallest_scale_that_keeps_the_shorter_side(int minSide, int width, int height)
    {
        var image = Smooth(400, 300);
        var small = ImageCodec.Decode(ImageCodec.EncodeJpeg(image, 95), minSide);
        Assert.Equal((width, height), (small.Width, small.Height));
        Assert.All(small[width / 2, height / 2].ToArray().Zip(image[200, 150].ToArray()), pair => Assert.InRange(pair.First - pair.Second, -12, 12));
    }

    [Fact]
    public void A_buffer_serves_images_of_several_sizes()
    {
        var into = new Image(1, 1);
        ImageCodec.Decode(ImageCodec.EncodePng(Picture(40, 30)), into);
        var small = Picture(8, 9);
        ImageCodec.Decode(ImageCodec.EncodePng(small), into);
        Assert.Equal((8, 9), (into.Width, into.Height));
        Assert.True(into.Pixels.SequenceEqual(small.Pixels));
    }

    [Fact]
    public void Cut_files_are_named_so_at_any_length()
    {
        foreach (var file in new[] { ImageCodec.EncodeJpeg(Picture(64, 48)), ImageCodec.EncodePng(Picture(64, 48)), Sample.WebP })
            for (int length = 12; length < file.Length * 9 / 10; length += Math.Max(1, file.Length / 40))
            {
                var error = Assert.Throws<ImageError>(() => ImageCodec.Decode(file.AsSpan(0, length)));
                Assert.Matches("truncated|corrupt", error.Message);
            }
    }

    [Fact]
    public void A_jpeg_that_is_cut_in_its_scan_is_truncated()
    {
        var file = ImageCodec.EncodeJpeg(Picture(64, 48));
        var error = Assert.Throws<ImageError>(() => ImageCodec.Decode(file.AsSpan(0, file.Length - 200)));
        Assert.Equal("truncated JPEG: the file ends before its image does", error.Message);
    }

    [Fact]
    public void What_is_no_image_says_so()
    {
        Assert.Equal("the file is empty", Assert.Throws<ImageError>(() => ImageCodec.Decode([])).Message);
        Assert.Contains("47 49 46 38", Assert.Throws<ImageError>(() => ImageCodec.Decode("GIF89a........."u8)).Message);
        Assert.Throws<ImageError>(() => ImageCodec.Decode(new byte[1000]));
    }

    [Fact]
    public void Huge_headers_are_refused_before_pixels_are_allocated()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("too large", Assert.Throws<ImageError>(() => ImageCodec.Decode(Sample.PngHuge)).Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);

        var jpeg = ImageCodec.EncodeJpeg(Picture(100, 100));
        Assert.Contains("100 x 100 pixels, 9999 are allowed", Assert.Throws<ImageError>(() => ImageCodec.Decode(jpeg, maxPixels: 9999)).Message);
        Assert.Equal(100, ImageCodec.Decode(jpeg, maxPixels: 10000).Width);
    }

    [Fact]
    public void Random_damage_never_does_worse_than_an_error()
    {
        var files = new[] { ImageCodec.EncodeJpeg(Picture(48, 48)), ImageCodec.EncodePng(Picture(48, 48)), Sample.WebP, Sample.JpegCmyk };
        var random = new Random(1);
        for (int trial = 0; trial < 2000; trial++)
        {
            byte[] file = [.. files[trial % files.Length]];
            for (int i = 0; i < 4; i++)
                file[random.Next(file.Length)] = (byte)random.Next(256);
            try
            {
                ImageCodec.Decode(file, maxPixels: 1 << 20);
            }
            catch (ImageError)
            {
            }
        }
    }

    [Fact]
    public void Threads_do_not_disturb_each_other()
    {
        var pictures = Enumerable.Range(0, 16).Select(i => Picture(20 + i, 30)).ToArray();
        var files = pictures.Select(ImageCodec.EncodePng).ToArray();
        Parallel.For(0, 400, i =>
        {
            if (i % 5 == 0)
                Assert.Throws<ImageError>(() => ImageCodec.Decode(files[i % 16].AsSpan(0, 60)));
            Assert.True(ImageCodec.Decode(files[i % 16]).Pixels.SequenceEqual(pictures[i % 16].Pixels));
        });
    }

    private static Image Picture(int width, int height)
    {
        var image = new Image(width, height);
        new Random(width * 1000 + height).NextBytes(image.Pixels);
        return image;
    }

    private static Image Smooth(int width, int height)
    {
        var image = new Image(width, height);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
            {
                var pixel = image[x, y];
                pixel[0] = (byte)(255 * x / width);
                pixel[1] = (byte)(255 * y / height);
                pixel[2] = (byte)(128 + 100 * Math.Sin(x * 0.03) * Math.Cos(y * 0.02));
            }
        return image;
    }

    private static double MeanDifference(Image a, Image b)
    {
        double sum = 0;
        for (int i = 0; i < a.Pixels.Length; i++)
            sum += Math.Abs(a.Pixels[i] - b.Pixels[i]);
        return sum / a.Pixels.Length;
    }
}
