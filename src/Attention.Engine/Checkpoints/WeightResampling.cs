using Attention.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Checkpoints;

/// <summary>Weights of one geometry for a model of another, by timm's rules.</summary>
public static class WeightResampling
{
    /// <summary>Directions that resizing shrinks below this share are rounding: a patch made wider and lower has some.</summary>
    private const double InverseTolerance = 1e-5;

    /// <summary>Class, distillation and register tokens that may stand before a grid of positions.</summary>
    private const int MaxPrefixTokens = 16;

    /// <summary>Entries of BEiT's tables for the class token: to it, from it, and to itself.</summary>
    private const int ClassTokenEntries = 3;

    /// <summary>
    /// A convolution's weight (O, I, H, W) for another number of input channels: a third of them by summing red, green and blue,
    /// else three repeated as often as needed and scaled so that the response keeps its size. Follows timm's adapt_input_conv.
    /// </summary>
    /// <param name="weight">Of three channels, or of three for each one wanted, as where a stem folds space into channels.</param>
    /// <param name="channels">The channels wanted.</param>
    public static Tensor InputChannels(Tensor weight, long channels)
    {
        using var scope = NewDisposeScope();
        var (outputs, inputs, height, width) = (weight.shape[0], weight.shape[1], weight.shape[2], weight.shape[3]);
        var values = weight.to(ScalarType.Float32);
        values = inputs == 3 * channels
            ? values.reshape(outputs, channels, 3, height, width).sum(2)
            : values.repeat(1, (channels + 2) / 3, 1, 1).narrow(1, 0, channels) * (3.0 / channels);
        return scope.MoveToOuter(values.to(weight.dtype));
    }

    /// <summary>Whether <see cref="InputChannels"/> has a way from as many channels to as many.</summary>
    public static bool HasWay(long from, long to) => from == 3 || from == 3 * to;

    /// <summary>
    /// A patch embedding's weight (O, I, h, w) for patches of another size, such that a resized patch gives nearly the same
    /// embedding: the pseudo-inverse of bicubic resizing. Beyer et al., FlexiViT, 2023 (arXiv:2212.08013); timm's
    /// resample_patch_embed.
    /// </summary>
    public static Tensor PatchEmbedding(Tensor weight, long height, long width)
    {
        using var scope = NewDisposeScope();
        var (outputs, inputs, oldHeight, oldWidth) = (weight.shape[0], weight.shape[1], weight.shape[2], weight.shape[3]);
        // Row i is the i-th pixel of an old patch, resized.
        var pixels = eye(oldHeight * oldWidth).reshape(oldHeight * oldWidth, 1, oldHeight, oldWidth);
        var resizing = Bicubic(pixels, height, width).reshape(oldHeight * oldWidth, height * width);
        var inverse = linalg.pinv(resizing.to(ScalarType.Float64), rtol: InverseTolerance);
        var resampled = weight.to(ScalarType.Float64).reshape(outputs * inputs, oldHeight * oldWidth).matmul(inverse.t());
        return scope.MoveToOuter(resampled.reshape(outputs, inputs, height, width).to(weight.dtype));
    }

    /// <summary>
    /// Position embeddings (1, prefix + h*h, C) for a model's (1, prefix + g*g, C), bicubic with antialiasing; null where the
    /// numbers of tokens are not those of two square grids behind the same prefix.
    /// </summary>
    public static Tensor? Positions(Tensor pos_embed, long tokens)
    {
        for (int prefix = 0; prefix <= MaxPrefixTokens; prefix++)
            if (Side(pos_embed.shape[1] - prefix) is not null && Side(tokens - prefix) is { } side)
                return PositionEmbedding.Resample(pos_embed, side, side, prefix);
        return null;
    }

    /// <summary>Position embeddings (1, H, W, C) for another grid, bicubic with antialiasing; null where one of the two is not square.</summary>
    public static Tensor? PositionMap(Tensor pos_embed, long height, long width)
    {
        if (pos_embed.shape[1] != pos_embed.shape[2] || height != width)
            return null;
        using var scope = NewDisposeScope();
        var resized = Bicubic(pos_embed.to(ScalarType.Float32).permute(0, 3, 1, 2), height, width).permute(0, 2, 3, 1);
        return scope.MoveToOuter(resized.contiguous().to(pos_embed.dtype));
    }

    /// <summary>
    /// LeViT's attention biases (heads, h*h), one for each distance, for another grid, bicubic with antialiasing as in timm's
    /// resize_rel_pos_bias_table_levit; null where one of the two is not square.
    /// </summary>
    public static Tensor? AttentionBiases(Tensor biases, long count)
    {
        if (Side(biases.shape[1]) is not { } old || Side(count) is not { } side)
            return null;
        using var scope = NewDisposeScope();
        var grid = biases.to(ScalarType.Float32).reshape(1, biases.shape[0], old, old);
        return scope.MoveToOuter(Bicubic(grid, side, side).reshape(biases.shape[0], count).to(biases.dtype));
    }

    private static Tensor Bicubic(Tensor images, long height, long width) =>
        nn.functional.interpolate(images, [height, width], mode: InterpolationMode.Bicubic, align_corners: false, antialias: true);

    /// <summary>
    /// A relative-position bias table for another window: of shape (positions, heads), or (heads, rows, columns) as in
    /// TensorFlow's MaxViT, to <paramref name="shape"/>; null where that is no table of a square window. The old entries are
    /// laid at distances that grow geometrically, so that near ones keep their place, and read off linearly between. Follows
    /// timm's resize_rel_pos_bias_table, after BEiT's.
    /// </summary>
    public static Tensor? BiasTable(Tensor table, long[] shape)
    {
        using var scope = NewDisposeScope();
        if (table.dim() == 3 && shape.Length == 3 && table.shape[0] == shape[0])
            return scope.MoveToOuter(Resized(table.to(ScalarType.Float32), (int)shape[1], (int)shape[2]).to(table.dtype));
        if (table.dim() != 2 || shape.Length != 2 || table.shape[1] != shape[1])
            return null;
        foreach (int extra in (int[])[0, ClassTokenEntries])
        {
            if (Side(table.shape[0] - extra) is not { } old || Side(shape[0] - extra) is not { } side || old % 2 == 0 || side % 2 == 0)
                continue;
            long heads = shape[1];
            var grid = table.narrow(0, 0, old * old).t().reshape(heads, old, old).to(ScalarType.Float32);
            var resized = Resized(grid, side, side).reshape(heads, side * side).t().to(table.dtype);
            return scope.MoveToOuter(extra == 0 ? resized.contiguous() : cat([resized, table.narrow(0, old * old, extra)], 0));
        }
        return null;
    }

    // (heads, h, w) to (heads, rows, columns).
    private static Tensor Resized(Tensor grid, int rows, int columns) =>
        LinearWeights((int)grid.shape[1], rows).matmul(grid).matmul(LinearWeights((int)grid.shape[2], columns).t());

    // (target, source): how much each old entry counts for each new one.
    private static Tensor LinearWeights(int source, int target)
    {
        var places = GeometricPlaces(source, target);
        var weights = new float[target, source];
        for (int row = 0; row < target; row++)
        {
            double wanted = row - target / 2;
            int right = Array.FindIndex(places, place => place >= wanted);
            if (right < 0)
                right = source - 1;
            int left = Math.Max(0, right - 1);
            double toLeft = Math.Max(0, wanted - places[left]), toRight = Math.Max(0, places[right] - wanted);
            if (left == right || toLeft + toRight == 0)
                weights[row, right] = 1;
            else
            {
                weights[row, left] = (float)(toRight / (toLeft + toRight));
                weights[row, right] = (float)(toLeft / (toLeft + toRight));
            }
        }
        return tensor(weights);
    }

    /// <summary>The ratio is searched between these; below the first, entries are as good as evenly spread.</summary>
    private const double LeastRatio = 1.01, LargestRatio = 1.5, RatioPrecision = 1e-6;

    // Distances 1, 1 + q, 1 + q + q^2, ... to both sides, the last as near to the new window's edge as the ratio allows.
    private static double[] GeometricPlaces(int source, int target)
    {
        int half = source / 2;
        double low = LeastRatio, high = LargestRatio, ratio = LargestRatio;
        while (high - low > RatioPrecision)
        {
            ratio = (low + high) / 2;
            double reach = (1 - Math.Pow(ratio, half)) / (1 - ratio);
            if (reach > target / 2)
                high = ratio;
            else
                low = ratio;
        }
        var places = new double[source];
        double distance = 0;
        for (int i = 0; i < half; i++)
        {
            distance += Math.Pow(ratio, i);
            places[half + 1 + i] = distance;
            places[half - 1 - i] = -distance;
        }
        return places;
    }

    private static int? Side(long area)
    {
        if (area <= 0)
            return null;
        int side = (int)Math.Round(Math.Sqrt(area));
        return (long)side * side == area ? side : null;
    }
}
