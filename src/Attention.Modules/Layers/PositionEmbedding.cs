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

    /// <summary>
    /// Sines and cosines of a patch's column and row at frequencies from 1 to 1/10000, zeros for prefix tokens.
    /// (1, prefix + grid_size², dim). Beyer et al., Better plain ViT baselines for ImageNet-1k, 2022.
    /// </summary>
    /// <exception cref="UserError"><paramref name="dim"/> is no multiple of 4.</exception>
    public static Tensor SinCos2d(int grid_size, int dim, int num_prefix_tokens)
    {
        if (dim % 4 != 0)
            throw new UserError($"pos_init sincos2d needs an embed_dim that is a multiple of 4, not {dim}", "choose another embed_dim, or pos_init: normal");
        using var scope = NewDisposeScope();
        int quarter = dim / 4;
        var position = arange(grid_size, ScalarType.Float32);
        var angles = position.unsqueeze(1) * (arange(quarter, ScalarType.Float32) * (-Math.Log(10000) / quarter)).exp();
        var column = angles.unsqueeze(0).expand(grid_size, grid_size, quarter);
        var row = angles.unsqueeze(1).expand(grid_size, grid_size, quarter);
        var grid = cat([column.sin(), column.cos(), row.sin(), row.cos()], -1).reshape(1, grid_size * grid_size, dim);
        return scope.MoveToOuter(cat([zeros(1, num_prefix_tokens, dim), grid], 1));
    }
}
