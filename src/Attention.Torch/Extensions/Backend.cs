using Attention.Torch.Native;

namespace Attention.Torch;

public static partial class Backend
{
    /// <summary>Which tensor library this is: "system" or "nuget".</summary>
    public static string Flavour => "system";

    /// <summary>The version of libtorch.</summary>
    public static string Version => NativeMethods.TorchVersion;

    /// <summary>The file that libtorch was loaded from.</summary>
    public static unsafe string LibraryPath => NativeMethods.ReadText(NativeMethods.att_torch_path);

    /// <summary>The file of our native part.</summary>
    public static string? NativePath => NativeLibraryLoader.Path;

    /// <summary>libtorch's account of how it was built.</summary>
    public static unsafe string BuildConfig => NativeMethods.ReadText(NativeMethods.att_torch_config);

    /// <summary>libtorch's account of its threads.</summary>
    public static unsafe string ParallelInfo => NativeMethods.ReadText(NativeMethods.att_parallel_info);
}
