using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Attention.Torch.Native;

/// <summary>Finds and loads libattention_torch, after setting what libtorch reads from the environment when it loads.</summary>
internal static partial class NativeLibraryLoader
{
    private static readonly Lock gate = new();
    private static bool registered;
    private static nint library;

    /// <summary>Where the library was found, or null before it is loaded.</summary>
    public static string? Path { get; private set; }

    public static void Register()
    {
        lock (gate)
        {
            if (registered)
                return;
            registered = true;
            NativeLibrary.SetDllImportResolver(typeof(NativeLibraryLoader).Assembly, Resolve);
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search)
    {
        if (name != NativeMethods.Library)
            return 0;
        lock (gate)
            return library != 0 ? library : library = Load();
    }

    private static nint Load()
    {
        PrepareEnvironment();
        var found = Candidates().FirstOrDefault(File.Exists)
            ?? throw new UserError("libattention_torch.so, the native part, was not found",
                "run scripts/setup.sh, or set ATTENTION_NATIVE to the file");
        try
        {
            var handle = NativeLibrary.Load(found);
            Path = found;
            return handle;
        }
        catch (DllNotFoundException e)
        {
            throw new UserError($"libtorch cannot be loaded: {Reason(e.Message)}",
                "run ./attention doctor, or scripts/setup.sh to install what is missing", e);
        }
    }

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("ATTENTION_NATIVE") is { Length: > 0 } chosen)
            yield return chosen;
        const string file = "libattention_torch.so";
        yield return System.IO.Path.Combine(AppContext.BaseDirectory, file);
        // Where the packages of a program keep their native parts.
        foreach (var folder in (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "").Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
            yield return System.IO.Path.Combine(folder, file);
        // A program that runs from a build folder of this repository.
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            yield return System.IO.Path.Combine(folder.FullName, "artifacts", "native", file);
    }

    // The loader lists every place it tried; the first line that names a cause says what is wrong.
    private static readonly string[] causes =
        ["cannot open shared object file", "undefined symbol", "version `", "file too short", "invalid ELF header", "wrong ELF class"];

    private static string Reason(string message) =>
        message.Split('\n').Select(line => line.Trim())
            .FirstOrDefault(line => causes.Any(line.Contains))
        ?? message.Split('\n')[0];

    // .NET's SetEnvironmentVariable does not reach native code on Linux; libc's setenv does.
    private static void PrepareEnvironment()
    {
        if (!OperatingSystem.IsLinux())
            return;
        // Idle OpenMP threads sleep: spinning ones starve the threads that decode images.
        SetDefault("OMP_WAIT_POLICY", "passive");
        if (Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported && Avx512F.VL.IsSupported)
            SetDefault("ATEN_CPU_CAPABILITY", "avx512");
        // The cores that this process may use, not those of the machine.
        SetDefault("OMP_NUM_THREADS", Environment.ProcessorCount.ToString());
    }

    private static void SetDefault(string name, string value) => setenv(name, value, 0);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
