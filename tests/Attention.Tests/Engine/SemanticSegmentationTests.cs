using Attention.Cli;
using Attention.Engine;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Evaluation.Dense;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Training;
using Attention.Models.Dense;
using Attention.Torch;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine;

public sealed class SemanticSegmentationTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private Config<ExperimentConfig> Scenes(string more = "") => ConfigLoader.Parse<ExperimentConfig>($$"""
        name: scenes
        output: {{folder.Path}}/runs
        task: semantic_segmentation
        data: {name: scenes, path: {{folder.Path}}/scenes, train_images: 8, val_images: 3, width: 96, height: 64, image_size: 64}
        model:
          name: upernet
          backbone: {name: resnet18, layers: [1, 1, 1, 1], channels: [8, 8, 16, 16]}
          num_classes: 12
          channels: 8
          aux_channels: 8
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
    public void A_segmenter_is_trained_measured_and_asked()
    {
        var run = Train(Scenes("loss: {name: pixels, dice: 0.5, class_weights: [0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]}\nsliding_window: {size: 48, stride: 32}")).Run;
        var summary = RunSummary.Read(run.SummaryFile)!;
        Assert.Equal("miou", summary.metric);
        Assert.Superset(new HashSet<string> { "miou", "pixel_accuracy", "dice" }, summary.best.Keys.ToHashSet());
        Assert.Contains(JsonLog.Read(run.LogFile), row => row.Metrics.ContainsKey("train/aux"));
        Assert.Equal(["ground", "person"], RunCategories.Read(run.CategoriesFile)!.Select(each => each.Name).Where(name => name is "ground" or "person"));
        Assert.Equal(3, EvaluationDetails.Read(run.DetailsFile)!.pictures.Count);

        // Measured again, the run's best weights have its best score.
        var (code, output, error) = Run("eval", run.Location, "--json", "--out", folder.File("scores"));
        Assert.True(code == 0, error);
        Assert.Equal(output.Trim(), File.ReadAllText(folder.File("scores/metrics.json")).Trim());
        Assert.Equal(summary.best["miou"], System.Text.Json.JsonDocument.Parse(output).RootElement.GetProperty("miou").GetDouble(), 6);

        var image = Directory.GetFiles(folder.File("scenes/val"), "*.jpg").Order().First();
        (code, output, error) = Run("predict", run.Location, image, "--flip", "--json", "--out", folder.File("found"));
        Assert.True(code == 0, error);
        Assert.Contains("\"share\"", output);
        var map = ImageCodec.DecodeLabels(File.ReadAllBytes(folder.File($"found/{Path.GetFileNameWithoutExtension(image)}.png")));
        Assert.Equal((96, 64), (map.Width, map.Height));
        Assert.All(map.Values, value => Assert.InRange(value, 0, 11));
        Assert.True(File.Exists(folder.File($"found/{Path.GetFileNameWithoutExtension(image)}.jpg")));
    }

    [Fact]
    public void Mask2Former_is_trained_and_measured()
    {
        var run = Train(ConfigLoader.Parse<ExperimentConfig>($$"""
            name: masks
            output: {{folder.Path}}/runs
            task: semantic_segmentation
            data: {name: scenes, path: {{folder.Path}}/scenes, train_images: 8, val_images: 3, width: 96, height: 64, image_size: 64}
            model:
              name: mask2former
              backbone: {name: resnet18, layers: [1, 1, 1, 1], channels: [8, 8, 16, 16]}
              num_classes: 12
              decoder: {hidden_dim: 32, mask_dim: 8, nheads: 2, num_queries: 6, enc_layers: 1, enc_dim_feedforward: 16, dec_layers: 2, dim_feedforward: 16, num_points: 32}
            train: {epochs: 1, batch_size: 2}
            device: cpu
            """)).Run;
        Assert.Contains("miou", RunSummary.Read(run.SummaryFile)!.best.Keys);
        Assert.Contains(JsonLog.Read(run.LogFile), row => row.Metrics.ContainsKey("train/loss_mask_0"));
    }

    [Theory]
    [InlineData("model.num_classes=3", "the data has 12 classes, the model 3")]
    [InlineData("model.name=resnet18", "unknown key 'backbone'")]
    [InlineData("train.batch_size=9", "8 training images do not fill one batch of 9")]
    [InlineData("data.transforms.train=bend(3)", "bend")]
    [InlineData("loss.class_weights=[1, 2]", "class_weights")]
    [InlineData("loss.name=focal", "'loss.name' is for task image_classification")]
    [InlineData("sliding_window={size: 10, stride: 20}", "'sliding_window.stride' is 20")]
    [InlineData("model.out_indices=[9]", "out_indices is [9]")]
    public void What_does_not_fit_is_named(string change, string message)
    {
        var file = folder.Write("scenes.yaml", Scenes().ToYaml());
        var error = Assert.ThrowsAny<UserError>(() => Train(ExperimentConfig.Load(file, change)));
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Weights_of_a_backbone_go_into_the_backbone()
    {
        var part = Scenes().Value.model;
        using var classifier = (Attention.Models.ImageModel)ModelBuilder.Build(new NamedPart("resnet18", ("layers", new object?[] { 1, 1, 1, 1 }), ("channels", new object?[] { 8, 8, 16, 16 })));
        using (var file = File.Create(folder.File("resnet.safetensors")))
            SafeTensors.Write(file, classifier.state_dict());

        var (model, _) = ModelBuilder.Build(part, new InitConfig { checkpoint = folder.File("resnet.safetensors"), into = "backbone" });
        using (model)
            Assert.True(model.state_dict()["backbone.layer1.0.conv1.weight"].equal(classifier.state_dict()["layer1.0.conv1.weight"]).all().item<bool>());
        var error = Assert.Throws<UserError>(() => ModelBuilder.Build(part, new InitConfig { checkpoint = folder.File("resnet.safetensors"), into = "body" }));
        Assert.Equal("'init.into' is 'body', but the model has no such part", error.Message);
    }

    // --- how a model looks at images ----------------------------------------------------------------

    /// <summary>Classifies each pixel by itself alone.</summary>
    private sealed class Pointwise : SegmentationModel
    {
        private readonly Conv2d conv = nn.Conv2d(3, 4, kernel_size: 1);
        private readonly int? side;

        public Pointwise(int? side = null) : base(nameof(Pointwise))
        {
            this.side = side;
            RegisterComponents();
        }

        public override int num_classes => 4;

        public override Tensor forward(Tensor input)
        {
            Assert.True(side is null || (input.shape[2] == side && input.shape[3] == side));
            return conv.call(input);
        }

        public override IReadOnlyDictionary<string, Tensor> Losses(Tensor images, Tensor labels) => throw new NotSupportedException();
    }

    [Theory]
    [InlineData(40, 50)]
    [InlineData(16, 33)]
    [InlineData(7, 20)] // lower than a window
    public void Windows_see_every_pixel(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var model = new Pointwise(side: 16);
        var images = randn(2, 3, height, width);
        var windows = new SegmentationInference(model, new SlidingWindowConfig { size = 16, stride = 11 }).Logits(images);
        using var free = new Pointwise();
        free.load_state_dict(model.state_dict());
        Assert.True(windows.allclose(free.call(images), rtol: 1e-5, atol: 1e-5));
    }

    [Fact]
    public void Windows_begin_every_stride_and_end_at_the_border()
    {
        var window = new SlidingWindowConfig { size = 512, stride = 341 };
        Assert.Equal([0, 341, 512], SegmentationInference.Starts(1024, window));
        Assert.Equal([0], SegmentationInference.Starts(512, window));
        Assert.Equal([0, 341], SegmentationInference.Starts(853, window));
    }

    [Fact]
    public void Mirror_images_count_as_much()
    {
        using var scope = NewDisposeScope();
        using var model = new Pointwise();
        var images = randn(1, 3, 8, 9);
        // What sees pixels alone says the same of mirror images.
        var expected = model.call(images).log_softmax(1);
        Assert.True(new SegmentationInference(model, flip: true).Logits(images).allclose(expected, rtol: 1e-5, atol: 1e-5));
    }
}
