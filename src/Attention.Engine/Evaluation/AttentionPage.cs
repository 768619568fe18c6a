using System.Globalization;
using System.Net;
using System.Text;
using Attention.Data;
using Attention.Engine.Runs;
using Attention.Torch;
using TorchSharp;

namespace Attention.Engine.Evaluation;

/// <summary>Attention maps as PNG files, and as one page that needs no network.</summary>
public static class AttentionPage
{
    /// <summary>
    /// Writes <c>rollout.png</c>, <c>gradient.png</c>, <c>layer-11-head-00.png</c> and so on, and <c>index.html</c> with all of them.
    /// </summary>
    /// <param name="folder">Made where it is not there.</param>
    /// <param name="title">What the page is called, such as the image's file.</param>
    /// <param name="image">The image as the model saw it, of the model's size.</param>
    /// <param name="maps">What is drawn.</param>
    /// <param name="label">The name of the class that is explained.</param>
    /// <returns>The page.</returns>
    public static string Write(string folder, string title, Image image, AttentionMaps maps, string label)
    {
        Directory.CreateDirectory(folder);
        var page = new StringBuilder();
        page.Append(CultureInfo.InvariantCulture, $$"""
            <!doctype html>
            <meta charset="utf-8">
            <title>{{WebUtility.HtmlEncode(title)}}</title>
            <style>
            body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
            .row { display: flex; flex-wrap: wrap; gap: .5rem } figure { margin: 0 } figcaption { font-size: 12px; color: #666 }
            .row img { width: 224px } .heads img { width: 112px }
            </style>
            <h1>{{WebUtility.HtmlEncode(title)}}</h1>
            <p>{{WebUtility.HtmlEncode(label)}}, probability {{maps.Confidence:P1}}</p>
            <div class="row">
            """);
        void Show(string name, Image drawn, string caption)
        {
            var png = ImageCodec.EncodePng(drawn);
            AtomicFile.Write(Path.Combine(folder, name + ".png"), stream => stream.Write(png));
            page.Append(CultureInfo.InvariantCulture, $"<figure><img alt=\"{caption}\" src=\"data:image/png;base64,{Convert.ToBase64String(png)}\"><figcaption>{caption}</figcaption></figure>\n");
        }
        Show("image", image, "image");
        Show("rollout", Heatmap.Draw(image, maps.Rollout), "rollout");
        Show("gradient", Heatmap.Draw(image, maps.Gradient), "weighted by gradient");
        page.Append("</div>\n");
        for (int layer = maps.Heads.Count - 1; layer >= 0; layer--)
        {
            page.Append(CultureInfo.InvariantCulture, $"<h2>layer {layer}</h2>\n<div class=\"row heads\">\n");
            for (int head = 0; head < maps.Heads[layer].shape[0]; head++)
            {
                using var map = maps.Heads[layer][head];
                Show(string.Create(CultureInfo.InvariantCulture, $"layer-{layer:D2}-head-{head:D2}"), Heatmap.Draw(image, map), string.Create(CultureInfo.InvariantCulture, $"head {head}"));
            }
            page.Append("</div>\n");
        }
        var path = Path.Combine(folder, "index.html");
        AtomicFile.WriteText(path, page.ToString());
        return path;
    }

    /// <summary>A normalised batch's first image as bytes again.</summary>
    public static Image ImageOf(ImageBatch batch, ImageClassifier classifier)
    {
        var image = new Image(batch.Width, batch.Height);
        var pixels = batch.Pixels;
        int area = batch.Width * batch.Height;
        for (int i = 0; i < area; i++)
            for (int channel = 0; channel < 3; channel++)
                image.Pixels[i * 3 + channel] = (byte)Math.Clamp(Math.Round((pixels[channel * area + i] * classifier.Config.std[channel] + classifier.Config.mean[channel]) * 255), 0, 255);
        return image;
    }
}
