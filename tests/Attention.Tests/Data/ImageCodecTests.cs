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
    public void A_part_of_a_jpeg_is_the_same_as_in_the_whole()
    {
        var file = ImageCodec.EncodeJpeg(Picture(301, 203));
        var random = new Random(3);
        for (int trial = 0; trial < 300; trial++)
        {
            int minSide = trial % 3 == 0 ? 100 : 0;
            var whole = ImageCodec.Decode(file, minSide);
            var (x, y) = (random.Next(whole.Width), random.Next(whole.Height));
            var need = new ImageNeed(x, y, 1 + random.Next(whole.Width - x), 1 + random.Next(whole.Height - y), minSide);
            var part = new Image(whole.Width, whole.Height);
            part.Pixels.Fill(77);
            ImageCodec.Decode(file, part, (_, _) => need);
            for (int row = need.Y; row < need.Y + need.Height; row++)
                Assert.True(whole.Row(row).Slice(3 * need.X, 3 * need.Width).SequenceEqual(part.Row(row).Slice(3 * need.X, 3 * need.Width)), $"{need}, row {row}");
        }
    }

    [Fact]
    public void A_cut_jpeg_is_truncated_even_where_the_part_is_there()
    {
        var file = ImageCodec.EncodeJpeg(Picture(64, 480));
        var error = Assert.Throws<ImageError>(() => ImageCodec.Decode(file.AsSpan(0, file.Length / 2), new Image(1, 1), (_, _) => new ImageNeed(0, 0, 64, 8)));
        Assert.StartsWith("truncated JPEG", error.Message);
    }

    [Theory]
    [InlineData(1, 0, 0)]
    [InlineData(2, 23, 0)]
    [InlineData(3, 23, 15)]
    [InlineData(4, 0, 15)]
    [InlineData(5, 0, 0)]
    [InlineData(6, 15, 0)]
    [InlineData(7, 15, 23)]
    [InlineData(8, 0, 23)]
    public void Images_are_turned_as_the_camera_was(int orientation, int x, int y)
    {
        var image = new Image(24, 16);
        image.Pixels.Fill(20);
        image.Pixels[..3].Fill(250); // the first pixel tells where it went
        byte[][] tiffs = [[.. "II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, (byte)orientation, 0, 0, 0], [.. "MM\0*"u8, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte)orientation, 0, 0]];
        foreach (var tiff in tiffs)
        {
            var png = ImageCodec.EncodePng(image);
            byte[] turned = [.. png[..33], 0, 0, 0, (byte)tiff.Length, .. "eXIf"u8, .. tiff, .. Crc32([.. "eXIf"u8, .. tiff]), .. png[33..]];
            var upright = ImageCodec.Decode(turned);
            Assert.Equal(orientation > 4 ? (16, 24) : (24, 16), (upright.Width, upright.Height));
            Assert.Equal(250, upright[x, y][0]);
            var stored = new Image(1, 1);
            ImageCodec.Decode(turned, stored, ImageNeed.All, upright: false);
            Assert.Equal(250, stored[0, 0][0]);

            var jpeg = ImageCodec.EncodeJpeg(Smooth(24, 16), 100);
            byte[] shot = [.. jpeg[..2], 0xFF, 0xE1, 0, (byte)(tiff.Length + 8), .. "Exif\0\0"u8, .. tiff, .. jpeg[2..]];
            Assert.Equal(ImageCodec.Decode(jpeg)[0, 0].ToArray(), ImageCodec.Decode(shot)[x, y].ToArray());
        }
    }

    private static byte[] Crc32(byte[] bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
        }
        crc = ~crc;
        return [(byte)(crc >> 24), (byte)(crc >> 16), (byte)(crc >> 8), (byte)crc];
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
