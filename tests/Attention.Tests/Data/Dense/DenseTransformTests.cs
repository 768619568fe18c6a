using System.Text.Json;
using Attention.Data;
using Attention.Engine.Verification;
using Xunit;

namespace Attention.Tests.Data;

public class DenseTransformTests
{
    [Theory]
    [InlineData("")]
    [InlineData("hflip(1)")]
    [InlineData("resize((30, 64), max=90, antialias=true)|hflip")]
    [InlineData("resize((30, 64), max=90)")]
    [InlineData("resize(64)|hflip(1)")]
    [InlineData("large_scale_jitter(48, 56, scale=(0.5, 2), fill=0)|hflip")]
    [InlineData("random_crop(scale=(0.4, 0.9), p=1)")]
    [InlineData("resize_crop((50, 60), least=30, most=50, p=1)|resize(40)")]
    [InlineData("copy_paste(p=1, share=1)")]
    [InlineData("large_scale_jitter(64, 64, scale=(0.8, 1.6), fill=0)|hflip|copy_paste(p=1)|resize(80)")]
    [InlineData("mosaic(64, 72, fill=0)|hflip")]
    [InlineData("mosaic(64, 72, fill=0)|copy_paste(p=1)|random_crop")]
    public void Boxes_masks_keypoints_and_classes_move_with_the_pixels(string line)
    {
        using var loader = new DenseLoader(new PaintedObjects(40), DensePipeline.Parse($"{line}{(line == "" ? "" : "|")}normalize(unit)"), new DenseLoaderOptions { BatchSize = 1, Workers = 0 });
        int objects = 0;
        foreach (var batch in loader.Epoch(0))
            using (batch)
            {
                var sample = batch.Samples[0];
                foreach (var each in sample.Objects)
                    Check(batch, sample, each);
                objects += sample.Objects.Count;
            }
        Assert.True(objects >= 30, $"{objects} objects");
    }

    /// <summary>Inside of its mask the object has its colour and its class, and hardly anywhere else, but for the border, where colours mix.</summary>
    private static void Check(DenseBatch batch, DenseSample sample, DenseObject each)
    {
        const int border = 4;
        var (height, width, mask) = (sample.Height, sample.Width, each.Mask!);
        // The same image may have been mixed in twice.
        var same = sample.Objects.Where(other => other.Id == each.Id).Select(other => other.Mask!).ToList();
        int Near(byte[] map, int x, int y)
        {
            int near = 0;
            for (int v = Math.Max(0, y - border); v <= Math.Min(height - 1, y + border); v++)
                near += map.AsSpan(v * width + Math.Max(0, x - border), Math.Min(width - 1, x + border) - Math.Max(0, x - border) + 1).Count((byte)1);
            return near;
        }
        int area = 0, stray = 0;
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
            {
                bool has = HasColour(batch, x, y, each.Id);
                if (Near(mask, x, y) == (2 * border + 1) * (2 * border + 1))
                    Assert.True(has, $"({x}, {y}) in object {each.Id}");
                if (has && same.All(map => Near(map, x, y) == 0))
                    stray++;
                if (mask[y * width + x] == 0)
                    continue;
                Assert.Equal(each.Label, sample.Classes![y * width + x]);
                Assert.True(x >= each.Box[0] - 2 && x < each.Box[2] + 2 && y >= each.Box[1] - 2 && y < each.Box[3] + 2);
                area++;
            }
        Assert.True(area > 0);
        // Slivers of copies that are gone.
        Assert.InRange(stray, 0, 4 + area / 10);
        Assert.InRange(each.Area, 0.5 * area - 10, 1.6 * area + 10);
        foreach (float side in new[] { each.Box[0], each.Box[2] })
            Assert.InRange(side, 0, width + 1e-3f);
        Assert.True(each.Box[2] > each.Box[0] && each.Box[3] > each.Box[1]);
        CheckKeypoints(each, height, width);
    }

    // The rectangles' keypoints are their middle, their upper right (the left one, as of a person seen from the front) and their upper left.
    private static void CheckKeypoints(DenseObject each, int height, int width)
    {
        var points = each.Keypoints!.Chunk(3).ToArray();
        Assert.All(points.Where(point => point[2] == 0), point => Assert.Equal([0, 0, 0], point));
        Assert.All(points.Where(point => point[2] > 0), point => Assert.True(point[0] > -1 && point[1] > -1 && point[0] < width && point[1] < height));
        if (points[1][2] > 0 && points[2][2] > 0)
        {
            Assert.True(points[1][0] > points[2][0]);
            Assert.Equal(points[1][1], points[2][1], 1e-3f);
        }
        if (points.All(point => point[2] > 0))
            Assert.Equal((points[1][0] + points[2][0]) / 2, points[0][0], 1e-2f);
    }

    private static bool HasColour(DenseBatch batch, int x, int y, long id)
    {
        var colour = PaintedObjects.ColourOf(id);
        for (int channel = 0; channel < 3; channel++)
            if (Math.Abs(batch.Pixels[(channel * batch.Height + y) * batch.Width + x] * 255 - colour[channel]) > 0.6)
                return false;
        return true;
    }

    [Fact]
    public void Mirrored_people_keep_their_left_and_right()
    {
        Assert.Equal([0, 2, 1, 4, 3], KeypointNames.Mirror(["nose", "left_eye", "right_eye", "left_ear", "right_ear"]));
        Assert.Equal([0, 1], KeypointNames.Mirror(["tip", "left_end"]));
    }

    [Fact]
    public void Covered_objects_shrink_and_go()
    {
        var scratch = new ImageScratch();
        var image = new Attention.Torch.Image(20, 10);
        image.Pixels.Fill(10);
        DenseObject Rectangle(int id, int left, int right)
        {
            var mask = new byte[200];
            for (int y = 0; y < 10; y++)
                mask.AsSpan(y * 20 + left, right - left).Fill(1);
            return new DenseObject { Id = id, Box = [left, 0, right, 10], Area = 10 * (right - left), Mask = mask };
        }
        var below = new DenseImage(image, new DenseAnnotations([Rectangle(1, 0, 8), Rectangle(2, 9, 12), Rectangle(3, 17, 20)], null));
        var pasted = new Attention.Torch.Image(20, 10);
        pasted.Pixels.Fill(99);
        var other = new DenseImage(pasted, new DenseAnnotations([Rectangle(9, 4, 15)], null));
        var random = new SeededRandom(1);
        var mixed = new CopyPaste(1, 1).Apply(below, new DenseContext(scratch, [], (ref SeededRandom _) => other), ref random);

        Assert.Equal([1, 3, 9], mixed.Objects.Select(each => each.Id));
        Assert.Equal([0, 0, 4, 10], mixed.Objects[0].Box);
        Assert.Equal(40, mixed.Objects[0].Area);
        Assert.Equal([17, 0, 20, 10], mixed.Objects[1].Box);
        Assert.Equal(99, mixed.Source[4, 3][0]);
        Assert.Equal(10, mixed.Source[15, 3][0]);
        Assert.Equal(10, image[4, 3][0]);
    }

    [SkippableFact]
    public void Images_and_boxes_are_prepared_as_by_torchvision()
    {
        using var file = JsonDocument.Parse(File.ReadAllText(SharedFiles.Require("parity/dense/dense_ops.json")));
        var cases = file.RootElement.GetProperty("transform_cases").GetProperty("cases").EnumerateArray().ToList();
        Assert.Equal(8, cases.Count);
        foreach (var each in cases)
        {
            int Number(string name) => each.GetProperty(name).GetInt32();
            var (height, width) = (Number("height"), Number("width"));
            var (newHeight, newWidth) = DenseResize.SizeOf(height, width, Number("min_size"), Number("max_size"));
            Assert.Equal(each.GetProperty("resized_hw").EnumerateArray().Select(side => side.GetInt32()), [newHeight, newWidth]);

            var planes = FormulaImage(each.GetProperty("image").GetString()!, height, width);
            for (int i = 0; i < planes.Length; i++)
            {
                int channel = i / (height * width);
                planes[i] = (planes[i] - Normalize.ImageNet.Mean[channel]) / Normalize.ImageNet.Std[channel];
            }
            var resized = new float[3 * newHeight * newWidth];
            PlaneResampling.Bilinear(planes, height, width, resized, newHeight, newWidth);
            var batch = each.GetProperty("batch");
            int[] shape = [.. batch.GetProperty("shape").EnumerateArray().Select(side => side.GetInt32())];
            var samples = batch.GetProperty("samples").EnumerateArray().Select(value => value.GetSingle()).ToArray();
            foreach (var (at, expected) in batch.GetProperty("indices").EnumerateArray().Select(index => index.GetInt32()).Zip(samples))
            {
                var (channel, y, x) = (at / (shape[2] * shape[3]), at / shape[3] % shape[2], at % shape[3]);
                float value = y < newHeight && x < newWidth ? resized[(channel * newHeight + y) * newWidth + x] : 0;
                Assert.True(Math.Abs(value - expected) < 2e-5, $"{each.GetProperty("image")}: {value} for {expected} at {at}");
            }

            float[] Box(string name) => [.. each.GetProperty(name)[0].EnumerateArray().Select(value => value.GetSingle())];
            var image = new DenseImage(new Attention.Torch.Image(1, 1), height, width, [new DenseObject { Box = Box("box_in") }], null);
            Assert.Equal(Box("box_out"), image.Resize(newHeight, newWidth).Objects[0].Box);
        }
    }

    /// <summary>The image of that name in recordings: blocks of 16 pixels and noise over them.</summary>
    private static float[] FormulaImage(string name, int height, int width)
    {
        int down = (height + 15) / 16, across = (width + 15) / 16;
        double[] fine = Uniform(name, 3, height, width), blocks = Uniform($"{name}.block", 3, down, across);
        var values = new float[3 * height * width];
        for (int i = 0; i < values.Length; i++)
        {
            var (channel, y, x) = (i / (height * width), i / width % height, i % width);
            values[i] = (float)(0.75 * blocks[(channel * down + y / 16) * across + x / 16] + 0.25 * fine[i]);
        }
        return values;
    }

    private static double[] Uniform(string name, params long[] shape)
    {
        using var probe = FormulaFill.Probe(name, shape);
        return [.. probe.data<float>().ToArray().Select(value => (value + 1.0) / 2)];
    }
}
