namespace Attention.Tests;

/// <summary>The folder of the repository that the tests were built in.</summary>
public static class Repository
{
    public static string Root { get; } = Find();

    public static string File(string relative) => Path.Combine(Root, relative);

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!System.IO.File.Exists(Path.Combine(folder.FullName, "Attention.sln")))
            folder = folder.Parent ?? throw new InvalidOperationException("the tests are not within the repository");
        return folder.FullName;
    }
}
