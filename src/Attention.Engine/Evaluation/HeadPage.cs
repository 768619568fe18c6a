using System.Globalization;
using System.Net;
using System.Text;
using Attention.Engine.Runs;
using Attention.Modules;

namespace Attention.Engine.Evaluation;

/// <summary>Heat maps of which heads are used, as one page that needs no network: layers by heads, for all tokens and for each class.</summary>
public static class HeadPage
{
    /// <summary>Writes the page.</summary>
    /// <param name="path">The file.</param>
    /// <param name="title">What the page is called, such as the model's folder.</param>
    /// <param name="statistics">What is drawn.</param>
    public static void Write(string path, string title, HeadStatistics statistics)
    {
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            Directory.CreateDirectory(folder);
        AtomicFile.WriteText(path, ToHtml(title, statistics));
    }

    private static string ToHtml(string title, HeadStatistics statistics)
    {
        var page = new StringBuilder();
        page.Append(CultureInfo.InvariantCulture, $$"""
            <!doctype html>
            <html lang="en">
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width">
            <title>{{WebUtility.HtmlEncode(title)}}</title>
            <style>
            body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
            table { border-collapse: collapse; font-size: 11px } th { font-weight: normal; color: #666; padding: 0 .4rem; text-align: right }
            td { width: 2rem; height: 1.4rem; text-align: center; border: 1px solid #fff } .shared { outline: 1px solid #999; outline-offset: -2px }
            </style>
            <h1>{{WebUtility.HtmlEncode(title)}}</h1>
            <p>The share of tokens, in percent, that each head serves, layer by layer. Outlined heads are shared: every token uses them.</p>

            """);
        Map(page, $"All {Count(statistics.Tokens.Sum())} tokens", statistics.Layers, layer => layer.Shares);
        foreach (var (i, name) in statistics.Classes.Index().Where(each => statistics.Tokens[each.Index] > 0))
            Map(page, $"{Capital(name)}: {Count(statistics.Tokens[i])} tokens", statistics.Layers, layer => layer.SharesByClass[i]);
        return page.Append("</html>\n").ToString();
    }

    private static void Map(StringBuilder page, string caption, IReadOnlyList<LayerHeadUse> layers, Func<LayerHeadUse, IReadOnlyList<double>> shares)
    {
        page.Append(CultureInfo.InvariantCulture, $"<h2>{WebUtility.HtmlEncode(caption)}</h2>\n<table><tr><th></th>");
        for (int head = 0; head < layers.Max(layer => layer.Shares.Count); head++)
            page.Append(CultureInfo.InvariantCulture, $"<th>{head}</th>");
        page.Append("</tr>\n");
        foreach (var layer in layers)
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><th>{WebUtility.HtmlEncode(layer.Layer)}</th>");
            foreach (var (head, share) in shares(layer).Index())
            {
                double percent = 100 * share;
                page.Append(CultureInfo.InvariantCulture, $"<td{(head < layer.SharedHeads ? " class=\"shared\"" : "")} style=\"background: color-mix(in srgb, #1b5e9b {percent:F0}%, #f2f4f7); color: {(share > 0.5 ? "#fff" : "#222")}\">{percent:F0}</td>");
            }
            page.Append("</tr>\n");
        }
        page.Append("</table>\n");
    }

    private static string Count(long tokens) => tokens.ToString("#,0", CultureInfo.InvariantCulture);

    private static string Capital(string name) => char.ToUpperInvariant(name[0]) + name[1..];
}
