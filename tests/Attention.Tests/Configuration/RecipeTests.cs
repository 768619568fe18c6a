using System.Text.RegularExpressions;
using Attention.Data;
using Attention.Engine;
using Attention.Engine.Configuration;
using Attention.Engine.Training;
using Attention.Models;
using Attention.Models.Dense;
using Attention.Models.Language;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Configuration;

/// <summary>Every recipe of the repository.</summary>
public class RecipeTests
{
    private static readonly string configs = Repository.File("configs");

    // Fine-tuning recipes take their checkpoint from the environment.
    static RecipeTests() => Environment.SetEnvironmentVariable("CHECKPOINT", "model.safetensors");

    public static TheoryData<string> Recipes => new(Directory.EnumerateFiles(configs, "*.yaml", SearchOption.AllDirectories)
        .Where(file => !Path.GetFileName(file).StartsWith("base", StringComparison.Ordinal)).Select(file => Path.GetRelativePath(configs, file)).Order());

    [Theory]
    [MemberData(nameof(Recipes))]
    public void A_recipe_is_whole(string name)
    {
        var file = Path.Combine(configs, name);
        var config = ExperimentConfig.Load(file).Value;
        Assert.True(File.ReadAllLines(file).Length <= 90);
        Builds(config.model);
        if (config.task == TaskKind.LanguageModeling)
        {
            var decoder = (LanguageModelConfig)ModelBuilder.Config(config.model);
            Assert.True(((TokenDataConfig)config.data).context <= decoder.Context);
            return;
        }
        if (config.task is TaskKind.ObjectDetection or TaskKind.SemanticSegmentation)
        {
            Experiment.Check(config);
            return;
        }
        var model = (ImageModelConfig)ModelBuilder.Config(config.model);
        var data = (ImageDataConfig)config.data;
        Assert.Equal(model.img_size, data.image_size);
        Assert.True(name.StartsWith("imagenet", StringComparison.Ordinal) ? model.num_classes == 1000 : model.num_classes > 0);
        if (data.transforms.train is { } line)
        {
            TransformPipeline.Parse(line);
            Assert.DoesNotContain(RandomCropOf(line), size => size != data.image_size);
        }
    }

    [Theory]
    [MemberData(nameof(Recipes))]
    public void A_recipe_for_ImageNet_says_what_to_expect(string name)
    {
        if (!name.StartsWith("imagenet", StringComparison.Ordinal))
            return;
        var lines = File.ReadAllLines(Path.Combine(configs, name));
        Assert.StartsWith("# Expected: ", lines[0]);
        Assert.Contains("% top-1", lines[0]);
        Assert.Contains(lines, line => line.StartsWith("# Cost: ", StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Recipes))]
    public void A_recipe_for_COCO_says_what_to_expect(string name)
    {
        if (!name.StartsWith("coco", StringComparison.Ordinal))
            return;
        var lines = File.ReadAllLines(Path.Combine(configs, name));
        var expected = ModelBuilder.Config(ExperimentConfig.Load(Path.Combine(configs, name)).Value.model) switch
        {
            RcnnConfig { masks: true } => @"[\d.]+ box AP, [\d.]+ mask AP",
            GroupPoseConfig => @"[\d.]+ keypoint AP",
            _ => @"[\d.]+ box AP",
        };
        Assert.Matches($@"^# Expected: {expected}\.$", lines[0]);
        Assert.Contains("arXiv:", lines[1]);
    }

    [Theory]
    [MemberData(nameof(Recipes))]
    public void A_recipe_for_ADE20K_says_what_to_expect_and_where_that_is_reported(string name)
    {
        if (!name.StartsWith("ade20k", StringComparison.Ordinal))
            return;
        var lines = File.ReadAllLines(Path.Combine(configs, name));
        Assert.Matches(@"^# Expected: \d\d\.\d mIoU", lines[0]);
        Assert.Matches(@"\(arXiv:\d{4}\.\d{4,5}\)", lines[1]);
        var config = ExperimentConfig.Load(Path.Combine(configs, name)).Value;
        Assert.Equal(150, ((SegmentationModelConfig)ModelBuilder.Config(config.model)).num_classes);
        // 80,000 or 160,000 steps of 16 of the 20,210 images, or half as many of 32.
        double crops = config.train.epochs * 20210.0 * config.train.accumulate;
        Assert.InRange(Math.Min(Math.Abs(crops - 160_000 * 16), Math.Abs(crops - 80_000 * 16)) / crops, 0, 0.02);
    }

    private static IEnumerable<int> RandomCropOf(string line) =>
        Regex.Matches(line, @"random_resized_crop\((\d+)").Select(match => int.Parse(match.Groups[1].Value));

    private static void Builds(NamedPart model)
    {
        var before = get_default_device();
        set_default_device(META);
        try
        {
            ModelBuilder.Build(model).Dispose();
        }
        finally
        {
            set_default_device(before);
        }
    }
}
