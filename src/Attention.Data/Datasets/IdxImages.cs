using System.Buffers.Binary;
using System.IO.Compression;
using Attention.Torch;

namespace Attention.Data;

/// <summary>
/// Grey images and labels in the idx format of MNIST and its like (LeCun et al. 1998), as they are or compressed with gzip:
/// <c>train-images-idx3-ubyte</c>, <c>train-labels-idx1-ubyte</c>, and <c>t10k-...</c> for the test images.
/// </summary>
public sealed class IdxImages : RawImages
{
    private const int ImagesMagic = 0x0803, LabelsMagic = 0x0801;

    private IdxImages(int width, int height, byte[] pixels, byte[] labels, IReadOnlyList<string> classes, string name)
        : base(width, height, pixels, labels, classes, name)
    {
    }

    /// <summary>Reads the files of one part.</summary>
    /// <param name="folder">Where they are.</param>
    /// <param name="train">The training images, or the test images.</param>
    /// <param name="classes">The names of the labels; the digits by default, or as many numbers as there are labels.</param>
    /// <exception cref="UserError">A file is missing, cut, or not what it says.</exception>
    public static IdxImages Open(string folder, bool train, IReadOnlyList<string>? classes = null)
    {
        string part = train ? "train" : "t10k";
        var (imageFile, imageSizes, pixels) = Read(folder, $"{part}-images", ImagesMagic, 3);
        var (labelFile, labelSizes, labels) = Read(folder, $"{part}-labels", LabelsMagic, 1);
        if (imageSizes[0] != labelSizes[0])
            throw new UserError($"{imageFile} holds {imageSizes[0]} images, {labelFile} {labelSizes[0]} labels", "get both files from the same place");
        var names = classes ?? [.. Enumerable.Range(0, Math.Max(10, labels.Max() + 1)).Select(i => $"{i}")];
        return new IdxImages(imageSizes[2], imageSizes[1], pixels, Checked(labels, names.Count, labelFile), names, Path.GetFileName(imageFile));
    }

    protected override void Fill(int index, Image image)
    {
        var grey = PixelsOf(index, image.Width * image.Height);
        var pixels = image.Pixels;
        for (int i = 0; i < grey.Length; i++)
            pixels.Slice(3 * i, 3).Fill(grey[i]);
    }

    private static (string File, int[] Sizes, byte[] Values) Read(string folder, string name, int magic, int dimensions)
    {
        string kind = $"-idx{dimensions}-ubyte";
        string file = ImageFiles.FirstOf(folder, [$"{name}{kind}", $"{name}{kind}.gz", $"{name}.idx{dimensions}-ubyte", $"{name}.idx{dimensions}-ubyte.gz"])
            ?? throw new UserError($"{Path.Combine(Path.GetFullPath(folder), name + kind)}(.gz) does not exist", "get the data with: ./attention data fetch mnist");
        try
        {
            using Stream raw = File.OpenRead(file);
            using Stream stream = file.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(raw, CompressionMode.Decompress) : raw;
            Span<byte> header = stackalloc byte[4 * (dimensions + 1)];
            stream.ReadExactly(header);
            if (BinaryPrimitives.ReadInt32BigEndian(header) != magic)
                throw Damaged($"it begins with {Convert.ToHexString(header[..4])}, not with {magic:X8}");
            int[] sizes = new int[dimensions];
            long count = 1;
            for (int i = 0; i < dimensions; i++)
            {
                sizes[i] = BinaryPrimitives.ReadInt32BigEndian(header[(4 * i + 4)..]);
                count = sizes[i] <= 0 ? 0 : count * sizes[i];
                if (count <= 0 || count > Array.MaxLength)
                    throw Damaged("its sizes are senseless");
            }
            // Nothing is allocated for what a header only claims.
            if (stream == raw && raw.Length - header.Length != count)
                throw Damaged($"it claims {count} values, but holds {raw.Length - header.Length}");
            var values = new MemoryStream();
            var buffer = new byte[1 << 16];
            for (int read; values.Length <= count && (read = stream.Read(buffer)) > 0;)
                values.Write(buffer, 0, read);
            return values.Length == count ? (file, sizes, values.ToArray()) : throw Damaged($"it claims {count} values, but holds {(values.Length > count ? "more" : values.Length)}");
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            throw Damaged(e.Message);
        }

        UserError Damaged(string why) => new($"{file} is no idx file: {why}", "get it again with: ./attention data fetch mnist");
    }
}
