using System.Text.Json;
using Attention.Cli;
using Attention.Data;
using Attention.Engine.Evaluation.Dense;

namespace Attention.Tests.Engine.Evaluation;

/// <summary>COCO's average precision and recall, against pycocotools and by hand.</summary>
public sealed class CocoEvaluatorTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [SkippableTheory]
    [InlineData("a", "bbox")]
    [InlineData("a", "segm")]
    [InlineData("a", "keypoints")]
    [InlineData("b", "bbox")]
    [InlineData("b", "segm")]
    [InlineData("b", "keypoints")]
    public void All_figures_are_those_of_pycocotools(string set, string kind)
    {
        string root = SharedFiles.Require($"data/coco-eval/{set}");
        using var expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(root, "expected.json")));
        var truth = CocoAnnotations.Load(Path.Combine(root, kind == "keypoints" ? "person_keypoints.json" : "instances.json"));
        Assert.Empty(truth.Problems);
        var results = CocoResults.Load(Path.Combine(root, $"results_{kind}.json"), truth);
        Assert.Equal(kind, results.Kind switch { CocoKind.Boxes => "bbox", CocoKind.Masks => "segm", _ => "keypoints" });
        var scores = CocoEvaluator.Evaluate(truth, results);
        var stats = expected.RootElement.GetProperty(kind).GetProperty("stats");
        Assert.Equal(stats.GetArrayLength(), scores.Figures.Count);
        foreach (var (figure, value) in scores.Figures.Zip(stats.EnumerateArray()))
            Assert.True(Math.Abs(figure.Value - value.GetDouble()) < 1e-12, $"{figure.Name} {figure.Value} {value}");
        foreach (var category in expected.RootElement.GetProperty(kind).GetProperty("ap_per_category").EnumerateObject())
            Assert.Equal(category.Value.GetDouble(), scores.Categories.Single(each => each.Category.Id == int.Parse(category.Name)).AveragePrecision, 1e-12);
    }

    [SkippableTheory]
    [InlineData("a")]
    [InlineData("b")]
    public void Results_that_are_written_are_read_again(string set)
    {
        string root = SharedFiles.Require($"data/coco-eval/{set}");
        foreach (string kind in new[] { "bbox", "segm", "keypoints" })
        {
            var truth = CocoAnnotations.Load(Path.Combine(root, kind == "keypoints" ? "person_keypoints.json" : "instances.json"));
            var results = CocoResults.Load(Path.Combine(root, $"results_{kind}.json"), truth);
            string copy = folder.File("copy.json");
            using (var stream = File.Create(copy))
                CocoResults.Write(stream, results.Detections, image => truth.Image(image).Id, label => truth.Categories[label].Id);
            var again = CocoResults.Load(copy, truth);
            Assert.Equal(results.Kind, again.Kind);
            foreach (var (one, other) in results.Detections.Zip(again.Detections))
            {
                Assert.Equal((one.Image, one.Label, one.Score, one.Mask?.ToText()), (other.Image, other.Label, other.Score, other.Mask?.ToText()));
                Assert.All(one.Box.Concat(one.Keypoints).Zip(other.Box.Concat(other.Keypoints)), pair => Assert.Equal(pair.First, pair.Second, 0.0051));
            }
            Assert.Equal(results.Detections.Count, again.Detections.Count);
        }
    }

    private string Truth(params string[] annotations) => folder.Write("a.json", $$"""
        {"images": [{"id": 2, "file_name": "b", "width": 200, "height": 200}, {"id": 1, "file_name": "a", "width": 200, "height": 200}],
         "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
         "annotations": [{{string.Join(", ", annotations.Select((each, i) => $"{{\"id\": {i + 1}, {each}}}"))}}]}
        """);

    private CocoScores Score(string truth, params string[] results)
    {
        var annotations = CocoAnnotations.Load(truth);
        return CocoEvaluator.Evaluate(annotations, CocoResults.Load(folder.Write("r.json", $"[{string.Join(", ", results.Select(each => $"{{{each}}}"))}]"), annotations));
    }

    private static double Of(CocoScores scores, string figure) => scores.Figures.Single(each => each.Name == figure).Value;

    private const string Object = "\"image_id\": 1, \"category_id\": 1, \"bbox\": [10, 10, 40, 40], \"area\": 1600";
    private const string Found = "\"image_id\": 1, \"category_id\": 1, \"bbox\": [10, 10, 40, 40], \"score\": 0.9";

    [Fact]
    public void One_object_that_is_found_is_all()
    {
        var scores = Score(Truth(Object), Found);
        Assert.Equal(1, scores.AveragePrecision, 1e-12);
        Assert.Equal(1, Of(scores, "AR1"));
        Assert.Equal(1, Of(scores, "APm"), 1e-12);
        Assert.Equal(double.NaN, Of(scores, "APl"));
        Assert.Equal((1, 1), (scores.Categories[0].Objects, scores.Categories[0].Detections));
        Assert.Equal(double.NaN, scores.Categories[1].AveragePrecision);
        Assert.All(scores.Precision(0, 9).ToArray(), precision => Assert.Equal(1, precision, 1e-15));
        Assert.True(scores.Precision(1, 0).IsEmpty);
    }

    [Fact]
    public void Nothing_found_is_nothing()
    {
        var scores = Score(Truth(Object));
        Assert.Equal((0.0, 0.0), (scores.AveragePrecision, Of(scores, "AR100")));
        Assert.Equal(double.NaN, Score(Truth(), Found).AveragePrecision);
    }

    [Fact]
    public void Of_two_on_one_object_the_surer_counts()
    {
        // Half of the recall at full precision, then a second object at 2 of 3.
        string other = Object.Replace("[10, 10", "[100, 100");
        var scores = Score(Truth(Object, other), Found, Found.Replace("0.9", "0.8"), Found.Replace("[10, 10", "[100, 100").Replace("0.9", "0.7"));
        Assert.Equal((51 + 50 * 2 / 3.0) / 101, scores.AveragePrecision, 1e-12);
        Assert.Equal(0.5, Of(scores, "AR1"));
    }

    [Fact]
    public void A_crowd_takes_any_number_and_counts_for_nothing()
    {
        string crowd = Object.Replace("[10, 10, 40, 40]", "[100, 100, 90, 90]") + ", \"iscrowd\": 1";
        string inside = Found.Replace("[10, 10, 40, 40]", "[110, 110, 20, 20]").Replace("0.9", "0.95");
        Assert.Equal(1, Score(Truth(crowd, Object), inside, inside, Found).AveragePrecision, 1e-12);
        Assert.True(Score(Truth(Object), inside, inside, Found).AveragePrecision < 0.4);
    }

    [Fact]
    public void Of_equal_scores_the_first_comes_first_and_lower_image_numbers_before()
    {
        string elsewhere = Found.Replace("[10, 10", "[100, 100");
        Assert.Equal(1, Score(Truth(Object), Found, elsewhere).AveragePrecision, 1e-12);
        Assert.Equal(0.5, Score(Truth(Object), elsewhere, Found).AveragePrecision, 1e-12);
        // Image 2 stands first in both files, yet its false alarm ranks behind.
        Assert.Equal(1, Score(Truth(Object), Found.Replace("\"image_id\": 1", "\"image_id\": 2"), Found).AveragePrecision, 1e-12);
    }

    [Fact]
    public void More_than_a_hundred_in_an_image_do_not_count()
    {
        string[] surer = [.. Enumerable.Range(0, 100).Select(i => Found.Replace("[10, 10", "[150, 150").Replace("0.9", $"{1 + i}"))];
        Assert.Equal(0, Score(Truth(Object), [.. surer, Found]).AveragePrecision);
        Assert.Equal(1 / 100.0, Score(Truth(Object), [.. surer.Skip(1), Found]).AveragePrecision, 1e-12);
    }

    [Fact]
    public void Keypoints_need_a_spread_each()
    {
        string truth = folder.Write("a.json", """
            {"images": [{"id": 1, "file_name": "a", "width": 200, "height": 200}], "categories": [{"id": 1, "name": "hand", "keypoints": ["tip", "root"]}],
             "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "area": 1600, "keypoints": [10, 10, 2, 50, 50, 2]}]}
            """);
        string found = "\"image_id\": 1, \"category_id\": 1, \"score\": 1, \"keypoints\": [10, 10, 1, 50, 54, 1]";
        Assert.Contains("categories with 2 keypoints, but 17 spreads", Assert.Throws<UserError>(() => Score(truth, found)).Message);
        // exp(-16 / (2 * 1600 * 0.2^2)) = 0.8825 for one of two: 0.941.
        var annotations = CocoAnnotations.Load(truth);
        var results = CocoResults.Load(folder.Write("r.json", $"[{{{found}}}]"), annotations);
        var scores = CocoEvaluator.Evaluate(annotations, results, CocoProtocol.For(CocoKind.Keypoints) with { Sigmas = [0.1, 0.1] });
        Assert.Equal(0.9, scores.AveragePrecision, 1e-12);
    }

    [SkippableFact]
    public void The_command_prints_a_table_and_json()
    {
        string root = SharedFiles.Require("data/coco-eval/a");
        string[] files = [Path.Combine(root, "instances.json"), Path.Combine(root, "results_bbox.json"), Path.Combine(root, "results_segm.json")];
        var (code, output, error) = Run(["score", "coco", .. files, "--json"]);
        Assert.Equal((0, ""), (code, error));
        using var json = JsonDocument.Parse(output);
        using var expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(root, "expected.json")));
        foreach (var scored in json.RootElement.EnumerateArray())
        {
            var stats = expected.RootElement.GetProperty(scored.GetProperty("kind").GetString()!).GetProperty("stats").EnumerateArray().Select(value => value.GetDouble()).ToArray();
            Assert.Equal(stats, scored.GetProperty("stats").EnumerateArray().Select(value => value.GetDouble()), (x, y) => Math.Abs(x - y) < 1e-9);
            Assert.Equal(scored.GetProperty("AP").GetDouble(), stats[0], 1e-9);
            Assert.Equal(6, scored.GetProperty("categories").GetArrayLength());
        }
        (_, output, _) = Run(["score", "coco", .. files, "--classes"]);
        Assert.Matches(@"AP\s+0\.0604\s+0\.2948", output);
        Assert.Contains("cat44", output);
        (code, _, error) = Run(["score", "coco", .. files, "--kind", "boxes"]);
        Assert.Equal(2, code);
        Assert.Contains("there is no kind 'boxes'", error);
    }

    private static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = CommandLine.Run(arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
