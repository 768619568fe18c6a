using Xunit;

namespace Attention.Tests;

/// <summary>Material for tests that does not belong to the repository: a folder beside it, or $ATTENTION_SHARED.</summary>
public static class SharedFiles
{
    /// <summary>The folder, or null where there is none.</summary>
    public static string? Root { get; } = Find();

    /// <summary>The full path of a file or folder in it; skips the calling test where it is absent.</summary>
    public static string Require(string relative)
    {
        var path = Root is null ? null : Path.Combine(Root, relative);
        Skip.If(path is null || !Path.Exists(path), $"needs {relative} in {Root ?? "a folder named shared beside the repository (or $ATTENTION_SHARED)"}");
        return path!;
    }

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("ATTENTION_SHARED") is { Length: > 0 } chosen)
            return Directory.Exists(chosen) ? chosen : null;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "Attention.sln")))
                continue;
            var beside = Path.GetFullPath(Path.Combine(folder.FullName, "..", "shared"));
            return Directory.Exists(beside) ? beside : null;
        }
        return null;
    }
}
