using System.Text;
using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// CIFAR-10 and CIFAR-100 in the authors' binary version (Krizhevsky 2009; cs.toronto.edu/~kriz/cifar.html): 32 x 32 pixels in
/// planes behind one label, or behind a coarse and a fine one.
/// </summary>
public sealed class Cifar : RawImages
{
    private const int Side = 32, Area = Side * Side;

    private static readonly string[] Ten = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

    private Cifar(byte[] pixels, byte[] labels, IReadOnlyList<string> classes, string name) : base(Side, Side, pixels, labels, classes, name)
    {
    }

    /// <summary>Reads CIFAR-10.</summary>
    /// <param name="root">The folder <c>cifar-10-batches-bin</c>, or the one above it.</param>
    /// <param name="train">The 50,000 training images, or the 10,000 test images.</param>
    /// <exception cref="UserError">A file is missing or of a wrong length.</exception>
    public static Cifar Open10(string root, bool train)
    {
        string folder = Within(root, "cifar-10-batches-bin", "test_batch.bin");
        string[] files = train ? [.. Enumerable.Range(1, 5).Select(i => $"data_batch_{i}.bin")] : ["test_batch.bin"];
        return Read(folder, files, labels: 1, at: 0, Names(folder, "batches.meta.txt") ?? Ten, "cifar10");
    }

    /// <summary>Reads CIFAR-100.</summary>
    /// <param name="root">The folder <c>cifar-100-binary</c>, or the one above it.</param>
    /// <param name="train">The 50,000 training images, or the 10,000 test images.</param>
    /// <param name="coarse">The 20 groups of classes rather than the 100 classes.</param>
    /// <exception cref="UserError">A file is missing or of a wrong length.</exception>
    public static Cifar Open100(string root, bool train, bool coarse = false)
    {
        string folder = Within(root, "cifar-100-binary", "test.bin");
        int count = coarse ? 20 : 100;
        var names = Names(folder, coarse ? "coarse_label_names.txt" : "fine_label_names.txt") ?? [.. Enumerable.Range(0, count).Select(i => $"{i}")];
        return Read(folder, [train ? "train.bin" : "test.bin"], labels: 2, at: coarse ? 0 : 1, names, "cifar100");
    }

    protected override void Fill(int index, Image image)
    {
        var planes = PixelsOf(index, 3 * Area);
        var pixels = image.Pixels;
        for (int i = 0, at = 0; i < Area; i++, at += 3)
            (pixels[at], pixels[at + 1], pixels[at + 2]) = (planes[i], planes[Area + i], planes[2 * Area + i]);
    }

    private static Cifar Read(string folder, string[] files, int labels, int at, IReadOnlyList<string> classes, string name)
    {
        const int mostImages = 1_000_000;
        int record = labels + 3 * Area;
        var pixels = new MemoryStream();
        var found = new List<byte>();
        foreach (string file in files)
        {
            string path = Path.Combine(folder, file);
            long length = File.Exists(path) ? new FileInfo(path).Length
                : throw new UserError($"{path} does not exist", $"get the data with: ./attention data fetch {name}");
            if (length == 0 || length % record != 0 || length / record > mostImages)
                throw new UserError($"{path} has {length} bytes, which is no number of images of {record} bytes", $"get it again with: ./attention data fetch {name}");
            byte[] bytes = File.ReadAllBytes(path);
            for (int start = 0; start < bytes.Length; start += record)
            {
                found.Add(bytes[start + at]);
                pixels.Write(bytes, start + labels, 3 * Area);
            }
        }
        return new Cifar(pixels.ToArray(), Checked([.. found], classes.Count, Path.Combine(folder, files[0])), classes, $"{name}/{files[0]}");
    }

    private static string Within(string root, string name, string file)
    {
        string full = Path.GetFullPath(root), below = Path.Combine(full, name);
        return !File.Exists(Path.Combine(full, file)) && Directory.Exists(below) ? below : full;
    }

    private static string[]? Names(string folder, string file)
    {
        string path = Path.Combine(folder, file);
        string[]? names = File.Exists(path) ? [.. File.ReadAllLines(path, Encoding.UTF8).Select(line => line.Trim()).Where(line => line.Length > 0)] : null;
        return names?.Length > 0 ? names : null;
    }
}
