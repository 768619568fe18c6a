using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Torch;
using Xunit;

namespace Attention.Tests.Data;

/// <summary>Every fault that annotations have had, through the loader: named by its id, left out, and never the end of an epoch.</summary>
public sealed class BadAnnotationsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("\"image_id\": 99, \"category_id\": 1, \"bbox\": [1, 1, 4, 4]", "it belongs to image 99, which is not listed")]
    [InlineData("\"category_id\": 1, \"bbox\": [1, 1, 4, 4]", "it has no image_id")]
    [InlineData("\"image_id\": 1, \"category_id\": 5, \"bbox\": [1, 1, 4, 4]", "there is no category 5")]
    [InlineData("\"image_id\": 1, \"category_id\": 1", "it has no box")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 0, 4]", "its box (1, 1, 0, 4) has no area")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, -3, 4]", "its box (1, 1, -3, 4) has no area")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 3]", "its box has 3 numbers, not 4")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [30, 1, 3, 4]", "its box (30, 1, 3, 4) lies outside the image of 20 x 15 pixels")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [\"a\", 1, 3, 4]", "")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 4, 4], \"segmentation\": [[1, 1, 4, 4]]", "a polygon has 2 corners")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 4, 4], \"segmentation\": [[1, 1, 4, 4, 1, 4, 2]]", "a polygon has 7 numbers")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 4, 4], \"segmentation\": [[1, 1, 4, 4, 1, 1e9]]", "a polygon has a corner at y = 1000000000")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 4, 4], \"segmentation\": {\"size\": [15, 20], \"counts\": [100, 7]}", "its run lengths make 107 pixels, not 15 x 20")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 4, 4], \"segmentation\": {\"size\": [20, 15], \"counts\": [200, 100]}", "its mask is of 15 x 20 pixels, the image of 20 x 15")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 4, 4], \"segmentation\": {\"size\": [15, 20], \"counts\": \"~!\"}", "its compressed run lengths")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 4, 4], \"segmentation\": {\"size\": [15, 20], \"counts\": \"X\"}", "its compressed run lengths end within a number")]
    [InlineData("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 4, 4], \"keypoints\": [1, 1, 2]", "it has 3 numbers of keypoints, its category 6")]
    [InlineData("\"image_id\": 1, \"category_id\": 2, \"bbox\": [1, 1, 4, 4], \"keypoints\": [1, 1, 2]", "it has 3 numbers of keypoints, its category 0")]
    public void A_faulty_annotation_is_left_out_by_its_id(string fault, string reason)
    {
        var (warned, samples) = Load($"{{\"id\": 7, \"image_id\": 1, \"category_id\": 1, \"bbox\": [2, 3, 5, 6]}}, {{\"id\": 13, {fault}}}, {{\"id\": 8, \"image_id\": 2, \"category_id\": 2, \"bbox\": [0, 0, 9, 9]}}");
        Assert.Equal([7, 8], samples.SelectMany(sample => sample.Objects).Select(each => each.Id));
        string told = Assert.Single(warned);
        Assert.Contains("a.json: annotation 13: ", told);
        Assert.Contains(reason, told);
        Assert.EndsWith("; it is left out", told);
    }

    [Fact]
    public void Of_two_annotations_of_one_id_the_second_is_left_out()
    {
        var (warned, samples) = Load("{\"id\": 7, \"image_id\": 1, \"category_id\": 1, \"bbox\": [2, 3, 5, 6]}, {\"id\": 7, \"image_id\": 2, \"category_id\": 1, \"bbox\": [2, 3, 5, 6]}");
        Assert.Equal([1, 0], samples.Select(sample => sample.Objects.Count));
        Assert.Contains("annotation 7: its id is that of another annotation before", Assert.Single(warned));
    }

    [Fact]
    public void A_missing_image_and_one_of_another_size_are_replaced()
    {
        var (warned, samples) = Load("{\"id\": 7, \"image_id\": 2, \"category_id\": 1, \"bbox\": [2, 3, 5, 6]}",
            "{\"id\": 3, \"file_name\": \"gone.png\", \"width\": 20, \"height\": 15}, {\"id\": 4, \"file_name\": \"1.png\", \"width\": 200, \"height\": 150}, ");
        Assert.Equal([2, 2, 2, 3], samples.Select(sample => sample.Index)); // the first two of four are faulty
        Assert.Equal(2, warned.Count);
        Assert.Contains("gone.png", warned[0]);
        Assert.Contains("it has 20 x 15 pixels, its annotations are of 200 x 150", warned[1]);
    }

    [Fact]
    public void A_box_is_cut_at_the_borders()
    {
        var (_, samples) = Load("{\"id\": 7, \"image_id\": 1, \"category_id\": 1, \"bbox\": [-5, 3, 12, 40]}");
        Assert.Equal([0, 3, 7, 15], samples[0].Objects.Single().Box);
    }

    [Fact]
    public void Crowds_and_empty_images_go_by_the_options()
    {
        const string annotations = "{\"id\": 7, \"image_id\": 1, \"category_id\": 1, \"bbox\": [2, 3, 5, 6], \"iscrowd\": 1}, {\"id\": 8, \"image_id\": 2, \"category_id\": 2, \"bbox\": [0, 0, 9, 9]}";
        Assert.Equal([0, 1], Load(annotations).Samples.Select(sample => sample.Objects.Count));
        Assert.Equal([8], Load(annotations, options: new() { EmptyImages = false }).Samples.SelectMany(sample => sample.Objects).Select(each => each.Id));
        var both = Load(annotations, options: new() { EmptyImages = false, Crowds = true }).Samples;
        Assert.Equal([true, false], both.Select(sample => sample.Objects.Single().IsCrowd));
        Assert.Throws<UserError>(() => Load("", options: new() { EmptyImages = false }));
    }

    [Fact]
    public void Objects_without_a_mask_or_keypoints_have_some_all_the_same()
    {
        var (_, samples) = Load("{\"id\": 7, \"image_id\": 1, \"category_id\": 2, \"bbox\": [2, 3, 5, 6]}");
        var each = samples[0].Objects.Single();
        Assert.Equal(30, each.Mask!.Count(pixel => pixel == 1));
        Assert.Equal(new float[6], each.Keypoints);
    }

    [Fact]
    public void What_the_data_do_not_have_is_refused()
    {
        Load("");
        var config = Config();
        void Open(DenseTargets targets) => DenseData.Open(config, targets, new(), new(), _ => { }, _ => { });
        Assert.Contains("no class for each pixel", Assert.Throws<UserError>(() => Open(DenseTargets.Classes)).Message);
        File.WriteAllText(_folder.File("a.json"), File.ReadAllText(_folder.File("a.json")).Replace("\"keypoints\"", "\"points\""));
        Assert.Contains("have no keypoints", Assert.Throws<UserError>(() => Open(DenseTargets.Keypoints)).Message);
    }

    private CocoConfig Config() => new() { path = _folder.Path, train = "", val = "", train_annotations = "a.json", val_annotations = "a.json" };

    /// <summary>What a loader gives of two images, and of others before them, and what it warns of.</summary>
    private (List<string> Warned, List<DenseSample> Samples) Load(string annotations, string images = "", CocoObjectsOptions? options = null)
    {
        foreach (string name in new[] { "1.png", "2.png" })
            File.WriteAllBytes(_folder.File(name), ImageCodec.EncodePng(new Image(20, 15)));
        File.WriteAllText(_folder.File("a.json"), $$"""
            {"images": [{{images}}{"id": 1, "file_name": "1.png", "width": 20, "height": 15}, {"id": 2, "file_name": "2.png", "width": 20, "height": 15}],
             "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "eye"]}, {"id": 2, "name": "dog"}],
             "annotations": [{{annotations}}]}
            """);
        var warned = new List<string>();
        var (train, _) = DenseData.Open(Config(), DenseTargets.Objects, options ?? new(), new(), _ => { }, warned.Add);
        warned = [.. warned.Distinct()]; // both parts are of one file
        using var loader = new DenseLoader(train, DensePipeline.Parse(""), new DenseLoaderOptions { BatchSize = 1, Workers = 2 }, warned.Add);
        return (warned, [.. loader.Epoch(0).SelectMany(batch => batch.Samples)]);
    }
}
