using System.Text.Json;
using Attention.Data;
using Attention.Torch;

namespace Attention.Tests.Data;

/// <summary>Augmentations against what Pillow, torchvision and timm make of the same images (Fixtures/make_fixtures.py).</summary>
public class AugmentTests
{
    private static readonly JsonDocument Recorded = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data/Fixtures/augment.json")));
    private static readonly Image[] Images = [.. Recorded.RootElement.GetProperty("images").EnumerateArray()
        .Select(image => new Image(image.GetProperty("width").GetInt32(), image.GetProperty("height").GetInt32(), image.GetProperty("pixels").GetBytesFromBase64()))];
    private static readonly AugmentSettings Settings = new(new Colour(124, 116, 104), 0);

    [Theory]
    [InlineData("pillow", 94)]
    [InlineData("trivial", 170)]
    [InlineData("timm", 90)]
    public void Operations_give_the_recorded_bytes(string by, int least)
    {
        int count = 0;
        var wrong = new List<string>();
        foreach (var one in Recorded.RootElement.GetProperty("cases").EnumerateArray().Where(one => one.GetProperty("by").GetString() == by))
        {
            var (name, value) = (one.GetProperty("op").GetString()!, one.GetProperty("value").GetDouble());
            var image = Images[one.GetProperty("image").GetInt32()];
            byte[] expected = one.GetProperty("pixels").GetBytesFromBase64();
            int difference = by switch
            {
                "pillow" => Difference(Pillow(name, image, value), expected),
                "trivial" => Difference(Trivial(name, image, (int)value, one.GetProperty("sign").GetInt32()), expected),
                // The direction and the filter are drawn: one of the draws is the recorded one.
                _ => Enumerable.Range(0, 16).Min(seed => Difference(Timm(name, image, value / 10, seed), expected)),
            };
            if (difference > 0)
                wrong.Add($"{name}({value}) differs by {difference}");
            count++;
        }
        Assert.InRange(count, least, int.MaxValue);
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {count}: {string.Join(", ", wrong)}");
    }

    [Theory]
    [InlineData("rand_augment(9, 0.5)")]
    [InlineData("rand_augment(9, 0.5, increasing=false)")]
    [InlineData("auto_augment")]
    [InlineData("auto_augment(originalr)")]
    [InlineData("auto_augment(v0, std=0.5)")]
    [InlineData("auto_augment(v0r)")]
    [InlineData("three_augment")]
    [InlineData("trivial_augment")]
    [InlineData("aug_mix")]
    [InlineData("aug_mix(5, width=4, depth=2)")]
    [InlineData("color_jitter(0.4, 0.4, 0.4, 0.1)")]
    [InlineData("grayscale")]
    [InlineData("solarize(100)")]
    [InlineData("gaussian_blur")]
    public void Augmentation_is_random_depends_on_its_keys_alone_and_leaves_its_input(string line)
    {
        var pipeline = TransformPipeline.Parse(line);
        var image = Images[0].Clone();
        var scratch = new ImageScratch();
        var seen = new HashSet<string>();
        string Run(int key, ImageScratch own)
        {
            var random = new SeededRandom(key);
            var result = pipeline.Apply(image, own, ref random);
            Assert.Equal((23, 17), (result.Width, result.Height));
            return Convert.ToBase64String(result.Pixels);
        }
        for (int key = 0; key < 60; key++)
            seen.Add(Run(key, scratch));
        Assert.InRange(seen.Count, 2, 60);
        Assert.Equal(Run(7, new ImageScratch()), Run(7, scratch));
        Assert.True(image.Pixels.SequenceEqual(Images[0].Pixels));
    }

    [Fact]
    public void Rand_augment_applies_each_layer_with_its_probability()
    {
        int Same(string line) => Enumerable.Range(0, 1000).Count(key =>
        {
            var random = new SeededRandom(key);
            return ReferenceEquals(Images[0], TransformPipeline.Parse(line).Apply(Images[0], new ImageScratch(), ref random));
        });
        Assert.InRange(Same("rand_augment(9, layers=1)"), 430, 570);
        Assert.InRange(Same("rand_augment(9, layers=2)"), 190, 310);
        Assert.Equal(0, Same("rand_augment(9, p=1)"));
    }

    [Fact]
    public void Policies_name_known_operations()
    {
        Assert.All(Policies.Names.SelectMany(Policies.Of).SelectMany(ops => ops).Select(op => op.Name).Concat(Policies.Random).Concat(Policies.RandomIncreasing)
            .Concat(Policies.Mix), name => Assert.Contains(name, AugmentOp.Names));
        Assert.Equal([25, 25, 25, 25, 3], Policies.Names.Select(name => Policies.Of(name).Length));
    }

    [Theory]
    [InlineData("pixel")]
    [InlineData("const")]
    [InlineData("rand")]
    public void Erasing_takes_a_rectangle_of_the_asked_size(string value)
    {
        var pipeline = TransformPipeline.Parse($"normalize(unit)|random_erasing(1, {value}, scale=(0.1, 0.2))");
        int erased = 0;
        for (int key = 0; key < 200; key++)
        {
            var image = new Image(40, 30);
            image.Pixels.Fill(255);
            var planes = new float[3 * 40 * 30];
            var random = new SeededRandom(key);
            pipeline.Finish(image, planes, ref random);
            var gone = Enumerable.Range(0, 1200).Where(i => planes[i] != 1).ToArray();
            if (gone.Length == 0)
                continue;
            erased++;
            int width = gone.Max(i => i % 40) - gone.Min(i => i % 40) + 1, height = gone.Max(i => i / 40) - gone.Min(i => i / 40) + 1;
            Assert.Equal(gone.Length, width * height);
            Assert.InRange(width * height / 1200.0, 0.08, 0.22);
            Assert.InRange((double)height / width, 0.25, 4);
            Assert.Equal(value == "pixel", gone.Select(i => planes[i]).Distinct().Count() > 1);
            if (value == "const")
                Assert.Equal(0, planes[gone[0]]);
        }
        Assert.InRange(erased, 190, 200);
    }

    [Theory]
    [InlineData("random_erasing|hflip", 16, "'hflip' follows 'random_erasing'", "put 'random_erasing' at the end, once")]
    [InlineData("normalize|random_erasing|normalize", 26, "'normalize' follows 'random_erasing'", "put 'random_erasing' at the end, once")]
    [InlineData("rand_augment(9, 0.5, increasing=yes)", 33, "'increasing' of 'rand_augment' is yes, but must be one of: true, false",
        "usage: rand_augment(magnitude=9, std=0.5, layers=2, p=0.5, increasing=true, max=10, fill=imagenet)")]
    [InlineData("color_jitter(0.4, hue=0.6)", 23, "'hue' of 'color_jitter' is 0.6, but must be a number from 0 to 0.5",
        "usage: color_jitter(brightness=0, contrast=0, saturation=0, hue=0, p=1)")]
    [InlineData("auto_augment(v1)", 14, "'policy' of 'auto_augment' is v1, but must be one of: original, originalr, v0, v0r, 3a",
        "usage: auto_augment(policy=original, std=0, fill=imagenet)")]
    [InlineData("solarize(300)", 10, "'threshold' of 'solarize' is 300, but must be a whole number from 0 to 256", "usage: solarize(threshold=128, p=0.5)")]
    [InlineData("trivial_augment(2)", 17, "'fill' of 'trivial_augment' is 2, but must be a number from 0 to 1, or three of them as (r, g, b)",
        "usage: trivial_augment(fill=0)")]
    public void Wrong_lines_say_what_is_wrong(string line, int column, string message, string advice)
    {
        var error = Assert.Throws<UserError>(() => TransformPipeline.Parse(line));
        Assert.Equal($"transforms '{line}', column {column}: {message}", error.Message);
        Assert.Equal(advice, error.Advice);
    }

    [Fact]
    public void The_usual_recipe_is_read()
    {
        var pipeline = TransformPipeline.Parse("random_resized_crop(224)|hflip|rand_augment(9, 0.5)|random_erasing(0.25)");
        Assert.Equal((224, 224), pipeline.OutputSize);
        Assert.Equal(3, pipeline.Steps.Count);
        Assert.NotNull(pipeline.Erasing);
        Assert.Same(Normalize.Half, pipeline.With(Normalize.Half).Normalize);
        Assert.NotNull(pipeline.With(Normalize.Half).Erasing);
    }

    private static Image Pillow(string name, Image image, double value)
    {
        var output = new Image(1, 1);
        switch (name)
        {
            case "invert": Colours.Invert(image, output); break;
            case "auto_contrast": Colours.AutoContrast(image, output); break;
            case "equalize": Colours.Equalize(image, output); break;
            case "grayscale": Colours.Grayscale(image, output); break;
            case "solarize": Colours.Solarize(image, output, (int)value); break;
            case "posterize": Colours.Posterize(image, output, (int)value); break;
            case "brightness": Colours.Brightness(image, output, value); break;
            case "contrast": Colours.Contrast(image, output, value); break;
            case "saturation": Colours.Saturation(image, output, value); break;
            case "sharpness": Colours.Sharpness(image, output, value); break;
            case "hue": Colours.Hue(image, output, value); break;
            case "blur": Blur.Gaussian(image, output, value); break;
            default: throw new ArgumentException(name);
        }
        return output;
    }

    private static Image Trivial(string name, Image image, int strength, int sign)
    {
        var output = new Image(image.Width, image.Height);
        TrivialAugment.Run(name, image, output, strength, sign, Colour.Black);
        return output;
    }

    private static Image Timm(string name, Image image, double level, int seed)
    {
        var random = new SeededRandom(seed);
        var output = new Image(image.Width, image.Height);
        AugmentOp.Run(name, image, output, level, Settings, ref random);
        return output;
    }

    private static int Difference(Image actual, byte[] expected) =>
        expected.Length != actual.Pixels.Length ? int.MaxValue : expected.Zip(actual.Pixels.ToArray(), (a, b) => Math.Abs(a - b)).Max();
}
