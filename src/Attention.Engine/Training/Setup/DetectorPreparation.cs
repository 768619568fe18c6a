using Attention.Data;
using Attention.Models.Dense;

namespace Attention.Engine.Training.Setup;

/// <summary>How images become what a dense model takes: as the config says, or as its min_size and max_size say.</summary>
internal static class DetectorPreparation
{
    /// <param name="model">The model.</param>
    /// <param name="line">The config's own steps; null for resizing and mirror images.</param>
    public static DensePipeline Training(DetectionModelConfig model, string? line) => Of(model, line ?? $"{Resize(model)}|hflip");

    /// <param name="model">The model.</param>
    /// <param name="line">The config's own steps; null for resizing.</param>
    public static DensePipeline Evaluation(DetectionModelConfig model, string? line) => Of(model, line ?? Resize(model));

    /// <summary>The mean and std of a backbone.</summary>
    public static Normalize NormalizeOf(DenseModelConfig model) =>
        new([.. model.backbone.config.mean.Select(v => (float)v)], [.. model.backbone.config.std.Select(v => (float)v)]);

    private static string Resize(DetectionModelConfig model) => $"resize({model.min_size}, max={model.max_size})";

    // A line without constants of its own takes the backbone's.
    internal static DensePipeline Of(DenseModelConfig model, string line)
    {
        var parsed = DensePipeline.Parse(line);
        return line.Contains("normalize", StringComparison.Ordinal) ? parsed : parsed.With(NormalizeOf(model));
    }
}
