using System.Globalization;
using System.Net;
using System.Text;

namespace Attention.Engine.Runs.Report;

/// <summary>The part of the report about single classes and images: which are taken for which, and the worst mistakes.</summary>
internal static class EvaluationPage
{
    // A matrix of more classes could not be read: their most frequent confusions are listed.
    private const int MostClasses = 40, MostPairs = 30;

    public static string ToHtml(EvaluationDetails details)
    {
        var html = new StringBuilder();
        if (details.pictures.Count > 0)
            Pictures(html, details.pictures);
        if (details.confusion.Count > 0 && details.class_names.Count <= MostClasses)
            Matrix(html, details);
        else if (details.confusion.Count > 0)
            Pairs(html, details);
        if (details.mistakes.Count > 0)
            Mistakes(html, details);
        return html.ToString();
    }

    private static void Pictures(StringBuilder html, IReadOnlyList<Picture> pictures)
    {
        html.Append("<h2>What was found</h2>\n<div class=\"pictures\">\n");
        foreach (var (caption, jpeg) in pictures)
            html.Append($"<figure><img src=\"data:image/jpeg;base64,{Convert.ToBase64String(jpeg)}\" alt=\"\"><figcaption>{Encode(caption)}</figcaption></figure>\n");
        html.Append("</div>\n");
    }

    private static void Matrix(StringBuilder html, EvaluationDetails details)
    {
        int classes = details.class_names.Count;
        var counts = new int[classes, classes];
        foreach (var (actual, predicted, count) in details.confusion)
            if (predicted < classes)
                counts[actual, predicted] = count;
        html.Append("<h2>Confusions</h2>\n<div class=\"table\"><table class=\"confusion\"><tr><th>actual \\ predicted</th>");
        foreach (var name in details.class_names) html.Append($"<th class=\"turned\"><span>{Encode(name)}</span></th>");
        html.Append("<th>recall</th></tr>\n");
        for (int actual = 0; actual < classes; actual++)
        {
            int total = details.confusion.Where(each => each.actual == actual).Sum(each => each.count);
            html.Append($"<tr><th>{Encode(details.class_names[actual])}</th>");
            for (int predicted = 0; predicted < classes; predicted++)
            {
                int count = counts[actual, predicted];
                var share = total == 0 ? 0 : Math.Sqrt((double)count / total);
                var title = $"{details.class_names[actual]} taken for {details.class_names[predicted]}: {count} of {total}";
                html.Append($"<td class=\"{(actual == predicted ? "right" : "wrong")}\" style=\"--share:{Number(share * 100)}%\" title=\"{Encode(title)}\">{(count == 0 ? "" : count)}</td>");
            }
            html.Append($"<td>{(total == 0 ? "" : $"{Number(100.0 * counts[actual, actual] / total)} %")}</td></tr>\n");
        }
        html.Append("</table></div>\n");
    }

    private static void Pairs(StringBuilder html, EvaluationDetails details)
    {
        html.Append("<h2>Most frequent confusions</h2>\n<div class=\"table\"><table><tr><th>actual</th><th>predicted</th><th>images</th></tr>\n");
        foreach (var (actual, predicted, count) in details.confusion.Where(each => each.actual != each.predicted).OrderByDescending(each => each.count).Take(MostPairs))
            html.Append($"<tr><td>{Name(details, actual)}</td><td>{Name(details, predicted)}</td><td>{count}</td></tr>\n");
        html.Append("</table></div>\n");
    }

    private static void Mistakes(StringBuilder html, EvaluationDetails details)
    {
        html.Append("<h2>Worst mistakes</h2>\n<div class=\"mistakes\">\n");
        foreach (var mistake in details.mistakes)
        {
            var picture = mistake.jpeg is null ? "<div class=\"missing\"></div>"
                : $"<img src=\"data:image/jpeg;base64,{Convert.ToBase64String(mistake.jpeg)}\" alt=\"\">";
            html.Append($"<figure title=\"{Encode(mistake.image)}\">{picture}<figcaption><b>{Name(details, mistake.actual)}</b>"
                + $"taken for {Name(details, mistake.predicted)}, {Number(mistake.confidence * 100)} %</figcaption></figure>\n");
        }
        html.Append("</div>\n");
    }

    private static string Name(EvaluationDetails details, int label) => label < details.class_names.Count ? Encode(details.class_names[label]) : $"{label}";

    private static string Number(double value) => value.ToString("0.#", CultureInfo.InvariantCulture);

    private static string Encode(string text) => WebUtility.HtmlEncode(text);
}
