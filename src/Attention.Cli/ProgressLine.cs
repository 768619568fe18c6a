using System.Diagnostics;

namespace Attention.Cli;

/// <summary>How far long work is, on the error stream: one line that changes where a person watches, else a line now and then.</summary>
internal sealed class ProgressLine(Terminal terminal) : IDisposable
{
    private static readonly TimeSpan live = TimeSpan.FromMilliseconds(200), logged = TimeSpan.FromSeconds(10);
    private readonly bool isLive = ReferenceEquals(terminal.Error, Console.Error) && !Console.IsErrorRedirected;
    private long last = Stopwatch.GetTimestamp();
    private int shown;

    /// <summary>Shows a line, unless the last one is recent.</summary>
    public void Show(Func<string> line)
    {
        if (Stopwatch.GetElapsedTime(last) < (isLive ? live : logged))
            return;
        last = Stopwatch.GetTimestamp();
        var text = line();
        if (isLive)
            terminal.Error.Write($"\r{text.PadRight(shown)}");
        else
            terminal.Error.WriteLine(text);
        shown = text.Length;
    }

    /// <summary>Removes a line that changes.</summary>
    public void Dispose()
    {
        if (isLive && shown > 0)
            terminal.Error.Write($"\r{new string(' ', shown)}\r");
    }
}
