using System.Text.Json;
using Attention.Data.Samples;
using Attention.Torch;
using Xunit;

namespace Attention.Tests.Data;

public class ScenesDatasetTests : IClassFixture<ScenesDatasetTests.Scenes>
{
    private static readonly ScenesOptions Some = new() { TrainImages = 40, ValImages = 5 };
    private readonly Scenes _scenes;

    public ScenesDatasetTests(Scenes scenes) => _scenes = scenes;

    public sealed class Scenes : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        public Scenes()
        {
            Root = ScenesDataset.Ensure(_folder.File("scenes"), Some);
            Instances = Read("instances_train");
            People = Read("person_keypoints_train");
        }

        public string Root { get; }

        public JsonElement Instances { get; }

        public JsonElement People { get; }

        public JsonElement Read(string name) =>
            JsonDocument.Parse(File.ReadAllText(Path.Combine(Root, "annotations", name + ".json"))).RootElement;

        public LabelMap Map(int image) => ImageCodec.DecodeLabels(File.ReadAllBytes(Path.Combine(Root, "segmentation", "train", $"{image:D12}.png")));

        public void Dispose() => _folder.Dispose();
    }

    [Fact]
    public void The_same_seed_gives_the_same_bytes()
    {
        using var folder = new TemporaryFolder();
        string again = ScenesDataset.Ensure(folder.File("again"), Some);
        string[] files = Directory.GetFiles(_scenes.Root, "*", SearchOption.AllDirectories);
        Assert.Equal(2 * (40 + 5) + 4 + 1, files.Length);
        Assert.All(files, file => Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(again, Path.GetRelativePath(_scenes.Root, file)))));
    }

    [Fact]
    public void Images_are_where_the_annotations_say()
    {
        foreach (string split in new[] { "train", "val" })
            foreach (var image in _scenes.Read($"instances_{split}").GetProperty("images").EnumerateArray())
            {
                var info = ImageCodec.Probe(File.ReadAllBytes(Path.Combine(_scenes.Root, split, image.GetProperty("file_name").GetString()!)));
                Assert.Equal((image.GetProperty("width").GetInt32(), image.GetProperty("height").GetInt32()), (info.Width, info.Height));
            }
        Assert.Equal(5, _scenes.Read("instances_val").GetProperty("images").GetArrayLength());
    }

    [Fact]
    public void Polygons_areas_boxes_and_maps_tell_of_the_same_pixels()
    {
        var maps = new Dictionary<int, byte[]>();
        int objects = 0;
        foreach (var annotation in _scenes.Instances.GetProperty("annotations").EnumerateArray())
        {
            int image = annotation.GetProperty("image_id").GetInt32(), category = annotation.GetProperty("category_id").GetInt32();
            var map = _scenes.Map(image);
            var inside = Raster(annotation.GetProperty("segmentation"), map.Width, map.Height);
            Assert.Equal(annotation.GetProperty("area").GetInt32(), inside.Count(pixel => pixel));
            Assert.Equal(Numbers(annotation.GetProperty("bbox")), BoxOf(inside, map.Width));
            Assert.Equal(0, annotation.GetProperty("iscrowd").GetInt32());

            // What is left of the map when all objects took their pixels is the ground.
            byte[] left = maps.TryGetValue(image, out var before) ? before : maps[image] = [.. map.Values];
            for (int i = 0; i < inside.Length; i++)
                if (inside[i])
                {
                    Assert.Equal(category, left[i]);
                    left[i] = 0;
                }
            objects++;
        }
        Assert.Equal(40, maps.Count);
        Assert.True(objects > 80);
        Assert.All(maps.Values, left => Assert.DoesNotContain(left, value => value != 0));
    }

    [Fact]
    public void Objects_hide_one_another_and_polygons_have_holes()
    {
        // What is cut in two has two polygons; a ring without its hole would fill pi / 4 of its box.
        var annotations = _scenes.Instances.GetProperty("annotations").EnumerateArray().ToList();
        Assert.Contains(annotations, a => a.GetProperty("segmentation").GetArrayLength() > 1);
        int ring = ScenesDataset.Categories.ToList().IndexOf("ring") + 1;
        Assert.Contains(annotations, a =>
        {
            var box = Numbers(a.GetProperty("bbox"));
            return a.GetProperty("category_id").GetInt32() == ring && a.GetProperty("area").GetInt32() < 0.65 * box[2] * box[3];
        });
        Assert.Equal(Enumerable.Range(1, 11), annotations.Select(a => a.GetProperty("category_id").GetInt32()).Distinct().Order());
    }

    [Fact]
    public void Keypoints_follow_Coco()
    {
        var category = _scenes.People.GetProperty("categories").EnumerateArray().Single();
        Assert.Equal("person", category.GetProperty("name").GetString());
        Assert.Equal(17, category.GetProperty("keypoints").GetArrayLength());
        Assert.All(category.GetProperty("skeleton").EnumerateArray(), line => Assert.All(Numbers(line), point => Assert.InRange(point, 1, 17)));

        var instances = _scenes.Instances.GetProperty("annotations").EnumerateArray().ToDictionary(a => a.GetProperty("id").GetInt32());
        var seen = new HashSet<int>();
        foreach (var person in _scenes.People.GetProperty("annotations").EnumerateArray())
        {
            var instance = instances[person.GetProperty("id").GetInt32()];
            foreach (string same in new[] { "image_id", "category_id", "area", "bbox", "segmentation" })
                Assert.Equal(instance.GetProperty(same).GetRawText(), person.GetProperty(same).GetRawText());
            int[] points = Numbers(person.GetProperty("keypoints"));
            Assert.Equal(51, points.Length);
            var map = _scenes.Map(person.GetProperty("image_id").GetInt32());
            var inside = Raster(person.GetProperty("segmentation"), map.Width, map.Height);
            int labelled = 0;
            for (int i = 0; i < 51; i += 3)
            {
                var (x, y, visibility) = (points[i], points[i + 1], points[i + 2]);
                seen.Add(visibility);
                if (visibility > 0)
                    labelled++;
                if (visibility == 0)
                    Assert.Equal((0, 0), (x, y));
                else
                    Assert.Equal(visibility == 2, inside[y * map.Width + x]);
            }
            Assert.Equal(labelled, person.GetProperty("num_keypoints").GetInt32());
        }
        Assert.Equal([0, 1, 2], seen.Order());
    }

    /// <summary>The pixels whose centers lie inside of an odd number of borders, for each polygon, united.</summary>
    private static bool[] Raster(JsonElement polygons, int width, int height)
    {
        var inside = new bool[width * height];
        foreach (var polygon in polygons.EnumerateArray())
        {
            int[] points = Numbers(polygon);
            Assert.True(points.Length >= 8 && points.Length % 2 == 0);
            // Each border flips the pixels to the right of where it crosses the middle of a row.
            var flips = new bool[(width + 1) * height];
            for (int i = 0, j = points.Length - 2; i < points.Length; j = i, i += 2)
            {
                double x0 = points[j], y0 = points[j + 1], x1 = points[i], y1 = points[i + 1];
                for (int y = (int)Math.Min(y0, y1); y < Math.Max(y0, y1); y++)
                    flips[y * (width + 1) + (int)Math.Ceiling(x0 + (y + 0.5 - y0) / (y1 - y0) * (x1 - x0) - 0.5)] ^= true;
            }
            for (int y = 0; y < height; y++)
            {
                bool odd = false;
                for (int x = 0; x < width; x++)
                    inside[y * width + x] |= odd ^= flips[y * (width + 1) + x];
            }
        }
        return inside;
    }

    private static int[] BoxOf(bool[] inside, int width)
    {
        int[] xs = [.. inside.Select((pixel, i) => (pixel, i)).Where(p => p.pixel).Select(p => p.i % width)];
        int[] ys = [.. inside.Select((pixel, i) => (pixel, i)).Where(p => p.pixel).Select(p => p.i / width)];
        return [xs.Min(), ys.Min(), xs.Max() + 1 - xs.Min(), ys.Max() + 1 - ys.Min()];
    }

    private static int[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(number => number.GetInt32())];
}
