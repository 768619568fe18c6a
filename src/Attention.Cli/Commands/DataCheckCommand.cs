using System.CommandLine;
using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Torch;

namespace Attention.Cli.Commands;

/// <summary>Decodes every image of a data set, counts its classes, names what is broken, and draws a contact sheet.</summary>
internal sealed class DataCheckCommand : CliCommand
{
    private const int MostNamed = 20;

    private readonly Argument<string> source = new("SOURCE") { Description = "A config, a folder of images, a list (.csv, .json, .jsonl) or a .tar archive" };
    private readonly Option<string?> sheet = new("--sheet") { Description = "Write a contact sheet of each part: sheet.png becomes sheet-train.png" };
    private readonly Option<int> rows = new("--rows") { Description = "Classes on the sheet", DefaultValueFactory = _ => 10 };
    private readonly Option<bool> all = new("--all") { Description = "Name every broken file, not just the first ones" };
    private readonly JsonOption json = new();

    public DataCheckCommand() : base("data check", "Decode a data set, count its classes and name what is broken")
    {
        Add(source);
        foreach (var option in new Option[] { sheet, rows, all, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        string path = context.Get(source);
        var parts = Path.GetExtension(path) is ".yaml" or ".yml" ? DataSource.Open(OfConfig(path), context.Terminal.Error.WriteLine, context.Stop) : DataSource.Open(path);
        var table = new ResultTable([new("class"), .. parts.Select(part => new ResultTable.Column(part.Name))]);
        var reports = parts.Select(part => DatasetCheck.Run(part.Images, cancellation: context.Stop)).ToArray();
        // Of classes of pixels and objects, data sets have many that no image shows.
        bool labelled = parts.Any(part => part.Images is IImageDataset);
        for (int label = 0; label < parts.Max(part => part.Images.ClassNames.Count); label++)
            if (labelled || reports.Any(report => report.PerClass.ElementAtOrDefault(label) > 0))
                table.Add([parts.Select(part => part.Images.ClassNames.ElementAtOrDefault(label)).First(name => name is not null),
                    .. reports.Select(report => (object?)report.PerClass.ElementAtOrDefault(label))]);
        table.Write(context.Terminal, context.Get(json));
        for (int i = 0; i < parts.Count; i++)
        {
            if (!context.Get(json))
                Tell(context, parts[i], reports[i]);
            if (context.Get(sheet) is { } file)
                Draw(context, parts[i], file, context.Get(rows));
        }
        return reports.Any(report => report.Broken.Count + report.Unreadable.Count > 0) ? 2 : 0;
    }

    private static ImageDataConfig OfConfig(string path) => ExperimentConfig.Load(path).Value.data as ImageDataConfig
        ?? throw new UserError($"the data of '{path}' are no images", "text is checked when it is read");

    private void Tell(CommandContext context, DataPart part, DatasetReport report)
    {
        var terminal = context.Terminal.Out;
        terminal.WriteLine($"{part.Name}: {report.Images} images, {report.PerClass.Count(count => count > 0)} of {part.Images.ClassNames.Count} classes, "
            + $"{report.Smallest.Width} x {report.Smallest.Height} to {report.Largest.Width} x {report.Largest.Height} pixels, "
            + (report.Broken.Count == 0 ? "none broken" : $"{report.Broken.Count} broken"));
        foreach (var (reasons, what) in new[] { (report.Unreadable, "unreadable"), (report.Broken, "broken") })
        {
            int most = context.Get(all) ? reasons.Count : MostNamed;
            foreach (string reason in reasons.Take(most))
                terminal.WriteLine($"  {what}: {reason}");
            if (reasons.Count > most)
                terminal.WriteLine($"  ... and {reasons.Count - most} more; --all names them");
        }
    }

    private static void Draw(CommandContext context, DataPart part, string file, int rows)
    {
        var (picture, names) = ContactSheet.Make(part.Images, rows);
        string path = Path.Combine(Path.GetDirectoryName(file) ?? "", $"{Path.GetFileNameWithoutExtension(file)}-{part.Name}.png");
        try
        {
            File.WriteAllBytes(path, ImageCodec.EncodePng(picture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"the contact sheet cannot be written to {path}: {e.Message}", "choose another place with --sheet", e);
        }
        context.Terminal.Out.WriteLine($"{path}: a row each of {string.Join(", ", names)}");
    }
}
