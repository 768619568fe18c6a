using System.Text;
using System.Text.Json;

namespace Attention.Engine.Runs;

/// <summary>
/// <c>log.jsonl</c>: one flat JSON object a line, such as
/// <c>{"epoch":2.5,"step":500,"seconds":61.2,"train/loss":0.83,"lr":0.001}</c>. Each line is on its way to the disk when
/// <see cref="Write"/> returns; a value that is not a finite number is null.
/// </summary>
public sealed class JsonLog : IMetricSink
{
    private readonly FileStream file;

    private JsonLog(FileStream file) => this.file = file;

    /// <summary>Opens a log to write on.</summary>
    /// <param name="path">The file, made where it is missing.</param>
    /// <param name="upToStep">Rows after this step are dropped: those of a run that was killed after its last checkpoint.</param>
    public static JsonLog Open(string path, long upToStep = long.MaxValue)
    {
        if (File.Exists(path))
        {
            var kept = Lines(path).Where(line => line.row.Step <= upToStep).Select(line => line.text + "\n");
            AtomicFile.WriteText(path, string.Concat(kept));
        }
        return new(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite));
    }

    /// <summary>The rows of a log. A last line that was cut off by a crash is left out.</summary>
    public static IEnumerable<MetricRow> Read(string path) => Lines(path).Select(line => line.row);

    public void Write(MetricRow row)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("epoch", row.Epoch);
            json.WriteNumber("step", row.Step);
            json.WriteNumber("seconds", Math.Round(row.Seconds, 3));
            foreach (var (name, value) in row.Metrics)
            {
                if (double.IsFinite(value)) json.WriteNumber(name, value);
                else json.WriteNull(name);
            }
            json.WriteEndObject();
        }
        buffer.WriteByte((byte)'\n');
        // One write for the whole line, so that a reader never sees half of one.
        file.Write(buffer.GetBuffer(), 0, (int)buffer.Length);
        file.Flush();
    }

    public void Dispose() => file.Dispose();

    private static IEnumerable<(string text, MetricRow row)> Lines(string path)
    {
        foreach (var text in File.ReadLines(path, Encoding.UTF8))
            if (Parse(text) is { } row) yield return (text, row);
    }

    private static MetricRow? Parse(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            var metrics = new Dictionary<string, double>();
            foreach (var value in json.RootElement.EnumerateObject())
                metrics[value.Name] = value.Value.ValueKind == JsonValueKind.Number ? value.Value.GetDouble() : double.NaN;
            var whole = metrics.Remove("epoch", out var epoch) & metrics.Remove("step", out var step) & metrics.Remove("seconds", out var seconds);
            return whole ? new(epoch, (long)step, seconds, metrics) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
