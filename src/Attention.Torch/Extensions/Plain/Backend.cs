using TorchSharp;

namespace Attention.Torch;

public static partial class Backend
{
    /// <summary>Which tensor library this is: "system" or "nuget".</summary>
    public static string Flavour => "nuget";

    /// <summary>The version of libtorch.</summary>
    public static string Version => torch.__version__;

    /// <summary>The file that libtorch was loaded from, or "" where that cannot be told.</summary>
    public static string LibraryPath => LoadedLibraries.FirstOrDefault(f => Path.GetFileName(f).StartsWith("libtorch_cpu.", StringComparison.Ordinal)) ?? "";

    /// <summary>The file of the package's native part.</summary>
    public static string? NativePath => LoadedLibraries.FirstOrDefault(f => Path.GetFileName(f).StartsWith("libLibTorchSharp.", StringComparison.Ordinal));

    /// <summary>Nothing: the package does not pass libtorch's account on.</summary>
    public static string BuildConfig => "";

    /// <inheritdoc cref="BuildConfig"/>
    public static string ParallelInfo => "";
}
