using System.Text.Json;
using Attention.Cli;
using Attention.Data;
using Attention.Engine.Evaluation.Dense;
using Attention.Torch;

namespace Attention.Tests.Engine.Evaluation;

/// <summary>Panoptic quality and the figures of semantic segmentation, against the reference implementations' recordings.</summary>
public sealed class SegmentationScoresTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static JsonElement Recording() =>
        JsonDocument.Parse(File.ReadAllBytes(SharedFiles.Require("parity/dense/panoptic_and_miou.json"))).RootElement;

    [SkippableTheory]
    [InlineData("perturbed", new long[0])]
    [InlineData("perturbed_first_image_only", new long[] { 142238 })]
    [InlineData("perturbed_second_image_only", new long[] { 439180 })]
    public void Panoptic_quality_is_that_of_panopticapi(string name, long[] images)
    {
        var expected = Recording().GetProperty("panoptic").GetProperty("expected").GetProperty(name);
        string sample = SharedFiles.Require("data/coco-panoptic-sample/sample_data"), predicted = SharedFiles.Require("parity/dense/panoptic_pred");
        string annotations = Path.Combine(sample, "panoptic_examples.json");
        if (images.Length > 0)
        {
            var all = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllBytes(annotations))!;
            foreach (string list in (string[])["images", "annotations"])
                foreach (var other in all[list]!.AsArray().Where(each => !images.Contains((long)(each!["id"] ?? each["image_id"])!)).ToArray())
                    all[list]!.AsArray().Remove(other);
            annotations = folder.Write("some.json", all.ToJsonString());
        }
        var truth = CocoAnnotations.Load(annotations);
        Assert.Empty(truth.Problems);
        string results = Path.Combine(predicted, "panoptic_pred.json");
        if (images.Length > 0)
        {
            var all = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllBytes(results))!;
            foreach (var other in all["annotations"]!.AsArray().Where(each => !images.Contains((long)each!["image_id"]!)).ToArray())
                all["annotations"]!.AsArray().Remove(other);
            results = folder.Write("some_results.json", all.ToJsonString());
        }
        var scores = PanopticScores.Evaluate(truth, Path.Combine(sample, "panoptic_examples"), PanopticResults.Load(results, truth), predicted);
        foreach (var (key, mean) in new[] { ("All", scores.All), ("Things", scores.Things), ("Stuff", scores.Stuff) })
        {
            var of = expected.GetProperty(key);
            Assert.Equal(of.GetProperty("pq").GetDouble(), mean.Quality, 1e-12);
            Assert.Equal(of.GetProperty("sq").GetDouble(), mean.Segmentation, 1e-12);
            Assert.Equal(of.GetProperty("rq").GetDouble(), mean.Recognition, 1e-12);
            Assert.Equal(of.GetProperty("n").GetInt32(), mean.Categories);
        }
        foreach (var category in expected.GetProperty("per_class").EnumerateObject())
            RequireTally(category.Value, scores.Tallies[truth.LabelOf(int.Parse(category.Name))!.Value]);
        Assert.Equal(expected.GetProperty("per_class").EnumerateObject().Count(), scores.Tallies.Count(tally => tally.Total > 0));
    }

    private static void RequireTally(JsonElement expected, PanopticTally tally)
    {
        Assert.Equal(expected.GetProperty("iou_sum").GetDouble(), tally.Overlap, 1e-12);
        Assert.Equal((expected.GetProperty("tp").GetInt32(), expected.GetProperty("fp").GetInt32(), expected.GetProperty("fn").GetInt32()), (tally.Hits, tally.FalseAlarms, tally.Misses));
    }

    [SkippableFact]
    public void Crowds_and_pixels_without_truth_are_no_false_alarms()
    {
        var recorded = Recording().GetProperty("panoptic_synthetic");
        int[] ids = [.. recorded.GetProperty("categories").EnumerateArray().Select(category => category.GetProperty("id").GetInt32())];
        PanopticMap Map(string name) => new(32, 24, [.. recorded.GetProperty(name).EnumerateArray().SelectMany(run => Enumerable.Repeat(run[0].GetInt32(), run[1].GetInt32()))]);
        List<PanopticSegment> Segments(string name) => [.. recorded.GetProperty(name).EnumerateArray().Select(each => new PanopticSegment(
            each.GetProperty("id").GetInt32(), Array.IndexOf(ids, each.GetProperty("category_id").GetInt32()),
            each.TryGetProperty("iscrowd", out var crowd) && crowd.GetInt32() != 0, each.GetProperty("area").GetInt32()))];
        var tallies = PanopticScores.Compare(Map("gt_runs_row_major"), Segments("gt_segments"), Map("pred_runs_row_major"), Segments("pred_segments"), 3, "image 1");
        foreach (var category in recorded.GetProperty("per_class").EnumerateObject())
            RequireTally(category.Value, tallies[Array.IndexOf(ids, int.Parse(category.Name))]);
    }

    [Fact]
    public void A_map_has_to_go_with_its_segments()
    {
        var truth = new PanopticMap(2, 1, [1, 1]);
        PanopticSegment[] one = [new(1, 0, false)];
        string Error(PanopticMap result, params PanopticSegment[] segments) => Assert.Throws<UserError>(() => PanopticScores.Compare(truth, one, result, segments, 1, "image 3")).Message;
        Assert.Equal("the result for image 3 has pixels of a segment 4 that is not listed", Error(new(2, 1, [4, 1]), one));
        Assert.Equal("the result for image 3 lists a segment 5 that has no pixels", Error(new(2, 1, [1, 1]), one[0], new(5, 0, false)));
        Assert.Equal("the result for image 3 has 1 x 1 pixels, not 2 x 1", Error(new(1, 1, [1]), one));
        Assert.Equal(1, PanopticScores.Compare(truth, one, truth, one, 1, "image 3")[0].Quality);
    }

    [SkippableFact]
    public void The_panoptic_command_finds_the_maps()
    {
        string sample = SharedFiles.Require("data/coco-panoptic-sample/sample_data"), predicted = SharedFiles.Require("parity/dense/panoptic_pred");
        var output = new StringWriter();
        Assert.Equal(0, CommandLine.Run(["score", "panoptic", Path.Combine(sample, "panoptic_examples.json"), Path.Combine(predicted, "panoptic_pred.json"), "--result-maps", predicted, "--json"], output, new StringWriter()));
        using var json = JsonDocument.Parse(output.ToString());
        Assert.Equal(0.3409180025683924, json.RootElement[0].GetProperty("pq").GetDouble(), 1e-12);
        Assert.Equal(9, json.RootElement[0].GetProperty("categories").GetInt32());
    }

    [SkippableFact]
    public void Figures_of_segmentation_are_those_of_the_recorded_confusions()
    {
        foreach (var each in Recording().GetProperty("miou").GetProperty("cases").EnumerateArray())
        {
            int classes = each.GetProperty("classes").GetInt32();
            var scores = new SegmentationScores([.. Enumerable.Range(0, classes).Select(i => $"{i}")]);
            byte truth = 0;
            foreach (var row in each.GetProperty("confusion").EnumerateArray())
            {
                byte guess = 0;
                foreach (var count in row.EnumerateArray())
                    scores.Add(Enumerable.Repeat(truth, count.GetInt32()).ToArray(), Enumerable.Repeat(guess++, count.GetInt32()).ToArray());
                truth++;
            }
            scores.Add(Enumerable.Repeat(LabelMapFolder.None, 50).ToArray(), new byte[50]);
            Assert.Equal(each.GetProperty("mean_iou_present").GetDouble(), scores.MeanIntersectionOverUnion, 1e-12);
            Assert.Equal(each.GetProperty("mean_accuracy").GetDouble(), scores.MeanAccuracy, 1e-12);
            Assert.Equal(each.GetProperty("pixel_accuracy").GetDouble(), scores.PixelAccuracy, 1e-12);
            Assert.Equal(each.GetProperty("frequency_weighted_iou").GetDouble(), scores.FrequencyWeightedIntersectionOverUnion, 1e-12);
            Assert.Equal(each.GetProperty("iou").EnumerateArray().Select(Value), scores.Classes().Select(found => found.IntersectionOverUnion));
            Assert.Equal(each.GetProperty("accuracy").EnumerateArray().Select(Value), scores.Classes().Select(found => found.Accuracy));
        }

        static double Value(JsonElement value) => value.ValueKind == JsonValueKind.Null ? double.NaN : value.GetDouble();
    }

    [Fact]
    public void Dice_is_twice_the_common_over_both()
    {
        var scores = new SegmentationScores(["a", "b", "c"]);
        scores.Add([0, 0, 1, 1, 255, 1], [0, 1, 1, 1, 0, 255]);
        Assert.Equal([2.0 / 3, 4.0 / 6, double.NaN], scores.Classes().Select(each => each.Dice));
        Assert.Equal(2.0 / 3, scores.MeanDice, 1e-12);
        Assert.Equal([0.5, 0.5, double.NaN], scores.Classes().Select(each => each.IntersectionOverUnion));
        Assert.Equal(3 / 5.0, scores.PixelAccuracy);
        Assert.Equal(1, scores.Confusion()[1, 3]);
        Assert.Throws<ArgumentException>(() => scores.Add([7], [0]));
        Assert.Throws<ArgumentException>(() => scores.Add([1], []));
    }

    [Fact]
    public void Folders_of_maps_are_compared_by_name()
    {
        void Save(string name, int width, params byte[] values)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(folder.File(name))!);
            File.WriteAllBytes(folder.File(name), ImageCodec.EncodePng(new LabelMap(width, values.Length / width, values)));
        }
        (int Code, string Output, string Error) Run(params string[] more)
        {
            var (output, error) = (new StringWriter(), new StringWriter());
            int code = CommandLine.Run(["score", "segmentation", folder.File("truth"), folder.File("found"), "--class-names", folder.File("names.txt"), .. more], output, error);
            return (code, output.ToString(), error.ToString());
        }
        folder.Write("names.txt", "sky\nsea\n");
        Save("truth/1.png", 2, 0, 0, 1, 1);
        Save("truth/2.png", 2, 255, 1);
        Save("found/1.png", 2, 0, 0, 1, 0);
        Assert.Contains($"{folder.File("found/2.png")} cannot be read", Run().Error);
        Save("found/2.png", 1, 0, 1);
        Assert.Contains("has 1 x 2 pixels", Run().Error);
        Save("found/2.png", 2, 0, 1);
        var (code, output, error) = Run("--json");
        Assert.True(code == 0, error);
        using var json = JsonDocument.Parse(output);
        Assert.Equal((2 / 3.0 + 2 / 3.0) / 2, json.RootElement.GetProperty("miou").GetDouble(), 1e-12);
        Assert.Equal(0.8, json.RootElement.GetProperty("pixel_accuracy").GetDouble(), 1e-12);
        // From 1 on, 0 is none: what was sea is the first class.
        Save("truth/2.png", 2, 0, 1);
        Assert.Contains("pixel accuracy 0.6667", Run("--zero-is-none").Output);
        folder.Write("names.txt", "sky\n");
        Assert.Contains("holds the class 1, but there are 1", Run().Error);
    }
}
