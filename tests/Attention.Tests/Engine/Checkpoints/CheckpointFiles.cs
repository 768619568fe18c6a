using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using Attention.Engine.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Checkpoints;

/// <summary>Checkpoints for tests: those of Files/, written by PyTorch 1.13 (see make_files.py), and ones made up.</summary>
internal static class CheckpointFiles
{
    // Debian's, which has python3-torch.
    private const string Python = "/usr/bin/python3";

    private static readonly Lazy<bool> hasTorch = new(() => File.Exists(Python) && Exited("-c", "import torch, numpy") == 0);

    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "Engine", "Checkpoints", "Files");

    public static string Of(string name) => Path.Combine(Folder, name);

    /// <summary>arange(n) - 5 of a shape, as make_files.py makes them.</summary>
    public static Tensor Values(ScalarType type, params long[] shape) =>
        (arange(shape.Aggregate(1L, (product, size) => product * size)) - 5).to(type).reshape(shape);

    /// <summary>Runs a program of Python with PyTorch; skips the test where there is none.</summary>
    public static void RunPython(params string[] arguments)
    {
        Skip.IfNot(hasTorch.Value, $"needs {Python} with PyTorch (apt-get install python3-torch)");
        Assert.Equal(0, Exited(arguments));
    }

    private static int Exited(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Python, arguments) { RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? 0 : throw new InvalidOperationException(errors);
    }

    /// <summary>The text with characters up to 255 as bytes.</summary>
    public static byte[] Bytes(string latin1) => Encoding.Latin1.GetBytes(latin1);

    /// <summary>A zip file as torch.save writes it, with this pickle and one storage '0' of 16 bytes.</summary>
    public static string WriteZip(string path, byte[] pickle, CompressionLevel level = CompressionLevel.NoCompression)
    {
        using var zip = new ZipArchive(File.Create(path), ZipArchiveMode.Create);
        void Write(string name, byte[] content)
        {
            using var entry = zip.CreateEntry(name, level).Open();
            entry.Write(content);
        }
        Write("archive/data.pkl", pickle);
        Write("archive/data/0", new byte[16]);
        return path;
    }

    /// <summary>Opens a checkpoint and reads all of it.</summary>
    public static void ReadAll(string path)
    {
        using var scope = NewDisposeScope();
        using var file = CheckpointReader.Open(path);
        foreach (var entry in file.Entries)
            file.Read(entry.Name);
    }
}
