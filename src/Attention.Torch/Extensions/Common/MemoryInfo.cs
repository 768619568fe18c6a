using System.Diagnostics;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>Memory figures of this process, in bytes.</summary>
public static class MemoryInfo
{
    /// <summary>Physical memory that the process holds now.</summary>
    public static long Resident => Status("VmRSS:") ?? Current(p => p.WorkingSet64);

    /// <summary>The most that it held since the start, or since <see cref="ResetPeak"/>.</summary>
    public static long PeakResident => Status("VmHWM:") ?? Current(p => p.PeakWorkingSet64);

    /// <summary>Tensors alive in the process.</summary>
    public static long LiveTensors => Tensor.TotalCount;

    /// <summary>Starts <see cref="PeakResident"/> anew from the present value; false where the system does not allow that.</summary>
    public static bool ResetPeak()
    {
        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static long Current(Func<Process, long> read)
    {
        using var process = Process.GetCurrentProcess();
        return read(process);
    }

    // Linux: a line such as "VmHWM:   123456 kB".
    private static long? Status(string key)
    {
        if (!OperatingSystem.IsLinux())
            return null;
        var line = File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal));
        return line is null ? null : long.Parse(line.AsSpan(key.Length).TrimEnd("kB").Trim()) * 1024;
    }
}
