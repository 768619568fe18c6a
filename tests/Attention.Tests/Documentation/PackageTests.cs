using System.Diagnostics;
using Xunit;

namespace Attention.Tests.Documentation;

/// <summary>The libraries as packages.</summary>
public class PackageTests
{
    /// <summary>Packs what was built, builds and runs the examples of docs/ from the packages alone, installs the tool.</summary>
    [SkippableFact]
    public void A_program_outside_of_the_repository_trains_from_the_packages()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "needs a POSIX shell");
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", [Repository.File("scripts/check-packages.sh"), "--no-build"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{output}\n{errors.Result}");
        Assert.EndsWith("the packages work", output.TrimEnd());
    }
}
