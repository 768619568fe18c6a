using System.Globalization;
using System.Text.Json;
using Attention.Cli;
using Attention.Data;
using Attention.Engine.Checkpoints;
using Attention.Engine.Evaluation;
using Attention.Tests.Engine.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Evaluation;

/// <summary>eval, predict, features, knn and attend on a small model and small pictures.</summary>
public sealed class EvaluationCommandTests : IDisposable
{
    private readonly Pictures pictures = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        pictures.Dispose();
    }

    private (int Code, string Output, string Error) Run(string command, params string[] arguments)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = CommandLine.Run([command, .. pictures.Model, .. arguments, "--workers", "0"], output, error);
        return (code, output.ToString(), error.ToString());
    }

    private ImageClassifier Open() => ImageClassifier.Open(new ClassifierOptions
    {
        Model = pictures.Model[0],
        Checkpoint = pictures.Weights,
        Fields = [.. pictures.Model.Where(word => word.Contains('='))],
        Workers = 0,
    });

    [Fact]
    public void Eval_measures_and_writes()
    {
        var (code, output, error) = Run("eval", pictures.Images, "--json", "--out", pictures.Place("out"));
        Assert.True(code == 0, error);
        using var json = JsonDocument.Parse(output);
        Assert.Equal(8, json.RootElement.GetProperty("images").GetInt32());
        double top1 = json.RootElement.GetProperty("top1").GetDouble();
        // The same by hand.
        using var classifier = Open();
        var folder = new ImageFolder(pictures.Images);
        int right = classifier.Predict(folder).Select((guess, i) => guess.Classes[0] == folder.LabelOf(i) ? 1 : 0).Sum();
        Assert.Equal(right / 8.0, top1);
        Assert.True(File.Exists(pictures.Place("out/confusion.csv")));
        Assert.Contains("loaded ", error);
        Assert.Contains("8 images, resize(35, bicubic)|center_crop(32)", Run("eval", pictures.Images, "--crop-pct", "0.9").Output);
    }

    /// <summary>ImageNet's validation images lie in one folder, with a list of labels and ReaL labels beside it.</summary>
    [Fact]
    public void Eval_reads_a_flat_validation_folder_and_its_real_labels()
    {
        var files = Directory.GetFiles(pictures.Images, "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToArray();
        Directory.CreateDirectory(pictures.Place("imagenet/val"));
        for (int i = 0; i < files.Length; i++)
            File.Copy(files[i], pictures.Place($"imagenet/val/ILSVRC2012_val_{i + 1:D8}.JPEG"));
        File.WriteAllText(pictures.Place("imagenet/LOC_synset_mapping.txt"), "n01 dark\nn02 light\n");
        File.WriteAllLines(pictures.Place("imagenet/LOC_val_solution.csv"), files.Select((_, i) => $"ILSVRC2012_val_{i + 1:D8},{(i < 4 ? "n01" : "n02")} 1 2 3 4").Prepend("ImageId,PredictionString"));

        JsonElement Metrics(params string[] arguments)
        {
            var (code, output, error) = Run("eval", [.. arguments, "--json"]);
            Assert.True(code == 0, error);
            return JsonDocument.Parse(output).RootElement;
        }
        double expected = Metrics(pictures.Images).GetProperty("top1").GetDouble();
        Assert.Equal(expected, Metrics(pictures.Place("imagenet/val")).GetProperty("top1").GetDouble());
        Assert.False(Metrics(pictures.Place("imagenet")).TryGetProperty("real", out _));
        // Every guess is right, but for the images that are left out.
        File.WriteAllText(pictures.Place("imagenet/real.json"), "[[0, 1], [0, 1], [0, 1], [], [1, 0], [1, 0], [], []]");
        Assert.Equal(1, Metrics(pictures.Place("imagenet")).GetProperty("real").GetDouble());
        File.WriteAllText(pictures.Place("other.json"), "[[], [], [], [], [], [], [], []]");
        Assert.False(Metrics(pictures.Place("imagenet/val"), "--real", pictures.Place("other.json")).TryGetProperty("real", out _));
    }

    [Fact]
    public void Eval_reads_the_held_out_part_of_a_data_set_and_lists()
    {
        Directory.CreateDirectory(pictures.Place("set"));
        Directory.Move(pictures.Images, pictures.Place("set/val"));
        Assert.Contains("8 images", Run("eval", pictures.Place("set")).Output);
        File.WriteAllText(pictures.Place("list.csv"), "path,label\nset/val/dark/0.png,dark\nset/val/light/1.png,light\n");
        Assert.Contains("2 images", Run("eval", pictures.Place("list.csv")).Output);
        var (code, _, error) = Run("eval", pictures.Place("nowhere"));
        Assert.Equal(2, code);
        Assert.Contains("nowhere does not exist", error);
    }

    [Fact]
    public void A_folder_for_timm_says_what_differs_from_its_own_model()
    {
        Assert.Equal(0, Run("export", pictures.Place("timm")).Code);
        var config = JsonDocument.Parse(File.ReadAllText(pictures.Place("timm/config.json"))).RootElement;
        Assert.Equal("vit_tiny_patch16_224", config.GetProperty("architecture").GetString());
        Assert.Equal(2, config.GetProperty("num_classes").GetInt32());
        Assert.Equal("""{"patch_size":8,"embed_dim":24,"depth":2,"num_heads":2}""", JsonSerializer.Serialize(config.GetProperty("model_args")));
        Assert.Equal("[3,32,32]", JsonSerializer.Serialize(config.GetProperty("pretrained_cfg").GetProperty("input_size")));
        using var weights = SafeTensors.Open(pictures.Place("timm/model.safetensors"));
        Assert.Equal([24, 3, 8, 8], weights.Entry("patch_embed.proj.weight").Shape);

        var (code, _, error) = Run("export", pictures.Place("other"), "--set", "attention=self");
        Assert.Equal(2, code);
        Assert.Contains("which timm cannot build", error);
    }

    [SkippableFact]
    public void PyTorch_reads_what_is_exported()
    {
        Assert.Equal(0, Run("export", pictures.Place("out/model.pth")).Code);
        Assert.Equal(0, Run("export", pictures.Place("out/model.safetensors")).Code);
        CheckpointFiles.RunPython("-c", """
            import json, struct, sys, numpy, torch
            ours, given = torch.load(sys.argv[1]), torch.load(sys.argv[3])
            assert list(ours) == list(given) and all(torch.equal(ours[name], given[name]) for name in given)
            data = open(sys.argv[2], "rb").read()
            size = struct.unpack("<Q", data[:8])[0]
            header = json.loads(data[8:8 + size])
            for name, tensor in given.items():
                begin, end = header[name]["data_offsets"]
                values = numpy.frombuffer(data[8 + size + begin:8 + size + end], numpy.float32).reshape(header[name]["shape"])
                assert (values == tensor.numpy()).all(), name
            """, pictures.Place("out/model.pth"), pictures.Place("out/model.safetensors"), pictures.Weights);
    }

    [Fact]
    public void A_flip_averages_with_the_mirror_image()
    {
        using var classifier = Open();
        using var loader = classifier.Loader(new ImageFolder(pictures.Images));
        using var batch = loader.Epoch(0).First();
        using var _ = no_grad();
        var expected = (classifier.Model.call(batch.images) + classifier.Model.call(batch.images.flip(3))) / 2;
        Assert.True(expected.allclose(classifier.Logits(batch, flip: true), 1e-5, 1e-5));
    }

    [Fact]
    public void Images_of_other_classes_are_an_error()
    {
        Directory.Move(Path.Combine(pictures.Images, "dark"), Path.Combine(pictures.Images, "light", "dark"));
        var (code, _, error) = Run("eval", pictures.Images);
        Assert.Equal(2, code);
        Assert.Contains("the images have 1 classes, the model has 2", error);
        // With the model's own names it is known which class that is.
        File.WriteAllLines(pictures.Place("names.txt"), ["dark", "light"]);
        Assert.Equal(0, Run("eval", pictures.Images, "--class-names", pictures.Place("names.txt")).Code);
    }

    [Fact]
    public void Predict_names_files_folders_and_patterns()
    {
        File.WriteAllLines(pictures.Place("names.txt"), ["dark", "light"]);
        var (code, output, error) = Run("predict", pictures.Images, "--json", "--top", "1", "--class-names", pictures.Place("names.txt"));
        Assert.True(code == 0, error);
        using var json = JsonDocument.Parse(output);
        Assert.Equal(8, json.RootElement.GetArrayLength());
        Assert.Contains(json.RootElement[0].GetProperty("name").GetString(), (string[])["dark", "light"]);
        Assert.InRange(json.RootElement[0].GetProperty("probability").GetDouble(), 0.5, 1);

        var csv = Run("predict", Path.Combine(pictures.Images, "**", "1.png"), Path.Combine(pictures.Images, "dark", "2.png"), "--csv").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("file,rank,class,name,probability", csv[0].TrimEnd());
        Assert.Equal(1 + 3 * 2, csv.Length);
    }

    [Fact]
    public void Broken_images_are_named_and_left_out()
    {
        File.WriteAllText(Path.Combine(pictures.Images, "dark", "0.png"), "no picture");
        var (code, output, error) = Run("predict", pictures.Images, "--csv", "--top", "1");
        Assert.Equal(0, code);
        Assert.Equal(1 + 7, output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("0.png", error);
    }

    [Theory]
    [InlineData("there is no image file or folder", "none.jpg")]
    [InlineData("no images at", "*.jpg")]
    public void Missing_images_are_errors(string expected, string source)
    {
        var (code, _, error) = Run("predict", pictures.Place(source));
        Assert.Equal(2, code);
        Assert.Contains(expected, error);
    }

    [Fact]
    public void Features_are_written_in_three_formats()
    {
        Assert.Equal(0, Run("features", pictures.Images, "--classes", "--out", pictures.Place("f.safetensors")).Code);
        using var file = SafeTensors.Open(pictures.Place("f.safetensors"));
        Assert.Equal([8, 24], file.Entry("features").Shape);
        Assert.Equal([0, 0, 0, 0, 1, 1, 1, 1], file.Read("labels").data<long>().ToArray());
        Assert.Contains("light", file.Metadata["classes"]);

        Assert.Equal(0, Run("features", pictures.Images, "--out", pictures.Place("f.csv")).Code);
        var rows = File.ReadAllLines(pictures.Place("f.csv"));
        Assert.Equal(9, rows.Length);
        Assert.StartsWith("file,label,feature_0,feature_1", rows[0]);
        Assert.Equal(file.Read("features")[3, 5].item<float>(), float.Parse(rows[4].Split(',')[7], CultureInfo.InvariantCulture));

        var (code, _, error) = Run("features", pictures.Images, "--kind", "patch", "--out", pictures.Place("f.csv"));
        Assert.Equal(2, code);
        Assert.Contains("do not fit a table", error);
    }

    [SkippableFact]
    public void NumPy_reads_features()
    {
        Assert.Equal(0, Run("features", pictures.Images, "--kind", "patch", "--out", pictures.Place("f.npy")).Code);
        CheckpointFiles.RunPython("-c", """
            import sys, numpy
            values = numpy.load(sys.argv[1])
            assert values.shape == (8, 24, 4, 4) and values.dtype == numpy.float32 and numpy.isfinite(values).all()
            assert len(open(sys.argv[1] + ".names.txt").read().splitlines()) == 8
            """, pictures.Place("f.npy"));
    }

    [Fact]
    public void Neighbours_judge_features()
    {
        var (code, output, error) = Run("knn", pictures.Images, pictures.Images, "--neighbours", "1", "--json");
        Assert.True(code == 0, error);
        using var json = JsonDocument.Parse(output);
        // Each image is its own nearest.
        Assert.Equal(1, json.RootElement[0].GetProperty("top1").GetDouble());
    }

    [Fact]
    public void Votes_are_weighted_by_nearness()
    {
        ImageFeatures Of(float[,] values, params long[] labels) => new(tensor(values), [.. labels.Select(label => $"{label}")], labels, []);
        using var train = Of(new float[,] { { 1, 0 }, { 0.6f, 0.8f }, { 0.5f, 0.8f } }, 0, 1, 1);
        using var held = Of(new float[,] { { 2, 0.1f } }, 0);
        Assert.Equal(1, NearestNeighbours.Score(train, held, 3).Top1);
        Assert.Equal(1, NearestNeighbours.Score(train, held, 100).Top5);
    }

    [Fact]
    public void Attention_is_drawn_per_head_and_through_all_layers()
    {
        var (code, output, error) = Run("attend", Path.Combine(pictures.Images, "dark", "1.png"), "--out", pictures.Place("maps"), "--class", "1");
        Assert.True(code == 0, error);
        Assert.Contains("2 layers", output);
        string[] expected = ["gradient.png", "image.png", "index.html", "layer-00-head-00.png", "layer-00-head-01.png", "layer-01-head-00.png", "layer-01-head-01.png", "rollout.png"];
        Assert.Equal(expected, Directory.GetFiles(pictures.Place("maps")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        var page = File.ReadAllText(pictures.Place("maps/index.html"));
        Assert.Equal(7, page.Split("data:image/png;base64,").Length - 1);
        Assert.DoesNotContain("http", page);
    }

    [Fact]
    public void Attention_maps_are_the_weights_of_the_class_token()
    {
        using var classifier = Open();
        using var loader = classifier.Loader(new UnlabelledImages(Path.Combine(pictures.Images, "dark", "1.png")));
        using var batch = loader.Epoch(0).First();
        var maps = AttentionMaps.Of(classifier, batch);
        Assert.Equal(2, maps.Heads.Count);
        Assert.All(maps.Heads, map => Assert.Equal([2, 4, 4], map.shape));
        // A row of weights sums to one, less what the class token gives itself.
        Assert.All(maps.Heads, map => Assert.InRange(map[0].sum().item<float>(), 0, 1.0001));
        Assert.InRange(maps.Rollout.sum().item<float>(), 0, 1.0001);
        Assert.True(maps.Gradient.min().item<float>() >= 0);
        Assert.Equal(classifier.Predict(new UnlabelledImages(Path.Combine(pictures.Images, "dark", "1.png"))).First().Classes[0], maps.Class);
        Assert.Contains("there is no class 2", Assert.Throws<UserError>(() => AttentionMaps.Of(classifier, batch, 2)).Message);
    }

    [Theory]
    [InlineData("no weights were given for 'vit_tiny_patch16_224'", "vit_tiny_patch16_224")]
    [InlineData("the crop percentage is 0", "--crop-pct", "0")]
    [InlineData("there is no interpolation 'nearest'", "--interpolation", "nearest")]
    public void Wrong_options_are_errors_of_the_user(string expected, params string[] arguments)
    {
        var error = new StringWriter();
        string[] model = arguments.Length == 1 ? arguments : [.. pictures.Model, .. arguments];
        Assert.Equal(2, CommandLine.Run(["predict", .. model, pictures.Images], new StringWriter(), error));
        Assert.Contains(expected, error.ToString());
    }
}
