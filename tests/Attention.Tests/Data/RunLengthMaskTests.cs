using System.Text.Json;
using Attention.Data;

namespace Attention.Tests.Data;

/// <summary>Masks against those of pycocotools (Fixtures/make_mask_fixtures.py) and against what they mean.</summary>
public sealed class RunLengthMaskTests
{
    [Fact]
    public void Polygons_become_the_masks_of_COCOs_own_code()
    {
        using var file = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Data", "Fixtures", "coco-masks.json")));
        Assert.Equal(60, file.RootElement.GetArrayLength());
        foreach (var each in file.RootElement.EnumerateArray())
        {
            var (height, width) = (each.GetProperty("height").GetInt32(), each.GetProperty("width").GetInt32());
            double[][] polygons = [.. each.GetProperty("polygons").EnumerateArray().Select(Numbers)];
            var masks = polygons.Select(polygon => RunLengthMask.FromPolygon(polygon, height, width)).ToArray();
            Assert.Equal(each.GetProperty("each").EnumerateArray().Select(text => text.GetString()), masks.Select(mask => mask.ToText()));
            var union = RunLengthMask.Union(masks);
            Assert.Equal(each.GetProperty("union").GetString(), union.ToText());
            Assert.Equal(union.Counts, RunLengthMask.FromPolygons(polygons, height, width).Counts);
            Assert.Equal(each.GetProperty("intersection").GetString(), RunLengthMask.Intersection(masks).ToText());
            Assert.Equal(each.GetProperty("area").GetInt32(), union.Area);
            var box = Numbers(each.GetProperty("box"));
            Assert.Equal((box[0], box[1], box[2], box[3]), union.Box);
            var other = RunLengthMask.FromPolygon(Numbers(each.GetProperty("other")), height, width);
            Assert.Equal(each.GetProperty("iou").GetDouble(), union.Overlap(other));
            Assert.Equal(each.GetProperty("crowd").GetDouble(), union.Overlap(other, isCrowd: true));
            Assert.Equal(each.GetProperty("sum").GetInt64(), union.ToMap().Select((value, i) => value * (i + 1L)).Sum());
        }
    }

    private static double[] Numbers(JsonElement list) => [.. list.EnumerateArray().Select(number => number.GetDouble())];

    [Fact]
    public void Maps_runs_and_text_are_one()
    {
        var random = new Random(1);
        for (int trial = 0; trial < 200; trial++)
        {
            var (height, width, share) = (random.Next(1, 40), random.Next(1, 40), random.NextDouble());
            var (a, b) = (Draw(), Draw());
            var (first, second) = (RunLengthMask.FromMap(a, height, width), RunLengthMask.FromMap(b, height, width));
            Assert.Equal(a, first.ToMap());
            Assert.Equal(first.Counts, RunLengthMask.Parse(first.ToText(), height, width).Counts);
            Assert.Equal(a.Sum(value => value), first.Area);
            Assert.Equal(a.Zip(b, (p, q) => (byte)(p | q)), RunLengthMask.Union([first, second]).ToMap());
            Assert.Equal(a.Zip(b, (p, q) => (byte)(p & q)), RunLengthMask.Intersection([first, second]).ToMap());
            int both = a.Zip(b, (p, q) => p & q).Sum(), either = a.Zip(b, (p, q) => p | q).Sum();
            Assert.Equal(both == 0 ? 0 : (double)both / either, first.Overlap(second));

            byte[] Draw() => [.. Enumerable.Range(0, height * width).Select(_ => random.NextDouble() < share ? (byte)1 : (byte)0)];
        }
    }

    [Fact]
    public void Runs_of_no_length_change_nothing()
    {
        var plain = RunLengthMask.Of(4, 5, [3, 6, 11]);
        var split = RunLengthMask.Of(4, 5, [3, 2, 0, 4, 11, 0]);
        Assert.Equal(plain.ToMap(), split.ToMap());
        Assert.Equal((6, plain.Box), (split.Area, split.Box));
        Assert.Equal(1, plain.Overlap(split));
        Assert.Equal(1, split.Overlap(split));
        Assert.Equal(plain.Counts, RunLengthMask.Union([split, split]).Counts);
        Assert.Equal((0, 0, 0, 0), RunLengthMask.Of(4, 5, [20, 0]).Box);
        Assert.Equal((1, 0, 2, 4), RunLengthMask.FromBox(1, 0, 2, 4, 4, 5).Box);
    }

    [Theory]
    [InlineData("its run lengths hold -1", 2, 2, 5, -1)]
    [InlineData("its run lengths make 3 pixels, not 2 x 2", 2, 2, 1, 2)]
    [InlineData("its run lengths make 4294967294 pixels, not 2 x 2", 2, 2, int.MaxValue, int.MaxValue)]
    [InlineData("a mask cannot have 0 x 2 pixels", 0, 2)]
    [InlineData("a mask cannot have 100000 x 100000 pixels", 100_000, 100_000, 5)]
    public void Runs_that_make_no_image_are_refused(string expected, int height, int width, params int[] counts) =>
        Assert.Equal(expected, Assert.Throws<FormatException>(() => RunLengthMask.Of(height, width, counts)).Message);

    [Theory]
    [InlineData("its compressed run lengths end within a number", "P")]
    [InlineData("its compressed run lengths hold the character U+0020 at 1", "1 2")]
    [InlineData("its compressed run lengths hold a number of more than 35 bits", "PPPPPPPPPPPPPP1")]
    [InlineData("its run lengths hold -1", "O")]
    [InlineData("its run lengths make 1 pixels, not 3 x 3", "1")]
    public void Text_that_is_no_mask_is_refused(string expected, string text) =>
        Assert.Equal(expected, Assert.Throws<FormatException>(() => RunLengthMask.Parse(text, 3, 3)).Message);

    [Fact]
    public void Hostile_text_does_no_worse_than_an_error()
    {
        var random = new Random(2);
        int read = 0;
        for (int trial = 0; trial < 20_000; trial++)
            try
            {
                string text = new([.. Enumerable.Range(0, random.Next(8)).Select(_ => (char)random.Next(46, 114))]);
                Assert.Equal(12, RunLengthMask.Parse(text, 3, 4).ToMap().Length);
                read++;
            }
            catch (FormatException)
            {
            }
        Assert.InRange(read, 1, 19_999);
    }

    [Fact]
    public void What_is_no_polygon_is_refused()
    {
        foreach (var (expected, corners) in new (string, double[])[]
        {
            ("a polygon has 2 corners", [0, 0, 5, 5]),
            ("a polygon has 7 numbers, which are no pairs of x and y", [0, 0, 5, 5, 0, 5, 1]),
            ("a polygon has a corner at x = 1E+300, far from an image of 20 x 10 pixels", [1e300, 0, 5, 5, 0, 5]),
            ("a polygon has a corner at y = NaN, far from an image of 20 x 10 pixels", [0, double.NaN, 5, 5, 0, 5]),
        })
            Assert.Equal(expected, Assert.Throws<FormatException>(() => RunLengthMask.FromPolygon(corners, 10, 20)).Message);
    }
}
