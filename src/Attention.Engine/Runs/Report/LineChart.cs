using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Attention.Engine.Reporting;

namespace Attention.Engine.Runs.Report;

/// <summary>One curve: its name in the legend, and points (place, value).</summary>
public sealed record Curve(string Name, IReadOnlyList<(double x, double y)> Points);

/// <summary>A chart of one metric over the epochs or another axis, as SVG.</summary>
public sealed class LineChart
{
    private const int Width = 520, Height = 250, Left = 58, Right = 10, Top = 12, Bottom = 28;
    private const int MostPoints = 400, FewPoints = 40;

    private const int Colours = 8;

    private readonly string metric, axis, source;
    private readonly IReadOnlyList<Curve> curves;
    private readonly double fromX, toX, fromY, toY;
    private readonly double[] ticksX, ticksY;

    /// <param name="metric">The metric's name, which decides its title and how its values are written.</param>
    /// <param name="curves">At least one curve with at least one point.</param>
    /// <param name="axis">What the places are.</param>
    /// <param name="source">What all curves are of, for the title: train, val; empty where their names say it.</param>
    public LineChart(string metric, IReadOnlyList<Curve> curves, string axis = "epoch", string source = "")
    {
        (this.metric, this.axis, this.source) = (metric, axis, source);
        this.curves = curves.Select(curve => curve with { Points = Thin(curve.Points) }).ToArray();
        var points = this.curves.SelectMany(curve => curve.Points).ToArray();
        (fromX, toX) = (Math.Min(0, points.Min(point => point.x)), points.Max(point => point.x));
        ticksX = Ticks(fromX, toX, 8).Where(tick => tick >= fromX && tick <= toX).ToArray();
        var lowest = points.Min(point => point.y);
        ticksY = Ticks(MetricFormat.IsRate(metric) ? Math.Min(0, lowest) : lowest, points.Max(point => point.y), 5);
        (fromY, toY) = (ticksY[0], ticksY[^1]);
    }

    /// <summary>The chart with its title and legend.</summary>
    public string ToHtml()
    {
        var html = new StringBuilder();
        html.Append($"<div class=\"chart\" data-points=\"{WebUtility.HtmlEncode(Data())}\">");
        if (curves.Any(curve => curve.Name != ""))
        {
            var names = curves.Select(curve => $"<i class=\"{Colour(curve)}\"></i>{WebUtility.HtmlEncode(curve.Name)}");
            html.Append($"<span class=\"legend\">{string.Concat(names)}</span>");
        }
        var title = WebUtility.HtmlEncode(source == "" ? MetricFormat.Title(metric) : $"{MetricFormat.Title(metric)}, {source}");
        html.Append($"<h3>{title}</h3><svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{title} by {axis}\">");
        foreach (var tick in ticksY)
            html.Append($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Y(tick)}\" y2=\"{Y(tick)}\"/>"
                + $"<text x=\"{Left - 8}\" y=\"{Y(tick)}\" dy=\"0.32em\" text-anchor=\"end\">{Label(tick)}</text>");
        foreach (var tick in ticksX)
            html.Append($"<text x=\"{X(tick)}\" y=\"{Height - 8}\" text-anchor=\"middle\">{MetricFormat.Number(tick)}</text>");
        foreach (var curve in curves) Draw(html, curve);
        html.Append($"<line class=\"cursor\" y1=\"{Top}\" y2=\"{Height - Bottom}\"/></svg><div class=\"tip\"></div></div>\n");
        return html.ToString();
    }

    /// <summary>The same source has the same colour in all charts.</summary>
    private string Colour(Curve curve) => curve.Name switch { "train" or "" => "s0", "val" => "s1", _ => $"s{curves.ToList().IndexOf(curve) % Colours}" };

    private void Draw(StringBuilder html, Curve curve)
    {
        var line = string.Join(' ', curve.Points.Select(point => $"{X(point.x)},{Y(point.y)}"));
        html.Append($"<g class=\"{Colour(curve)}\"><polyline class=\"curve\" points=\"{line}\"/>");
        if (curve.Points.Count <= FewPoints)
            foreach (var (x, y) in curve.Points) html.Append($"<circle class=\"dot\" cx=\"{X(x)}\" cy=\"{Y(y)}\" r=\"3\"/>");
        html.Append("</g>");
    }

    /// <summary>What the page's script needs to show values under the pointer.</summary>
    private string Data()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("axis", axis);
            json.WriteNumber("left", Left);
            json.WriteNumber("width", Width - Left - Right);
            json.WriteNumber("total", Width);
            json.WriteNumber("from", fromX);
            json.WriteNumber("to", toX);
            json.WriteStartArray("series");
            foreach (var curve in curves.Where(curve => curve.Points.Count > 0))
            {
                json.WriteStartObject();
                json.WriteString("name", curve.Name == "" ? MetricFormat.Title(metric) : curve.Name);
                json.WriteStartArray("points");
                foreach (var (x, y) in curve.Points)
                {
                    json.WriteStartArray();
                    json.WriteNumberValue(Math.Round(x, 4));
                    json.WriteNumberValue((float)y);
                    json.WriteStringValue(MetricFormat.Value(metric, y));
                    json.WriteEndArray();
                }
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private string Label(double value) => MetricFormat.IsShare(metric)
        ? $"{(value * 100).ToString("0.##", CultureInfo.InvariantCulture)} %"
        : MetricFormat.Number(value);

    private string X(double x) => Coordinate(Left + (toX > fromX ? (x - fromX) / (toX - fromX) : 0) * (Width - Left - Right));

    private string Y(double y) => Coordinate(Height - Bottom - (y - fromY) / (toY - fromY) * (Height - Top - Bottom));

    private static string Coordinate(double value) => value.ToString("0.#", CultureInfo.InvariantCulture);

    /// <summary>Round numbers (1, 2 or 5 times a power of ten) that enclose a range, at most <paramref name="most"/> steps.</summary>
    internal static double[] Ticks(double from, double to, int most)
    {
        if (to <= from) to = from + Math.Max(1e-9, Math.Abs(from) * 0.1);
        var power = Math.Pow(10, Math.Floor(Math.Log10((to - from) / most)));
        var step = new[] { 1.0, 2, 5, 10 }.Select(factor => factor * power).First(step => (to - from) / step <= most);
        var (first, last) = (Math.Floor(from / step + 1e-9), Math.Ceiling(to / step - 1e-9));
        return Enumerable.Range(0, (int)(last - first) + 1).Select(i => Math.Round((first + i) * step, 12)).ToArray();
    }

    /// <summary>Means of neighbours, so that a long run does not make a heavy page.</summary>
    private static IReadOnlyList<(double x, double y)> Thin(IReadOnlyList<(double x, double y)> points)
    {
        var size = (points.Count + MostPoints - 1) / MostPoints;
        return size <= 1 ? points : points.Chunk(size).Select(chunk => (chunk[^1].x, chunk.Average(point => point.y))).ToArray();
    }
}
