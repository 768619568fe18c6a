using System.Text.Json;
using Attention.Cli;
using Attention.Torch;

namespace Attention.Tests.Cli;

public sealed class DataCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_check_counts_classes_names_what_is_broken_and_draws_a_sheet()
    {
        foreach (string name in new[] { "train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "val/dog/1.png" })
            Save(name, ImageCodec.EncodePng(Grey(20)));
        var (code, output, error) = Run("data", "check", _folder.Path, "--sheet", _folder.File("sheet.png"));
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("train: 3 images, 2 of 2 classes, 20 x 20 to 20 x 20 pixels, none broken", output);
        Assert.Contains("val: 1 images, 1 of 2 classes", output);
        Assert.Equal(2 * 100 + 4, ImageCodec.Decode(File.ReadAllBytes(_folder.File("sheet-train.png"))).Height);

        Save("train/cat/3.png", []);
        (code, output, _) = Run("data", "check", _folder.Path);
        Assert.Equal(2, code);
        Assert.Contains($"broken: {_folder.File("train/cat/3.png")}: the file is empty", output);
    }

    [Fact]
    public void A_check_of_a_config_reads_its_data_and_gives_json()
    {
        Save("train/cat/1.png", ImageCodec.EncodePng(Grey(8)));
        Save("held/cat/1.png", ImageCodec.EncodePng(Grey(8)));
        string config = _folder.Write("x.yaml", $"model: vit_tiny_patch16_224\ndata: {{name: image_folder, path: '{_folder.Path}', val: held}}\n");
        var (code, output, error) = Run("data", "check", config, "--json");
        Assert.Equal((0, ""), (code, error));
        using var rows = JsonDocument.Parse(output);
        Assert.Equal("""{"class":"cat","train":1,"val":1}""", JsonSerializer.Serialize(rows.RootElement[0]));
    }

    [Fact]
    public void Fetch_lists_what_there_is_and_says_what_to_place_where()
    {
        Assert.Contains("cifar100", Run("data", "fetch").Output);
        var (code, _, error) = Run("data", "fetch", "imagenet", "--to", _folder.Path);
        Assert.Equal(2, code);
        Assert.Contains($"place it by hand into {_folder.Path}: train/n01440764", error);
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = CommandLine.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }

    private static Image Grey(int size)
    {
        var image = new Image(size, size);
        image.Pixels.Fill(90);
        return image;
    }

    private void Save(string name, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(name))!);
        File.WriteAllBytes(_folder.File(name), bytes);
    }
}
