using System.Formats.Tar;
using System.Text.Json;
using Attention.Data;
using Attention.Torch;
using Xunit;

namespace Attention.Tests.Data;

public class TransformTests
{
    private static readonly Dictionary<string, string> Lines = new()
    {
        ["resize256_bilinear_crop224"] = "resize(256)|center_crop(224)",
        ["resize248_bicubic_crop224"] = "resize(248, bicubic)|center_crop(224)",
        ["resize438_bicubic_crop384"] = "resize(438, interpolation=bicubic)|center_crop(384)",
        ["squash_64x96_bilinear"] = "squash(64, 96)",
    };

    [SkippableFact]
    public void Evaluation_agrees_with_torchvision_and_Pillow()
    {
        using var cases = JsonDocument.Parse(File.ReadAllText(SharedFiles.Require("data/transform-cases.json")));
        var wanted = cases.RootElement.GetProperty("cases").EnumerateArray().ToLookup(c => c.GetProperty("image").GetString()!);
        using var tar = new TarReader(File.OpenRead(SharedFiles.Require("data/imagenet-sample-200.tar")));
        int seen = 0;
        while (tar.GetNextEntry() is { } entry)
        {
            string name = string.Join('/', entry.Name.Split('/').TakeLast(2));
            if (!wanted.Contains(name))
                continue;
            using var bytes = new MemoryStream();
            entry.DataStream!.CopyTo(bytes);
            var image = ImageCodec.Decode(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
            foreach (var one in wanted[name])
            {
                Check(one, Transform(Lines[one.GetProperty("transform").GetString()!], image));
                seen++;
            }
        }
        Assert.Equal(cases.RootElement.GetProperty("cases").GetArrayLength(), seen);
    }

    private static void Check(JsonElement expected, Image actual)
    {
        string what = $"{expected.GetProperty("image")} {expected.GetProperty("transform")}";
        int[] shape = [.. expected.GetProperty("shape").EnumerateArray().Select(e => e.GetInt32())];
        Assert.Equal((shape[0], shape[1]), (actual.Height, actual.Width));
        var index = expected.GetProperty("flat_index").EnumerateArray().Select(e => e.GetInt32());
        var value = expected.GetProperty("value").EnumerateArray().Select(e => e.GetInt32());
        foreach (var (at, pixel) in index.Zip(value))
            Assert.True(Math.Abs(actual.Pixels[at] - pixel) <= 1, $"{what}: value {at} is {actual.Pixels[at]}, not {pixel}");
        for (int channel = 0; channel < 3; channel++)
        {
            double mean = 0;
            for (int i = channel; i < actual.Pixels.Length; i += 3)
                mean += actual.Pixels[i];
            mean /= actual.Width * actual.Height;
            Assert.Equal(expected.GetProperty("mean_rgb")[channel].GetDouble(), mean, 0.1);
        }
    }

    [Fact]
    public void Resizing_a_flat_image_changes_no_value()
    {
        var image = new Image(53, 31);
        image.Pixels.Fill(201);
        foreach (string line in new[] { "resize(17)", "resize(80, bicubic)", "squash(200, 3, bicubic)", "squash(1, 1)" })
            Assert.True(Transform(line, image).Pixels.IndexOfAnyExcept((byte)201) < 0, line);
    }

    [Fact]
    public void Resizing_agrees_with_the_definition()
    {
        var image = Picture(29, 23);
        foreach (var (line, height, width, cubic) in new[] { ("squash(11, 40)", 11, 40, false), ("squash(35, 8, bicubic)", 35, 8, true), ("squash(23, 70, bicubic)", 23, 70, true) })
        {
            var actual = Transform(line, image);
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++)
                    for (int c = 0; c < 3; c++)
                        Assert.InRange(actual[x, y][c] - Convolved(image, x, y, c, height, width, cubic), -1.01, 1.01);
        }
    }

    /// <summary>The separable convolution in floating point, with the intermediate bytes that Pillow has.</summary>
    private static double Convolved(Image image, int x, int y, int channel, int height, int width, bool cubic)
    {
        double sum = 0, total = 0;
        for (int row = 0; row < image.Height; row++)
        {
            double weight = Weight(row, y, image.Height, height, cubic);
            if (weight == 0)
                continue;
            double inner = 0, innerTotal = 0;
            for (int column = 0; column < image.Width; column++)
            {
                double w = Weight(column, x, image.Width, width, cubic);
                (inner, innerTotal) = (inner + w * image[column, row][channel], innerTotal + w);
            }
            (sum, total) = (sum + weight * Math.Clamp(Math.Round(inner / innerTotal), 0, 255), total + weight);
        }
        return Math.Clamp(sum / total, 0, 255);
    }

    private static double Weight(int source, int target, int sourceLength, int targetLength, bool cubic)
    {
        double scale = (double)sourceLength / targetLength;
        double t = Math.Abs((source + 0.5 - (target + 0.5) * scale) / Math.Max(1, scale));
        if (!cubic)
            return Math.Max(0, 1 - t);
        return t < 1 ? 1.5 * t * t * t - 2.5 * t * t + 1 : t < 2 ? -0.5 * t * t * t + 2.5 * t * t - 4 * t + 2 : 0;
    }

    [Fact]
    public void Crops_take_the_right_pixels()
    {
        var image = Picture(10, 7);
        var middle = Transform("center_crop(4)", image);
        Assert.Equal(image[3, 2].ToArray(), middle[0, 0].ToArray()); // (7 - 4) / 2 rounds to even
        var padded = Transform("center_crop(12)", image);
        Assert.Equal([0, 0, 0], padded[0, 0].ToArray());
        Assert.Equal(image[0, 0].ToArray(), padded[1, 2].ToArray());
        Assert.Equal(image[9, 6].ToArray(), padded[10, 8].ToArray());
    }

    [Fact]
    public void Flip_mirrors_and_leaves_its_input_alone()
    {
        var image = Picture(9, 4);
        byte[] before = image.Pixels.ToArray();
        var flipped = Transform("hflip(1)", image);
        for (int x = 0; x < 9; x++)
            Assert.Equal(image[x, 3].ToArray(), flipped[8 - x, 3].ToArray());
        Assert.Equal(before, image.Pixels.ToArray());
        Assert.Same(image, Transform("hflip(0)", image));
    }

    [Fact]
    public void Pad_crop_reaches_every_offset_of_the_padded_image()
    {
        var image = Picture(8, 8);
        var corners = new HashSet<string>();
        for (int i = 0; i < 2000; i++)
        {
            var crop = Transform("pad_crop(8, padding=1)", image, i);
            Assert.Equal((8, 8), (crop.Width, crop.Height));
            corners.Add(Convert.ToHexString(crop.Pixels));
        }
        Assert.Equal(9, corners.Count);
    }

    [Fact]
    public void Random_resized_crop_covers_the_areas_it_is_asked_for()
    {
        // Red tells the column, green the row: the range of both tells the part that was taken.
        var image = new Image(200, 160);
        for (int y = 0; y < 160; y++)
            for (int x = 0; x < 200; x++)
                (image[x, y][0], image[x, y][1]) = ((byte)x, (byte)y);
        double smallest = 1, largest = 0;
        for (int i = 0; i < 500; i++)
        {
            var crop = Transform("random_resized_crop(64, (0.2, 0.6))", image, i);
            Assert.Equal((64, 64), (crop.Width, crop.Height));
            double width = crop[63, 0][0] - crop[0, 0][0] + 2, height = crop[0, 63][1] - crop[0, 0][1] + 2;
            Assert.InRange(width / height, 0.7, 1.43);
            double share = width * height / (200 * 160);
            (smallest, largest) = (Math.Min(smallest, share), Math.Max(largest, share));
        }
        Assert.InRange(smallest, 0.17, 0.26);
        Assert.InRange(largest, 0.52, 0.65);
    }

    [Fact]
    public void A_smaller_decode_keeps_the_detail_of_the_crop()
    {
        var pipeline = TransformPipeline.Parse("random_resized_crop(64, scale=(0.25, 1))");
        for (int i = 0; i < 200; i++)
        {
            int side = pipeline.Need(1000, 800, new SeededRandom(i)).MinSide;
            Assert.InRange(side, 2 * 64, 2 * 64 * 2.4);
        }
        Assert.Equal(0, TransformPipeline.Parse("resize(64)|center_crop(64)").Need(1000, 800, new SeededRandom(0)).MinSide);
    }

    [SkippableFact]
    public void Decoding_what_a_crop_needs_changes_nothing_and_a_smaller_scale_hardly_anything()
    {
        using var tar = new TarReader(File.OpenRead(SharedFiles.Require("data/imagenet-sample-200.tar")));
        var line = TransformPipeline.Parse("random_resized_crop(224)|hflip");
        var small = TransformPipeline.Parse("random_resized_crop(64)");
        var (scratch, part) = (new ImageScratch(), new Image(1, 1));
        int seen = 0, scaled = 0;
        double difference = 0;
        while (seen < 40 && tar.GetNextEntry() is { } entry)
        {
            if (entry.DataStream is null)
                continue;
            using var bytes = new MemoryStream();
            entry.DataStream.CopyTo(bytes);
            var file = bytes.GetBuffer().AsSpan(0, (int)bytes.Length);
            var whole = ImageCodec.Decode(file);
            var ahead = new SeededRandom(seen);
            var (first, second) = (ahead, ahead);
            ImageCodec.Decode(file, part, (width, height) => line.Need(width, height, ahead));
            var wanted = line.Apply(whole, new ImageScratch(), ref first);
            if (part.Width == whole.Width)
                Assert.True(wanted.Pixels.SequenceEqual(line.Apply(part, scratch, ref second).Pixels), entry.Name);

            ImageCodec.Decode(file, part, (width, height) => small.Need(width, height, ahead));
            if (part.Width < whole.Width)
            {
                (first, second) = (ahead, ahead);
                wanted = small.Apply(whole, new ImageScratch(), ref first);
                var actual = small.Apply(part, scratch, ref second);
                double sum = 0;
                for (int i = 0; i < wanted.Pixels.Length; i++)
                    sum += Math.Abs(wanted.Pixels[i] - actual.Pixels[i]);
                difference += sum / wanted.Pixels.Length;
                scaled++;
            }
            seen++;
        }
        Assert.Equal(40, seen);
        Assert.InRange(scaled, 10, 40);
        Assert.InRange(difference / scaled, 0, 3); // in grey levels; the crop's borders lie on whole pixels of the smaller image
    }

    [Fact]
    public void Normalize_makes_planes()
    {
        var image = Picture(5, 3);
        var planes = new float[45];
        Normalize.ImageNet.Apply(image, planes);
        Assert.Equal((image[4, 2][1] / 255f - 0.456f) / 0.224f, planes[15 + 2 * 5 + 4], 1e-6f);
        Assert.Equal((image[0, 1][2] / 255f - 0.406f) / 0.225f, planes[30 + 5], 1e-6f);
    }

    [Theory]
    [InlineData("random_resized_crop(224)|hflip|normalize(half)", 224, 224)]
    [InlineData(" resize(64) | center_crop( size = 48 ) ", 48, 48)]
    [InlineData("squash(64, 96, interpolation=bicubic)|hflip(0.25)", 64, 96)]
    public void Lines_are_read(string line, int height, int width)
    {
        Assert.Equal((height, width), TransformPipeline.Parse(line).OutputSize);
    }

    [Fact]
    public void A_line_without_a_crop_has_no_size_of_its_own()
    {
        Assert.Null(TransformPipeline.Parse("resize(64)").OutputSize);
        Assert.Empty(TransformPipeline.Parse("").Steps);
    }

    [Fact]
    public void Constants_are_given_by_name_or_as_numbers()
    {
        Assert.Same(Normalize.Half, TransformPipeline.Parse("hflip|normalize(half)").Normalize);
        var own = TransformPipeline.Parse("normalize((0.1, 0.2, 1/4), std=0.5)").Normalize;
        Assert.Equal([0.1f, 0.2f, 0.25f], own.Mean);
        Assert.Equal([0.5f, 0.5f, 0.5f], own.Std);
    }

    [Fact]
    public void Fixed_crops_and_vertical_flips_take_the_right_pixels()
    {
        var image = Picture(10, 7);
        var crop = Transform("crop(5, 2, 3, 4)", image);
        Assert.Equal((4, 3), (crop.Width, crop.Height));
        Assert.Equal(image[2, 5].ToArray(), crop[0, 0].ToArray());
        Assert.Equal(image[5, 6].ToArray(), crop[3, 1].ToArray());
        Assert.Equal([0, 0, 0], crop[0, 2].ToArray());
        Assert.Equal(image[4, 6].ToArray(), Transform("vflip(1)", image)[4, 0].ToArray());
    }

    [Fact]
    public void A_part_has_the_aspect_ratio_that_it_is_asked_for()
    {
        var image = new Image(200, 160);
        for (int y = 0; y < 160; y++)
            for (int x = 0; x < 200; x++)
                (image[x, y][0], image[x, y][1]) = ((byte)x, (byte)y);
        for (int i = 0; i < 100; i++)
        {
            var crop = Transform("random_resized_crop(64, scale=(0.1, 0.3), ratio=(1, 1))", image, i);
            Assert.InRange(crop[63, 0][0] - crop[0, 0][0] - (crop[0, 63][1] - crop[0, 0][1]), -2, 2);
        }
    }

    [Fact]
    public void The_usual_lines_are_those_of_timm()
    {
        Assert.Equal("resize(256, bicubic)|center_crop(224)", TransformPipeline.Evaluation(224).ToString());
        Assert.Equal("resize(248, bilinear)|center_crop(224)", TransformPipeline.Evaluation(224, 0.9, Interpolation.Bilinear).ToString());
        Assert.Equal((96, 96), TransformPipeline.Training(96).OutputSize);
    }

    [Theory]
    [InlineData("random_resize_crop(224)", 1, "there is no transform 'random_resize_crop'", "did you mean 'random_resized_crop'?")]
    [InlineData("hflip|center_krop(8)", 7, "there is no transform 'center_krop'", "did you mean 'center_crop'?")]
    [InlineData("hflip| resize", 8, "'resize' needs its argument 'size'", "usage: resize(size, interpolation=bilinear)")]
    [InlineData("resize(0)", 8, "'size' of 'resize' is 0, but must be a whole number from 1 to 65535", "usage: resize(size, interpolation=bilinear)")]
    [InlineData("resize(2.5)", 8, "'size' of 'resize' is 2.5, but must be a whole number from 1 to 65535", "usage: resize(size, interpolation=bilinear)")]
    [InlineData("resize(8, cubic)", 11, "'interpolation' of 'resize' is cubic, but must be one of: bilinear, bicubic", "usage: resize(size, interpolation=bilinear)")]
    [InlineData("resize(8, bilinear, 3)", 21, "'resize' takes at most 2 arguments, not 3", "usage: resize(size, interpolation=bilinear)")]
    [InlineData("center_crop(8, 3)", 16, "'center_crop' takes one argument, not 2", "usage: center_crop(size)")]
    [InlineData("resize(size=8, size=9)", 16, "'size' is given twice", "usage: resize(size, interpolation=bilinear)")]
    [InlineData("resize(sise=8)", 8, "'resize' has no argument 'sise'", "did you mean 'size'? usage: resize(size, interpolation=bilinear)")]
    [InlineData("resize(size=8, bicubic)", 16, "'bicubic' stands behind an argument with a name", "usage: resize(size, interpolation=bilinear)")]
    [InlineData("hflip(1.5)", 7, "'p' of 'hflip' is 1.5, but must be a number from 0 to 1", "usage: hflip(p=0.5)")]
    [InlineData("hflip(nan)", 7, "'p' of 'hflip' is nan, but must be a number from 0 to 1", "usage: hflip(p=0.5)")]
    [InlineData("random_resized_crop(8, (0.9, 0.1))", 24, "'scale' of 'random_resized_crop' is (0.9, 0.1), but must be a range such as (0.08, 1), above 0 and up to 1",
        "usage: random_resized_crop(size, scale=(0.08, 1), ratio=(3/4, 4/3), interpolation=bilinear)")]
    [InlineData("normalize(imagnet)", 11, "'mean' of 'normalize' is imagnet, but must be one of: imagenet, half, cifar10, unit; or numbers, and then std as well",
        "usage: normalize(mean=imagenet, std=imagenet)")]
    [InlineData("normalize(0.5, 0)", 16, "'std' of 'normalize' is 0, but must be a number above 0, three of them as (r, g, b), or one of: imagenet, half, cifar10, unit",
        "usage: normalize(mean=imagenet, std=imagenet)")]
    [InlineData("normalize|hflip", 11, "'hflip' follows 'normalize'", "put 'normalize' at the end, once")]
    [InlineData("resize(8", 9, "expected ',' or ')', found the end of the line", Form)]
    [InlineData("resize(8))", 10, "expected '|' or the end of the line, found ')'", Form)]
    [InlineData("resize(8)x", 10, "expected '|' or the end of the line, found 'x'", Form)]
    [InlineData("resize(8)||hflip", 11, "expected the name of a transform, found '|'", Form)]
    public void Wrong_lines_say_what_is_wrong_and_where(string line, int column, string message, string advice)
    {
        var error = Assert.Throws<UserError>(() => TransformPipeline.Parse(line));
        Assert.Equal($"transforms '{line}', column {column}: {message}", error.Message);
        Assert.Equal(advice, error.Advice);
    }

    private const string Form = "write it like random_resized_crop(224, scale=(0.35, 1))|hflip(0.5)";

    private static Image Transform(string line, Image image, int key = 0)
    {
        var random = new SeededRandom(key);
        return TransformPipeline.Parse(line).Apply(image, new ImageScratch(), ref random);
    }

    private static Image Picture(int width, int height)
    {
        var image = new Image(width, height);
        new Random(width * 1000 + height).NextBytes(image.Pixels);
        return image;
    }
}
