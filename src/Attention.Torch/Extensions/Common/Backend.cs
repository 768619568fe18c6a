using System.Text.RegularExpressions;

namespace Attention.Torch;

/// <summary>What stands behind the tensor library on this machine.</summary>
public static partial class Backend
{
    /// <summary>The name of the linear algebra library that matrix products use, such as "OpenBLAS (openmp)"; null where that cannot be told.</summary>
    public static string? Blas
    {
        get
        {
            var libraries = LoadedLibraries;
            // Debian's alternatives keep the name libblas.so.3 and tell in the folder whose it is.
            var file = libraries.FirstOrDefault(f => Path.GetFileName(f).StartsWith("libblas.so", StringComparison.Ordinal))
                ?? libraries.FirstOrDefault(f => BlasFile().IsMatch(Path.GetFileName(f)));
            if (BuildConfig.Contains("BLAS_INFO=mkl", StringComparison.Ordinal) && file is null)
                return "MKL";
            return file is null ? null : NameBlas(file);
        }
    }

    /// <summary>The instruction set that libtorch's own kernels use: "DEFAULT", "AVX2", "AVX512"; null where that cannot be told.</summary>
    public static string? CpuCapability => CapabilityLine().Match(BuildConfig) is { Success: true } match ? match.Groups[1].Value : null;

    /// <summary>OpenMP runtimes in the process. More than one means pools of threads that compete.</summary>
    public static IReadOnlyList<string> OpenMpLibraries => LoadedLibraries.Where(f => OpenMpFile().IsMatch(Path.GetFileName(f))).ToArray();

    /// <summary>The shared libraries that the process has loaded (Linux).</summary>
    private static string[] LoadedLibraries =>
        !OperatingSystem.IsLinux() ? [] : File.ReadLines("/proc/self/maps")
            .Select(line => line.IndexOf('/') is var path and >= 0 ? line[path..] : "")
            .Where(path => path.Contains(".so", StringComparison.Ordinal)).Distinct().ToArray();

    private static string NameBlas(string file)
    {
        var name = file.ToLowerInvariant();
        string[] threads = ["openmp", "pthread", "serial"];
        var kind = threads.FirstOrDefault(name.Contains);
        var library = name switch
        {
            _ when name.Contains("openblas") => "OpenBLAS",
            _ when name.Contains("mkl") => "MKL",
            _ when name.Contains("blis") => "BLIS",
            _ when name.Contains("atlas") => "ATLAS",
            _ => "reference BLAS",
        };
        return kind is null ? library : $"{library} ({kind})";
    }

    [GeneratedRegex(@"^lib(openblas|mkl_rt|mkl_core|blis|atlas)")]
    private static partial Regex BlasFile();

    [GeneratedRegex(@"^lib(gomp|iomp5|omp)\b")]
    private static partial Regex OpenMpFile();

    [GeneratedRegex(@"CPU capability usage: (\S+)")]
    private static partial Regex CapabilityLine();
}
