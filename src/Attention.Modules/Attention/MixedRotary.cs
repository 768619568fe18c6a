using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Rotary position embedding over a grid whose frequencies are learned: in each block and head every pair of channels has
/// its own for the first and for the second axis, so that it can turn along any direction. Heo et al., Rotary Position
/// Embedding for Vision Transformer, 2024 (arXiv:2403.13298); parameter name as in timm.
/// </summary>
public sealed class MixedRotary : nn.Module
{
    private readonly Parameter freqs;

    private readonly MapSizeCache positions;
    private (int height, int width) size;

    /// <param name="head_dim">Channels of a head; a multiple of 4.</param>
    /// <param name="depth">Blocks of the model.</param>
    /// <param name="num_heads">Heads of a block.</param>
    /// <param name="grid_size">Patches along a side.</param>
    /// <param name="prefix_tokens">Tokens before the patches; they do not turn.</param>
    /// <param name="temperature">Wavelength of the slowest pair at the start, in patches over 2 pi.</param>
    /// <param name="column_first">The column is the first axis, and the row the second.</param>
    public MixedRotary(int head_dim, int depth, int num_heads, int grid_size, int prefix_tokens, double temperature, bool column_first)
        : base(nameof(MixedRotary))
    {
        freqs = new Parameter(Frequencies(head_dim, depth, num_heads, temperature));
        positions = new MapSizeCache((height, width) => Positions((int)height, (int)width, prefix_tokens, column_first));
        size = (grid_size, grid_size);
        RegisterComponents();
    }

    /// <summary>Takes another grid, in patches.</summary>
    public void Fit(int height, int width) => size = (height, width);

    /// <summary>The embedding of one block.</summary>
    public IRotary Of(int block) => new OfBlock(this, block);

    // (2, depth, num_heads, head_dim / 2): in each head two directions at a right angle, the first at random.
    private static Tensor Frequencies(int head_dim, int depth, int num_heads, double temperature)
    {
        using var scope = NewDisposeScope();
        var magnitudes = tensor(Enumerable.Range(0, head_dim / 4).Select(i => (float)Math.Pow(temperature, -4.0 * i / head_dim)).ToArray());
        var angle = rand(depth, num_heads, 1) * (2 * Math.PI);
        var (cos, sin) = (magnitudes * angle.cos(), magnitudes * angle.sin());
        return scope.MoveToOuter(stack([cat([cos, -sin], -1), cat([sin, cos], -1)], 0));
    }

    // (2, N, 1); prefix tokens are at the origin, where nothing turns.
    private static Tensor Positions(int height, int width, int prefix_tokens, bool column_first)
    {
        int tokens = prefix_tokens + height * width;
        var along = new float[2 * tokens];
        for (int i = 0; i < height * width; i++)
        {
            along[prefix_tokens + i] = column_first ? i % width : i / width;
            along[tokens + prefix_tokens + i] = column_first ? i / width : i % width;
        }
        return tensor(along, [2, tokens, 1]);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            positions.Dispose();
        base.Dispose(disposing);
    }

    private sealed class OfBlock(MixedRotary rotary, int block) : IRotary
    {
        public (Tensor q, Tensor k) Apply(Tensor q, Tensor k)
        {
            // Angles in single precision, in whatever the model computes.
            var frequencies = rotary.freqs.select(1, block).unsqueeze(2).to_type(ScalarType.Float32);
            var along = rotary.positions.Get(rotary.size.height, rotary.size.width, frequencies);
            var angles = along[0] * frequencies[0] + along[1] * frequencies[1];
            var (cos, sin) = (PerChannel(angles.cos(), q), PerChannel(angles.sin(), q));
            Tensor Turn(Tensor x) => x * cos + RotaryGrid.QuarterOfNeighbours(x) * sin;
            return (Turn(q), Turn(k));
        }

        // (heads, N, pairs) to (heads, N, head_dim): both channels of a pair turn alike.
        private static Tensor PerChannel(Tensor pairs, Tensor like) => pairs.unsqueeze(-1).expand(-1, -1, -1, 2).flatten(-2).to_type(like.dtype);
    }
}
