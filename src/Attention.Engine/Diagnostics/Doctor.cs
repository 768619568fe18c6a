using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Diagnostics;

/// <summary>One thing that the doctor looked at.</summary>
/// <param name="Subject">What it is: libtorch, blas, threads.</param>
/// <param name="Value">What was found.</param>
/// <param name="Problem">What is wrong with it, or null.</param>
/// <param name="Remedy">The command that mends it, or null.</param>
public sealed record Finding(string Subject, string Value, string? Problem = null, string? Remedy = null);

/// <summary>Looks at what training depends on: the tensor library, BLAS, processor, threads, devices, and how fast they are.</summary>
public static class Doctor
{
    /// <summary>All findings. A tensor library that cannot be loaded is a finding too.</summary>
    public static IEnumerable<Finding> Examine()
    {
        yield return new Finding("attention", $"{typeof(Doctor).Assembly.GetName().Version?.ToString(3)}, {Backend.Flavour} flavour");
        yield return new Finding(".net", RuntimeInformation.FrameworkDescription.Replace(".NET ", ""));
        yield return new Finding("system", $"{RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}");
        if (Library() is { Problem: not null } broken)
        {
            yield return broken;
            yield break;
        }
        yield return Library();
        yield return Blas();
        yield return OpenMp();
        yield return Processor();
        yield return ThreadCount();
        yield return Cuda();
        yield return Rate(ScalarType.Float32, "matrix product fp32");
        yield return Rate(ScalarType.BFloat16, "matrix product bf16");
        yield return Memory();
    }

    private static Finding Library()
    {
        try
        {
            return new Finding("libtorch", $"{Backend.Version}, {Backend.LibraryPath}");
        }
        catch (Exception e)
        {
            var cause = e is TypeInitializationException { InnerException: { } inner } ? inner : e;
            return new Finding("libtorch", "not loaded", cause.Message, "scripts/setup.sh --again");
        }
    }

    private static Finding Blas()
    {
        var blas = Backend.Blas ?? "unknown";
        return blas switch
        {
            _ when blas.StartsWith("reference", StringComparison.Ordinal) =>
                new Finding("blas", blas, "matrix products are about thirty times slower than they could be", "apt-get install libopenblas0-openmp"),
            "OpenBLAS (pthread)" => new Finding("blas", blas, "its threads compete with libtorch's", "apt-get install libopenblas0-openmp && scripts/setup.sh --again"),
            _ => new Finding("blas", blas),
        };
    }

    private static Finding OpenMp()
    {
        var libraries = Backend.OpenMpLibraries;
        var value = libraries.Count == 0 ? "none" : string.Join(", ", libraries.Select(Path.GetFileName));
        return libraries.Count > 1
            ? new Finding("openmp", value, "two OpenMP runtimes in one process compete for the cores", "use a libtorch and a BLAS that share one OpenMP")
            : new Finding("openmp", value);
    }

    private static Finding Processor()
    {
        var sets = new List<string>();
        if (Avx2.IsSupported) sets.Add("AVX2");
        if (Fma.IsSupported) sets.Add("FMA");
        if (Avx512F.IsSupported) sets.Add("AVX-512");
        var flags = OperatingSystem.IsLinux() ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal))?.Split(' ') ?? [] : [];
        if (flags.Contains("avx512_bf16")) sets.Add("AVX512-BF16");
        if (flags.Contains("amx_bf16")) sets.Add("AMX-BF16");
        var model = OperatingSystem.IsLinux()
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "processor"
            : "processor";
        var used = Backend.CpuCapability;
        var value = $"{model}: {string.Join(", ", sets)}{(used is null ? "" : $"; libtorch uses {used}")}";
        return Avx512F.IsSupported && used is "AVX2" or "DEFAULT"
            ? new Finding("processor", value, "libtorch does not use the processor's widest vectors", "unset ATEN_CPU_CAPABILITY")
            : new Finding("processor", value);
    }

    private static Finding ThreadCount()
    {
        int cores = Environment.ProcessorCount;
        int threads = get_num_threads();
        return threads > cores
            ? new Finding("threads", $"{threads} on {cores} cores", "more threads than cores slow each other down", $"export OMP_NUM_THREADS={cores}")
            : new Finding("threads", $"{threads} of {cores} cores");
    }

    private static Finding Cuda()
    {
        if (cuda.is_available())
            return new Finding("cuda", $"{cuda.device_count()} device{(cuda.device_count() == 1 ? "" : "s")}, cuDNN {(cuda.is_cudnn_available() ? "found" : "missing")}");
        bool driver = File.Exists("/proc/driver/nvidia/version");
        return driver
            ? new Finding("cuda", "none", "there is an NVIDIA driver, but this libtorch is built for the CPU alone", "point LIBTORCH to a libtorch with CUDA and run scripts/setup.sh --again")
            : new Finding("cuda", "none");
    }

    /// <summary>Billions of multiply-adds, counted double, per second in products of square matrices: the median of several.</summary>
    public static double MatrixProductRate(ScalarType type, int size = 1024, Device? device = null)
    {
        using var scope = NewDisposeScope();
        using var _ = inference_mode();
        var a = rand([size, size], device: device).to(type);
        var b = rand([size, size], device: device).to(type);
        var times = new List<double>();
        for (int i = 0; i < 12; i++)
        {
            long start = System.Diagnostics.Stopwatch.GetTimestamp();
            using (var product = matmul(a, b))
            {
            }
            times.Add(System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        times.RemoveRange(0, 3);
        times.Sort();
        return 2.0 * size * size * size / times[times.Count / 2] / 1e9;
    }

    private static Finding Rate(ScalarType type, string subject)
    {
        double rate = MatrixProductRate(type);
        var value = $"{rate:F0} GFLOP/s on {get_num_threads()} threads";
        return type == ScalarType.Float32 && rate < 10
            ? new Finding(subject, value, "this is slow for any processor of today", "apt-get install libopenblas0-openmp")
            : new Finding(subject, value);
    }

    private static Finding Memory()
    {
        long total = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return new Finding("memory", $"{total / (double)(1 << 30):F1} GiB for this process, {MemoryInfo.Resident >> 20} MiB used");
    }
}
