using Attention.Data;
using Attention.Models.Dense;

namespace Attention.Engine.Training.Setup;

/// <summary>How images become what a segmenter takes: as the config says, or as mmseg prepares ADE20K.</summary>
internal static class SegmenterPreparation
{
    /// <summary>The usual side of crops.</summary>
    public const int UsualSize = 512;

    private const int LongSides = 4;

    /// <param name="model">The model.</param>
    /// <param name="size">Side of the crops.</param>
    /// <param name="line">The config's own steps; null for crops at random scales and mirror images.</param>
    public static DensePipeline Training(DenseModelConfig model, int size, string? line) =>
        DetectorPreparation.Of(model, line ?? $"random_scale_crop({size}, {size}, most=0.75)|hflip|color_jitter(0.125, 0.5, 0.5, 0.05)");

    /// <param name="model">The model.</param>
    /// <param name="size">The shorter side of whole images; the longer one has four times as much at the most.</param>
    /// <param name="line">The config's own steps; null for resizing.</param>
    public static DensePipeline Evaluation(DenseModelConfig model, int size, string? line) =>
        DetectorPreparation.Of(model, line ?? $"resize({size}, max={LongSides * size})");
}
