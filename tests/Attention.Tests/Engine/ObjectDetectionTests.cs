using System.Diagnostics;
using Attention.Cli;
using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Evaluation;
using Attention.Engine.Evaluation.Dense;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Training;
using Attention.Models.Dense;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine;

/// <summary>A test that needs the program ffmpeg.</summary>
public sealed class FfmpegFactAttribute : FactAttribute
{
    public FfmpegFactAttribute()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        if (!folders.Any(folder => File.Exists(Path.Combine(folder, "ffmpeg"))))
            Skip = "ffmpeg is not installed";
    }
}

public sealed class ObjectDetectionTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    // Boxes of a few pixels in few scenes: nothing is learnt, but everything happens.
    private Config<ExperimentConfig> Scenes(string more = "") => ConfigLoader.Parse<ExperimentConfig>($$"""
        name: scenes
        output: {{folder.Path}}/runs
        task: object_detection
        data: {name: scenes, path: {{folder.Path}}/scenes, train_images: 6, val_images: 3, width: 96, height: 64}
        model:
          name: mask_rcnn
          backbone: {name: resnet18, layers: [1, 1, 1, 1]}
          num_classes: 11
          min_size: 64
          max_size: 96
          out_channels: 16
          representation_size: 16
          mask_layers: [16]
          mask_dim_reduced: 16
          anchor_sizes: [8, 16, 32, 48, 64]
          box_score_thresh: 0
        train: {epochs: 1, batch_size: 2}
        device: cpu
        {{more}}
        """);

    private static ExperimentResult Train(Config<ExperimentConfig> config)
    {
        using var reporter = new TextReporter(TextWriter.Null);
        return Experiment.Train(config, reporter, CancellationToken.None);
    }

    private static (int Code, string Out, string Error) Run(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        return (CommandLine.Run(args, output, error), output.ToString(), error.ToString());
    }

    [Fact]
    public void A_detector_is_trained_measured_and_asked()
    {
        var run = Train(Scenes()).Run;
        var summary = RunSummary.Read(run.SummaryFile)!;
        Assert.Equal("box_ap", summary.metric);
        Assert.Contains("mask_ap", summary.best.Keys);
        Assert.Contains(JsonLog.Read(run.LogFile), row => row.Metrics.ContainsKey("train/loss_mask"));
        Assert.Equal("person", RunCategories.Read(run.CategoriesFile)![10].Name);

        var (code, output, error) = Run("eval", run.Location, "--json", "--out", folder.File("scores"));
        Assert.True(code == 0, error);
        Assert.Contains("\"kind\": \"segm\"", output);
        Assert.Equal(output.Trim(), File.ReadAllText(folder.File("scores/metrics.json")).Trim());

        var image = Directory.GetFiles(folder.File("scenes/val"))[0];
        (code, output, error) = Run("predict", run.Location, image, "--threshold", "0", "--json", "--out", folder.File("found"));
        Assert.True(code == 0, error);
        Assert.Contains("\"score\"", output);
        Assert.True(File.Exists(folder.File($"found/{Path.GetFileNameWithoutExtension(image)}.jpg")));
        var truth = CocoAnnotations.Load(folder.File("scenes/annotations/instances_val.json"));
        Assert.NotEmpty(CocoResults.Load(folder.File("found/results.json"), truth, CocoKind.Masks).Detections);
        Assert.Contains(Path.GetFileName(image), File.ReadAllText(folder.File("found/images.json")));
        var bytes = File.ReadAllBytes(image);
        (code, _, error) = Run("predict", run.Location, image, "--out", Path.GetDirectoryName(image)!);
        Assert.Equal(2, code);
        Assert.Contains("would go into the folder of", error);
        Assert.Equal(bytes, File.ReadAllBytes(image));
        Assert.Equal(3, EvaluationDetails.Read(run.DetailsFile)!.pictures.Count);
        Assert.Contains("What was found", File.ReadAllText(run.ReportFile));
    }

    [FfmpegFact]
    public void A_detector_looks_at_a_video()
    {
        var run = Train(Scenes()).Run;
        using (var ffmpeg = Process.Start("ffmpeg", ["-v", "error", "-framerate", "5", "-i", folder.File("scenes/val/%012d.jpg"), folder.File("clip.mp4")]))
            ffmpeg.WaitForExit();
        var (code, output, error) = Run("predict", run.Location, folder.File("clip.mp4"), "--threshold", "0", "--json", "--out", folder.File("seen"));
        Assert.True(code == 0, error);
        Assert.Contains("clip.mp4, frame 3", output);
        Assert.True(new FileInfo(folder.File("seen/clip.mp4")).Length > 0);
        Assert.Equal(3, Directory.GetFiles(folder.File("seen/clip"), "*.jpg").Length);
    }

    [FfmpegFact]
    public void What_is_no_video_is_named()
    {
        Assert.True(VideoFrames.IsVideo("a/b.MP4"));
        var error = Assert.Throws<UserError>(() => new VideoFrames(folder.Write("broken.mp4", "no video")));
        Assert.Contains("video", error.Message);
    }

    [Theory]
    [InlineData("model.num_classes=3", "the data has 11 classes, the model 3")]
    [InlineData("model.name=resnet18", "unknown key 'backbone'")]
    [InlineData("train.batch_size=7", "6 training images do not fill one batch of 7")]
    [InlineData("data.transforms.train=bend(3)", "bend")]
    public void What_does_not_fit_is_named(string change, string message)
    {
        var file = folder.Write("scenes.yaml", Scenes().ToYaml());
        var error = Assert.ThrowsAny<UserError>(() => Train(ExperimentConfig.Load(file, change)));
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void A_classifier_finds_no_objects()
    {
        var config = ConfigLoader.Parse<ExperimentConfig>("task: object_detection\nmodel: resnet18\ndata: {name: coco, path: x}").Value;
        Assert.Equal("model 'resnet18' finds no objects", Assert.Throws<UserError>(() => Experiment.Check(config)).Message);
    }

    [Fact]
    public void What_is_found_exactly_scores_one()
    {
        var truth = Annotations();
        var scorer = new DetectionScorer(truth, DetectionKinds.Boxes | DetectionKinds.Masks);
        scorer.Add(ImageObjects.Of(0, Exact()));
        var metrics = DetectionScorer.Metrics(scorer.Scores());
        Assert.Equal(1, metrics["box_ap"], 1e-9);
        Assert.Equal(1, metrics["mask_ap"], 1e-9);
        Assert.Equal(1, metrics["box_ap75"], 1e-9);
        Assert.DoesNotContain("keypoint_ap", metrics.Keys);
    }

    [Fact]
    public void Labels_may_be_the_numbers_of_categories()
    {
        var truth = Annotations(); // of category 7
        var places = new DetectionScorer(truth, DetectionKinds.Boxes);
        var numbers = new DetectionScorer(truth, DetectionKinds.Boxes, firstCategory: 1);
        var found = Exact() with { labels = tensor(new[] { 6L }) };
        places.Add(ImageObjects.Of(0, found));
        numbers.Add(ImageObjects.Of(0, found));
        Assert.Empty(places.Found);
        Assert.Equal(0, Assert.Single(numbers.Found).Label);
    }

    private static Detections Exact()
    {
        var mask = zeros(1, 20, 30);
        mask[0, 5..15, 4..24] = 0.9f;
        return new Detections(tensor(new float[] { 4, 5, 24, 15 }, [1, 4]), tensor(new[] { 0.7f }), tensor(new[] { 0L })) { masks = mask };
    }

    private CocoAnnotations Annotations() => CocoAnnotations.Load(folder.Write("truth.json", """
        {
          "images": [{"id": 1, "file_name": "1.jpg", "width": 30, "height": 20}],
          "categories": [{"id": 7, "name": "thing"}],
          "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [4, 5, 20, 10], "area": 200, "iscrowd": 0,
                           "segmentation": [[4, 5, 24, 5, 24, 15, 4, 15]]}]
        }
        """));
}
