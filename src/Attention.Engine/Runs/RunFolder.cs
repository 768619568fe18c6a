using System.Globalization;

namespace Attention.Engine.Runs;

/// <summary>
/// The folder of one run, <c>runs/NAME/20250131-174500</c>: its resolved configuration, log, summary, report and checkpoints.
/// </summary>
public sealed class RunFolder
{
    private RunFolder(string path) => Location = path;

    public string Location { get; }

    /// <summary>The resolved configuration, which can be trained again.</summary>
    public string ConfigFile => Path.Combine(Location, "config.yaml");

    /// <summary>Metrics over the run, one JSON object a line (see <see cref="JsonLog"/>).</summary>
    public string LogFile => Path.Combine(Location, "log.jsonl");

    /// <summary>The outcome (see <see cref="RunSummary"/>).</summary>
    public string SummaryFile => Path.Combine(Location, "summary.json");

    /// <summary>Confusions and worst mistakes of the best measurement (see <see cref="EvaluationDetails"/>).</summary>
    public string DetailsFile => Path.Combine(Location, "evaluation.json");

    /// <summary>Curves and outcome as a page (see <see cref="Report.HtmlReport"/>).</summary>
    public string ReportFile => Path.Combine(Location, "report.html");

    /// <summary>The tokenizer of a language model, as a folder that any program for Hugging Face's files reads.</summary>
    public string Tokenizer => Path.Combine(Location, "tokenizer");

    /// <summary>What a detector's labels stand for (see <see cref="RunCategories"/>).</summary>
    public string CategoriesFile => Path.Combine(Location, "categories.json");

    public string Checkpoints => Path.Combine(Location, "checkpoints");

    /// <summary>
    /// Makes a new folder below <c>output/name</c> and writes the configuration into it. An earlier run's folder is never
    /// taken, even where two runs start in the same second.
    /// </summary>
    /// <param name="output">The folder of all runs.</param>
    /// <param name="name">The run's name.</param>
    /// <param name="config">The resolved configuration as YAML.</param>
    /// <param name="now">The time that names the folder; now, unless given.</param>
    /// <exception cref="UserError">The folder cannot be written.</exception>
    public static RunFolder Create(string output, string name, string config, DateTime? now = null)
    {
        var parent = Path.Combine(output, name);
        var stamp = (now ?? DateTime.Now).ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture);
        var fresh = Path.Combine(parent, $".new-{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(fresh);
            AtomicFile.WriteText(Path.Combine(fresh, "config.yaml"), config);
            for (var number = 1; ; number++)
            {
                var path = Path.Combine(parent, number == 1 ? stamp : $"{stamp}-{number}");
                if (!Path.Exists(path) && TryMove(fresh, path)) return new(path);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            if (Directory.Exists(fresh)) Directory.Delete(fresh, recursive: true);
            throw new UserError($"run folder '{parent}' cannot be written: {error.Message}", "choose another place with --set output=FOLDER", error);
        }
    }

    /// <exception cref="UserError">There is no run in that folder.</exception>
    public static RunFolder Open(string path)
    {
        var folder = new RunFolder(path);
        if (!File.Exists(folder.ConfigFile))
            throw new UserError($"'{path}' is not the folder of a run: it has no config.yaml", "give a folder such as runs/quickstart/20250131-174500");
        return folder;
    }

    /// <summary>Renames a folder unless another run has just taken the name.</summary>
    private static bool TryMove(string from, string to)
    {
        try
        {
            Directory.Move(from, to);
            return true;
        }
        catch (IOException) when (Path.Exists(to))
        {
            return false;
        }
    }

    public override string ToString() => Location;
}
