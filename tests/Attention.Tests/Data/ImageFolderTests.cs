using Attention.Data;
using Attention.Torch;
using Xunit;

namespace Attention.Tests.Data;

public class ImageFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Classes_and_files_are_sorted_and_extensions_may_be_upper_case()
    {
        foreach (string file in new[] { "dog/b.JPG", "dog/a.jpeg", "cat/x.PNG", "cat/deep/er/y.webp", "cat/notes.txt", "cat/.hidden.jpg", ".git/z.jpg", "loose.jpg" })
            Put(file);
        Directory.CreateDirectory(_folder.File("emu"));

        var images = new ImageFolder(_folder.Path);
        Assert.Equal(["cat", "dog", "emu"], images.ClassNames);
        Assert.Equal(["cat/deep/er/y.webp", "cat/x.PNG", "dog/a.jpeg", "dog/b.JPG"], Names(images));
        Assert.Equal([0, 0, 1, 1], Enumerable.Range(0, 4).Select(images.LabelOf));
    }

    [Fact]
    public void Held_out_images_take_the_labels_of_the_training_images()
    {
        Put("val/dog/1.jpg");
        var held = new ImageFolder(_folder.File("val"), ["cat", "dog"]);
        Assert.Equal(1, held.LabelOf(0));
        var error = Assert.Throws<UserError>(() => new ImageFolder(_folder.File("val"), ["cat", "mouse"]));
        Assert.Contains(_folder.File("val/dog"), error.Message);
        Assert.Contains("cat, mouse", error.Advice);
    }

    [Fact]
    public void Empty_and_missing_folders_tell_the_layout()
    {
        var missing = Assert.Throws<UserError>(() => new ImageFolder(_folder.File("nowhere")));
        Assert.Contains("does not exist", missing.Message);
        Put("loose.jpg");
        Directory.CreateDirectory(_folder.File("cat"));
        var empty = Assert.Throws<UserError>(() => new ImageFolder(_folder.Path));
        Assert.Contains("no images", empty.Message);
        Assert.Contains(_folder.File("cat/1.jpg"), empty.Advice);
    }

    [Fact]
    public void A_missing_split_shows_the_ones_that_are_there_and_where_known_data_come_from()
    {
        Put("cifar10/test/cat/1.jpg");
        Put("cifar10/train/cat/1.jpg");
        var error = Assert.Throws<UserError>(() => new ImageFolder(_folder.File("cifar10/val")));
        Assert.Contains("data/README.md", error.Advice);
        Assert.EndsWith("the folders beside it are: test, train", error.Advice);
    }

    [Fact]
    public void Links_may_loop()
    {
        Put("cat/1.jpg");
        Put("elsewhere/2.jpg");
        File.CreateSymbolicLink(_folder.File("cat/self"), _folder.File("cat"));
        File.CreateSymbolicLink(_folder.File("cat/up"), "..");
        File.CreateSymbolicLink(_folder.File("cat/dangling.jpg"), _folder.File("gone.jpg"));
        File.CreateSymbolicLink(_folder.File("cat/linked"), _folder.File("elsewhere"));
        var names = Names(new ImageFolder(_folder.Path));
        Assert.Contains("cat/1.jpg", names);
        Assert.Contains("cat/linked/2.jpg", names);
        Assert.True(names.Length < 20);
    }

    [Fact]
    public void Broken_files_are_named_with_their_fault()
    {
        Put("cat/good.jpg");
        File.WriteAllBytes(_folder.File("cat/empty.jpg"), []);
        var whole = File.ReadAllBytes(_folder.File("cat/good.jpg"));
        File.WriteAllBytes(_folder.File("cat/half.jpg"), whole[..(whole.Length / 2)]);
        File.CreateSymbolicLink(_folder.File("cat/dangling.jpg"), _folder.File("gone.jpg"));
        Directory.CreateDirectory(_folder.File("cat/folder.jpg"));

        var images = new ImageFolder(_folder.Path);
        var outcome = Enumerable.Range(0, images.Count).ToDictionary(i => Path.GetFileName(images.NameOf(i)), i => Fault(images, i));
        Assert.Null(outcome["good.jpg"]);
        Assert.Equal($"{_folder.File("cat/empty.jpg")}: the file is empty", outcome["empty.jpg"]);
        Assert.Equal($"{_folder.File("cat/half.jpg")}: truncated JPEG: the file ends before its image does", outcome["half.jpg"]);
        Assert.Equal($"{_folder.File("cat/folder.jpg")}: it is a folder, not a file", outcome["folder.jpg"]);
        Assert.StartsWith(_folder.File("cat/dangling.jpg"), outcome["dangling.jpg"]);
    }

    [Fact]
    public void A_cache_decodes_once_and_stays_within_its_limit()
    {
        for (int i = 0; i < 4; i++)
            Put($"cat/{i}.jpg");
        var scratch = new ImageScratch();
        var cached = new CachedImages(new ImageFolder(_folder.Path), maxBytes: 2 * 8 * 8 * 3);
        var first = cached.Load(0, scratch, ImageNeed.All);
        cached.Load(1, scratch, ImageNeed.All);
        var third = cached.Load(2, scratch, ImageNeed.All);
        Assert.Same(first, cached.Load(0, scratch, ImageNeed.All));
        Assert.NotSame(scratch.Decoded, first);
        Assert.Same(scratch.Decoded, third);
        Assert.Equal(2 * 8 * 8 * 3, cached.Bytes);
    }

    private static string? Fault(ImageFolder images, int index)
    {
        try
        {
            images.Load(index, new ImageScratch(), ImageNeed.All);
            return null;
        }
        catch (ImageError e)
        {
            return e.Message;
        }
    }

    private string[] Names(ImageFolder images) =>
        [.. Enumerable.Range(0, images.Count).Select(i => Path.GetRelativePath(_folder.Path, images.NameOf(i)))];

    private void Put(string name)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(name))!);
        var image = new Image(8, 8);
        image.Pixels.Fill(100);
        File.WriteAllBytes(_folder.File(name), ImageCodec.EncodeJpeg(image));
    }
}
