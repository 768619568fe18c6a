using System.Security.Cryptography;
using System.Text;

namespace Attention.Data.Samples;

/// <summary>
/// A folder of generated data that is there either whole or not at all. The data is written beside it and renamed at the end;
/// a marker file tells what made it, so that a second call returns at once.
/// </summary>
internal static class SampleFolder
{
    private const string Marker = "sample-data.json";
    private const string Lock = ".lock";

    /// <summary>
    /// Makes sure that a folder holds what the recipe describes. A folder that holds anything else is left alone: the data then
    /// goes to the folder of that name with the recipe's hash behind it.
    /// </summary>
    /// <param name="folder">The wanted place.</param>
    /// <param name="recipe">One text that tells the generator, its version and all options.</param>
    /// <param name="write">Writes everything into the folder that it is given.</param>
    /// <returns>The folder that holds the data.</returns>
    /// <exception cref="UserError">The folder cannot be written.</exception>
    public static string Ensure(string folder, string recipe, Action<string> write)
    {
        string wanted = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(recipe)))[..8];
        string target = IsFree(wanted) || Holds(wanted, recipe) ? wanted : $"{wanted}-{hash}";
        if (Holds(target, recipe))
            return target;
        if (!IsFree(target))
            throw new UserError($"{target} is in the way: it is not empty and not this sample data", "rename or remove it, or choose another folder");

        string partial = $"{target}.partial";
        try
        {
            Directory.CreateDirectory(partial);
            using (Acquire(partial))
            {
                if (Holds(target, recipe)) // another process was faster
                {
                    Directory.Delete(partial, recursive: true);
                    return target;
                }
                Clear(partial);
                write(partial);
                File.WriteAllText(Path.Combine(partial, Marker), recipe);
                File.Delete(Path.Combine(partial, Lock));
                if (Directory.Exists(target))
                    Directory.Delete(target); // it is empty
                Directory.Move(partial, target);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"the sample data cannot be written to {target}: {e.Message}", "free space there, or choose another folder", e);
        }
        return target;
    }

    private static bool Holds(string folder, string recipe)
    {
        string marker = Path.Combine(folder, Marker);
        return File.Exists(marker) && File.ReadAllText(marker) == recipe;
    }

    private static bool IsFree(string folder) =>
        !File.Exists(folder) && (!Directory.Exists(folder) || !Directory.EnumerateFileSystemEntries(folder).Any());

    /// <summary>Removes what an interrupted run left.</summary>
    private static void Clear(string partial)
    {
        foreach (string entry in Directory.EnumerateFileSystemEntries(partial))
            if (Directory.Exists(entry))
                Directory.Delete(entry, recursive: true);
            else if (Path.GetFileName(entry) != Lock)
                File.Delete(entry);
    }

    /// <summary>Waits until no other process writes here. The lock ends with its process, however that ends.</summary>
    private static FileStream Acquire(string partial)
    {
        while (true)
        {
            try
            {
                return new FileStream(Path.Combine(partial, Lock), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (DirectoryNotFoundException)
            {
                Directory.CreateDirectory(partial);
            }
            catch (IOException) when (File.Exists(Path.Combine(partial, Lock)))
            {
                Thread.Sleep(50);
            }
        }
    }
}
