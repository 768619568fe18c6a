using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Attention.Engine.Checkpoints;
using Attention.Engine.Runs;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation;

/// <summary>Features as files that other programs read, by the file's ending.</summary>
public static class FeatureFiles
{
    /// <summary>
    /// <c>.safetensors</c> holds <c>features</c>, <c>labels</c> and the images' names; <c>.npy</c> the features, with the names
    /// beside it in <c>.names.txt</c>; <c>.csv</c> a row for each image.
    /// </summary>
    /// <exception cref="UserError">Another ending, or feature maps as CSV.</exception>
    public static void Write(string path, ImageFeatures features)
    {
        switch (Path.GetExtension(path))
        {
            case ".safetensors":
                WriteSafeTensors(path, features);
                break;
            case ".npy":
                AtomicFile.Write(path, stream => WriteNpy(stream, features.Values));
                AtomicFile.WriteText(path + ".names.txt", string.Join('\n', features.Names) + "\n");
                break;
            case ".csv" when features.Values.dim() == 2:
                WriteCsv(path, features);
                break;
            case ".csv":
                throw new UserError("feature maps do not fit a table", "write them to a .safetensors or .npy file");
            default:
                throw new UserError($"features cannot be written to '{path}'", "choose a name that ends in .safetensors, .npy or .csv");
        }
    }

    private static void WriteSafeTensors(string path, ImageFeatures features)
    {
        using var labels = tensor(features.Labels);
        var tensors = new Dictionary<string, Tensor> { ["features"] = features.Values, ["labels"] = labels };
        var texts = new Dictionary<string, string>
        {
            ["names"] = JsonSerializer.Serialize([.. features.Names], TextJson.Default.StringArray),
            ["classes"] = JsonSerializer.Serialize([.. features.ClassNames], TextJson.Default.StringArray),
        };
        AtomicFile.Write(path, stream => SafeTensors.Write(stream, tensors, texts));
    }

    /// <summary>NumPy's format, version 1.0, of float32 in row-major order.</summary>
    public static void WriteNpy(Stream stream, Tensor values)
    {
        var shape = string.Join(", ", values.shape) + (values.dim() == 1 ? "," : "");
        var header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}";
        // Magic, version and length take 10 bytes; data begins at a multiple of 64.
        int length = (header.Length + 1 + 10 + 63) / 64 * 64 - 10;
        stream.Write([0x93, .. "NUMPY"u8, 1, 0, (byte)length, (byte)(length >> 8)]);
        stream.Write(Encoding.ASCII.GetBytes(header.PadRight(length - 1) + "\n"));
        SafeTensors.WriteData(stream, values);
    }

    private static void WriteCsv(string path, ImageFeatures features)
    {
        var values = features.Values.contiguous().data<float>().ToArray();
        int width = (int)features.Values.shape[1];
        AtomicFile.Write(path, stream =>
        {
            using var writer = new StreamWriter(stream, leaveOpen: true);
            CsvFile.Write(writer, features.Names
                .Select((name, row) => new ArraySegment<float>(values, row * width, width).Cast<object?>().Prepend(features.Labels[row]).Prepend(name))
                .Prepend(Enumerable.Range(0, width).Select(column => (object?)string.Create(CultureInfo.InvariantCulture, $"feature_{column}")).Prepend("label").Prepend("file")));
        });
    }
}

[JsonSerializable(typeof(string[]))]
internal sealed partial class TextJson : JsonSerializerContext;
