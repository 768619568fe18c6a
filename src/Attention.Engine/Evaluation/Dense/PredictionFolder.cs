using System.Globalization;
using System.Text.Json;
using Attention.Data;
using Attention.Engine.Runs;

namespace Attention.Engine.Evaluation.Dense;

/// <summary>
/// A folder with what a detector found: each image with the objects drawn into it, <c>results.json</c> in COCO's form, and
/// <c>images.json</c>, which says which image each number is.
/// </summary>
public sealed class PredictionFolder
{
    private readonly string folder;
    private readonly Detector detector;
    private readonly DetectionDrawing drawing;
    private readonly List<CocoDetection> found = [];
    private readonly Dictionary<int, (long Id, string File)> images = [];
    private readonly PictureFolder pictures;
    private readonly HashSet<long> ids = [];

    /// <param name="folder">Made where it is not there.</param>
    /// <param name="detector">What finds the objects.</param>
    public PredictionFolder(string folder, Detector detector) =>
        (this.folder, this.detector, drawing, pictures) = (folder, detector, new DetectionDrawing(detector.Categories), new PictureFolder(folder));

    /// <summary>Draws what was found in an image.</summary>
    /// <param name="source">The images.</param>
    /// <param name="objects">What was found in one of them.</param>
    /// <returns>The picture's file.</returns>
    public string Add(IImages source, ImageObjects objects)
    {
        var name = source.NameOf(objects.Image);
        var file = pictures.Take(name) + ".jpg";
        images[objects.Image] = (IdOf(Path.GetFileNameWithoutExtension(name), objects.Image), name);
        found.AddRange(objects.Objects);
        AtomicFile.Write(file, stream => stream.Write(drawing.Jpeg(source, objects)));
        return file;
    }

    /// <summary>Writes the lists.</summary>
    public void Finish()
    {
        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, "results.json"), stream => CocoResults.Write(stream, found, image => images[image].Id, detector.CategoryOf));
        AtomicFile.Write(Path.Combine(folder, "images.json"), stream =>
        {
            using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
            json.WriteStartArray();
            foreach (var (id, file) in images.Values)
            {
                json.WriteStartObject();
                json.WriteNumber("id", id);
                json.WriteString("file_name", file);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });
    }

    // COCO's images are called by their numbers; others count from 1.
    private long IdOf(string stem, int image)
    {
        long id = long.TryParse(stem, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : image + 1;
        while (!ids.Add(id))
            id++;
        return id;
    }
}
