using System.Globalization;

namespace Attention.Engine.Reporting;

/// <summary>How metrics are called and written for people: shares as percent, large numbers with few digits.</summary>
public static class MetricFormat
{
    private const string PerSecond = "_per_second";

    private static readonly HashSet<string> shares = ["top1", "top5", "accuracy", "miou", "pixel_accuracy", "mean_accuracy", "dice", "data_wait", "utilisation"];

    private static readonly Dictionary<string, string> titles = new()
    {
        ["loss"] = "Loss",
        ["top1"] = "Top-1 accuracy",
        ["top5"] = "Top-5 accuracy",
        ["accuracy"] = "Accuracy",
        ["miou"] = "Mean IoU",
        ["dice"] = "Mean Dice",
        ["bits_per_byte"] = "Bits per byte",
        ["lr"] = "Learning rate",
        ["tokens_per_second"] = "Tokens per second",
        ["images_per_second"] = "Images per second",
        ["data_wait"] = "Time waiting for data",
        ["utilisation"] = "Share of peak FLOP/s",
    };

    /// <summary><c>loss</c> of <c>train/loss</c>.</summary>
    public static string Quantity(string metric) => metric[(metric.LastIndexOf('/') + 1)..];

    /// <summary><c>train</c> of <c>train/loss</c>; empty where there is no slash.</summary>
    public static string Source(string metric) => metric[..Math.Max(0, metric.LastIndexOf('/'))];

    /// <summary>The heading of a chart: <c>Top-1 accuracy</c>, <c>Gradient norm</c>.</summary>
    public static string Title(string metric)
    {
        var name = Quantity(metric);
        return titles.GetValueOrDefault(name) ?? $"{char.ToUpperInvariant(name[0])}{name[1..].Replace('_', ' ')}";
    }

    public static bool IsShare(string metric) => shares.Contains(Quantity(metric));

    /// <summary>Whether a chart of it should begin at zero.</summary>
    public static bool IsRate(string metric) => metric.EndsWith(PerSecond, StringComparison.Ordinal) || Quantity(metric) is "data_wait" or "utilisation";

    public static string Value(string metric, double value) =>
        IsShare(metric) ? $"{(value * 100).ToString("0.0", CultureInfo.InvariantCulture)} %" : Number(value);

    /// <summary>A metric as it stands in a line of progress: <c>top1 71.2 %</c>, <c>512 images/s</c>, <c>wait 1.0 %</c>.</summary>
    public static string Phrase(string metric, double value) => Quantity(metric) switch
    {
        var rate when rate.EndsWith(PerSecond, StringComparison.Ordinal) => $"{Value(metric, value)} {rate[..^PerSecond.Length]}/s",
        "data_wait" => $"wait {Value(metric, value)}",
        "utilisation" => $"{Value(metric, value)} of peak",
        var name => $"{name} {Value(metric, value)}",
    };

    /// <summary>About four significant digits: <c>0.1234</c>, <c>12.34</c>, <c>1,234</c>, <c>1.5e-3</c>.</summary>
    public static string Number(double value) => Math.Abs(value) switch
    {
        0 => "0",
        double.NaN or double.PositiveInfinity => value.ToString(CultureInfo.InvariantCulture),
        < 1e-2 => value.ToString("0.###e-0", CultureInfo.InvariantCulture),
        < 10 => value.ToString("0.####", CultureInfo.InvariantCulture),
        < 100 => value.ToString("0.##", CultureInfo.InvariantCulture),
        < 1000 => value.ToString("0.#", CultureInfo.InvariantCulture),
        _ => value.ToString("#,0", CultureInfo.InvariantCulture),
    };

    /// <summary><c>0:42</c>, <c>12:05</c>, <c>1:02:05</c>.</summary>
    public static string Clock(TimeSpan time) => time.TotalHours < 1
        ? $"{(int)time.TotalMinutes}:{time.Seconds:00}"
        : $"{(int)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}";

    /// <summary><c>42 s</c>, <c>3 min 20 s</c>, <c>2 h 5 min</c>.</summary>
    public static string Duration(double seconds)
    {
        var time = TimeSpan.FromSeconds(Math.Max(0, seconds));
        return time switch
        {
            { TotalSeconds: < 10 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s"),
            { TotalMinutes: < 1 } => $"{(int)time.TotalSeconds} s",
            { TotalHours: < 1 } => $"{(int)time.TotalMinutes} min {time.Seconds} s",
            _ => $"{(int)time.TotalHours} h {time.Minutes} min",
        };
    }
}
