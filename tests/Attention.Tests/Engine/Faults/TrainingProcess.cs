using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Attention.Tests.Engine.Faults;

/// <summary>A run of the attention command as a process of its own, which can be killed.</summary>
internal sealed class TrainingProcess : IDisposable
{
    private const int Sigterm = 15;
    private readonly Process process;
    private readonly StringBuilder output = new();
    private readonly TaskCompletionSource training = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="limitKilobytes">The largest file that the process may write; null for no limit.</param>
    /// <param name="arguments">Of the command.</param>
    public TrainingProcess(int? limitKilobytes, params string[] arguments)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "attention.dll");
        var command = string.Join(' ', arguments.Prepend(program).Prepend("exec dotnet").Select((word, i) => i == 0 ? word : $"'{word}'"));
        // In blocks of 512 bytes. A write beyond the limit shall fail as on a full disk, not end the process.
        var start = new ProcessStartInfo("/bin/sh", ["-c", limitKilobytes is { } limit ? $"trap '' XFSZ; ulimit -f {limit * 2}; {command}" : command])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["OMP_NUM_THREADS"] = "1";
        // The runtime keeps its code in a large file in memory, which the limit would forbid.
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>What the process has written.</summary>
    public string Output
    {
        get
        {
            lock (output)
                return output.ToString();
        }
    }

    /// <summary>Ends when the first step is about to be taken, or the process.</summary>
    public Task Training => Task.WhenAny(training.Task, process.WaitForExitAsync());

    public bool HasExited => process.HasExited;

    /// <summary>Waits for the end, and gives the exit code.</summary>
    public int Wait()
    {
        if (!process.WaitForExit(TimeSpan.FromMinutes(3)))
        {
            process.Kill();
            Assert.Fail($"still running after three minutes:\n{Output}");
        }
        process.WaitForExit();
        return process.ExitCode;
    }

    /// <summary>SIGKILL: nothing of the process runs after it.</summary>
    public void Kill()
    {
        process.Kill();
        process.WaitForExit();
    }

    /// <summary>SIGTERM: the process may save and stop.</summary>
    public void Terminate() => Assert.Equal(0, kill(process.Id, Sigterm));

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null)
            return;
        lock (output)
            output.AppendLine(line);
        if (line.StartsWith("run folder", StringComparison.Ordinal) || line.StartsWith("going on with", StringComparison.Ordinal))
            training.TrySetResult();
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int kill(int process, int signal);
}
