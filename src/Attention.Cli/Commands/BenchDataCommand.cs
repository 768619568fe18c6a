using System.CommandLine;
using System.Globalization;
using Attention.Data;
using Attention.Engine.Benchmarks;
using Attention.Torch;

namespace Attention.Cli.Commands;

/// <summary>Times the way from image files to batches.</summary>
internal sealed class BenchDataCommand : CliCommand
{
    private readonly Argument<string> folder = new("FOLDER") { Description = "Images in one folder per class" };
    private readonly Option<string> transforms = new("--transforms")
    {
        Description = "What is done to each image",
        DefaultValueFactory = _ => "random_resized_crop(224)|hflip",
    };
    private readonly Option<int> batch = new("--batch") { Description = "Images per batch", DefaultValueFactory = _ => 50 };
    private readonly Option<int> workers = new("--workers") { Description = "Threads; 0 does everything on one" };
    private readonly Option<double> seconds = new("--seconds") { Description = "How long to measure", DefaultValueFactory = _ => 5 };
    private readonly JsonOption json = new();

    public BenchDataCommand() : base("bench data", "Time reading, decoding, transforming and collating images")
    {
        Add(folder);
        foreach (var option in new Option[] { transforms, batch, workers, seconds, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        double rate = DataBenchmark.Run(new ImageFolder(context.Get(folder)), TransformPipeline.Parse(context.Get(transforms)!),
            context.Get(batch), context.Get(seconds), context.Get(workers));
        if (context.Get(json))
            JsonText.Write(context.Terminal.Out, writer =>
            {
                writer.WriteStartObject();
                writer.WriteNumber("images_per_second", rate);
                writer.WriteNumber("peak_bytes", MemoryInfo.PeakResident);
                writer.WriteEndObject();
            });
        else
            context.Terminal.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{rate:F1} images/s"));
        return 0;
    }
}
