using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Learned position embeddings at another resolution.</summary>
public static class PositionEmbedding
{
    /// <summary>
    /// Resamples a grid of embeddings, bicubic with antialiasing as timm does, and keeps the prefix tokens' as they are.
    /// (1, prefix + h*w, C) to (1, prefix + height*width, C).
    /// </summary>
    public static Tensor Resample(Tensor pos_embed, int height, int width, int num_prefix_tokens)
    {
        using var scope = NewDisposeScope();
        long tokens = pos_embed.shape[1] - num_prefix_tokens;
        long dim = pos_embed.shape[2];
        int old = (int)Math.Sqrt(tokens);
        if (old * old == tokens && old == height && old == width)
            return scope.MoveToOuter(pos_embed.alias());
        var grid = pos_embed.slice(1, num_prefix_tokens, pos_embed.shape[1], 1)
            .reshape(1, old, old, dim).permute(0, 3, 1, 2).to(ScalarType.Float32);
        var resampled = nn.functional.interpolate(grid, [height, width], mode: InterpolationMode.Bicubic, align_corners: false, antialias: true)
            .permute(0, 2, 3, 1).reshape(1, height * width, dim).to(pos_embed.dtype);
        return scope.MoveToOuter(num_prefix_tokens == 0 ? resampled
            : cat([pos_embed.slice(1, 0, num_prefix_tokens, 1), resampled], 1));
    }
}
