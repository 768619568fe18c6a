using Attention.Data;

namespace Attention.Tests.Data;

/// <summary>What is wrong with COCO's files is named by the annotation's id, and left out or refused.</summary>
public sealed class CocoAnnotationsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private CocoAnnotations Read(string annotations, string images = """{"id": 5, "file_name": "1.png", "width": 20, "height": 15}""") => CocoAnnotations.Load(_folder.Write("a.json", $$"""
        {"images": [{{images}}], "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person", "keypoints": ["nose", "eye"]}], "annotations": [{{annotations}}]}
        """));

    [Theory]
    [InlineData("it belongs to image 77, which is not listed", "\"image_id\": 77, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]")]
    [InlineData("there is no category 9", "\"image_id\": 5, \"category_id\": 9, \"bbox\": [1, 2, 3, 4]")]
    [InlineData("it has no category_id", "\"image_id\": 5, \"bbox\": [1, 2, 3, 4]")]
    [InlineData("it has no image_id", "\"bbox\": [1, 2, 3, 4]")]
    [InlineData("it has no box", "\"image_id\": 5, \"category_id\": 1")]
    [InlineData("its box has 3 numbers, not 4", "\"image_id\": 5, \"category_id\": 1, \"bbox\": [1, 2, 3]")]
    [InlineData("its box (1, 2, 0, 4) has no area", "\"image_id\": 5, \"category_id\": 1, \"bbox\": [1, 2, 0, 4]")]
    [InlineData("its box (1, 2, 3, -4) has no area", "\"image_id\": 5, \"category_id\": 1, \"bbox\": [1, 2, 3, -4]")]
    [InlineData("its box (20, 2, 3, 4) lies outside the image of 20 x 15 pixels", "\"image_id\": 5, \"category_id\": 1, \"bbox\": [20, 2, 3, 4]")]
    [InlineData("a polygon has 2 corners", "\"segmentation\": [[1, 2, 3, 4]], \"image_id\": 5, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]")]
    [InlineData("its run lengths make 5 pixels, not 15 x 20", "\"segmentation\": {\"size\": [15, 20], \"counts\": [2, 3]}, \"image_id\": 5, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]")]
    [InlineData("its mask is of 9 x 9 pixels, the image of 20 x 15", "\"segmentation\": {\"size\": [9, 9], \"counts\": [81]}, \"image_id\": 5, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]")]
    [InlineData("its compressed run lengths end within a number", "\"segmentation\": {\"size\": [15, 20], \"counts\": \"P\"}, \"image_id\": 5, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]")]
    [InlineData("it has 3 numbers of keypoints, its category 6", "\"keypoints\": [1, 2, 2], \"image_id\": 5, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]")]
    [InlineData("its id is that of another annotation before", "\"id\": 1, \"image_id\": 5, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]")]
    public void A_fault_is_named_by_the_annotations_id_and_left_out(string expected, string annotation)
    {
        string id = annotation.Contains("\"id\"") ? "" : "\"id\": 7, ";
        var read = Read($$"""{"id": 1, "image_id": 5, "category_id": 18, "bbox": [0, 0, 9, 9]}, {{{id}}{{annotation}}}, {"id": 9, "image_id": 5, "category_id": 1, "bbox": [1, 2, 3, 4]}""");
        Assert.Equal($"{_folder.File("a.json")}: annotation {(id == "" ? 1 : 7)}: {expected}; it is left out", Assert.Single(read.Problems));
        Assert.Equal([1, 9], read.ObjectsIn(0).Select(found => found.Id));
    }

    [Theory]
    [InlineData("there are two images 5", "", """{"id": 5, "file_name": "a"}, {"id": 5, "file_name": "b"}""")]
    [InlineData("lists no images", "", "")]
    [InlineData("it has no id", "", """{"file_name": "a"}""")]
    public void A_file_that_contradicts_itself_is_refused(string expected, string annotations, string images) =>
        Assert.Contains(expected, Assert.Throws<UserError>(() => Read(annotations, images)).Message);

    [Fact]
    public void An_object_has_its_mask()
    {
        var read = Read("""
            {"id": 1, "image_id": 5, "category_id": 18, "bbox": [2, 3, 4, 5], "segmentation": [[2, 3, 6, 3, 6, 8, 2, 8]]},
            {"id": 2, "image_id": 5, "category_id": 18, "bbox": [2, 3, 4, 5], "iscrowd": true, "area": 7, "segmentation": {"size": [15, 20], "counts": [295, 5]}},
            {"id": 3, "image_id": 5, "category_id": 1, "bbox": [2, 3, 4, 5], "segmentation": [], "keypoints": [1, 2, 2, 0, 0, 0]}
            """);
        Assert.Empty(read.Problems);
        var objects = read.ObjectsIn(0);
        Assert.Equal((2, 3, 4, 5), objects[0].MaskIn(15, 20)!.Box);
        Assert.Equal((20.0, 7.0), (objects[0].Area, objects[1].Area));
        Assert.Equal((5, true), (objects[1].MaskIn(15, 20)!.Area, objects[1].IsCrowd));
        Assert.Null(objects[2].MaskIn(15, 20));
        Assert.Equal(1, objects[2].LabelledKeypoints);
    }

    [Theory]
    [InlineData("it is no list", "{}")]
    [InlineData("result number 0: there is no image 6", """[{"image_id": 6, "category_id": 1, "score": 1, "bbox": [1, 2, 3, 4]}]""")]
    [InlineData("result number 0: it has no score", """[{"image_id": 5, "category_id": 1, "bbox": [1, 2, 3, 4]}]""")]
    [InlineData("result number 0: its bbox has 0 numbers, not 4", """[{"image_id": 5, "category_id": 1, "score": 1}]""")]
    [InlineData("result number 0: its keypoints has 3 numbers, not 6", """[{"image_id": 5, "category_id": 1, "score": 1, "keypoints": [1, 2, 3]}]""")]
    [InlineData("result number 1: it has no segmentation", """[{"image_id": 5, "category_id": 1, "score": 1, "segmentation": {"size": [15, 20], "counts": [300]}}, {"image_id": 5, "category_id": 1, "score": 1}]""")]
    [InlineData("result number 0: its mask is of 2 x 2 pixels, the image of 20 x 15", """[{"image_id": 5, "category_id": 1, "score": 1, "segmentation": {"size": [2, 2], "counts": [4]}}]""")]
    public void Broken_results_are_refused(string expected, string results) =>
        Assert.Contains(expected, Assert.Throws<UserError>(() => CocoResults.Load(_folder.Write("r.json", results), Read(""))).Message);

    [Fact]
    public void Results_of_other_categories_are_left_out()
    {
        var read = CocoResults.Load(_folder.Write("r.json", """
            [{"image_id": 5, "category_id": 3, "score": 1, "bbox": [1, 2, 3, 4]}, {"image_id": 5, "category_id": 18, "score": 0.5, "bbox": [1, 2, 3, 4]}]
            """), Read(""));
        Assert.Equal("there is no category 3; its 1 results are left out", Assert.Single(read.Problems));
        Assert.Equal((0, 0, 0.5), (read.Detections[0].Image, read.Detections[0].Label, Assert.Single(read.Detections).Score));
    }
}
