using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// A position bias that a small network makes from the log-spaced offset between a query and a key, so that it carries over
/// to other sizes. The map's tables are kept from call to call.
/// Liu et al., Swin Transformer V2, 2022 (arXiv:2111.09883); keys may be means of several positions, as in TransNeXt.
/// </summary>
/// <param name="trained_size">Side of the map for which the bias is made; it is interpolated to others. Null: it is made for each.</param>
/// <param name="pretrain_size">Side of the map to whose coordinates positions are scaled; null for that of the map itself.</param>
internal sealed class LogSpacedBias(int? trained_size, int? pretrain_size) : IDisposable
{
    // Offsets run from -8 to 8 over the map, as in Swin V2.
    private const float Reach = 8;

    private (long Height, long Width, long KeyHeight, long KeyWidth, Device Device, ScalarType Type)? size;
    private Tensor? coordinates, rows, columns;

    /// <summary>(heads, H * W, KH * KW) for a map of H x W queries whose keys are its means in KH x KW cells.</summary>
    /// <param name="fc1">The network's first layer, from 2 coordinates.</param>
    /// <param name="fc2">Its second, to the heads.</param>
    /// <param name="map">Height and width of the queries' map.</param>
    /// <param name="keys">The same of the keys, for the map's size.</param>
    public Tensor Make(Linear fc1, Linear fc2, (long Height, long Width) map, Func<long, long, (long Height, long Width)> keys)
    {
        using var scope = NewDisposeScope();
        var wanted = keys(map.Height, map.Width);
        if (trained_size is not { } side || map == (side, side))
            return scope.MoveToOuter(Exact(fc1, fc2, map, wanted));
        var trained = keys(side, side);
        var bias = Exact(fc1, fc2, (side, side), trained);
        bias = Resized(bias.reshape(-1, side * side, trained.Height, trained.Width), wanted).flatten(2).transpose(1, 2);
        bias = Resized(bias.reshape(bias.shape[0], -1, side, side), map).flatten(2).transpose(1, 2);
        return scope.MoveToOuter(bias);
    }

    private static Tensor Resized(Tensor bias, (long Height, long Width) to) =>
        nn.functional.interpolate(bias, [to.Height, to.Width], mode: InterpolationMode.Bilinear, align_corners: false);

    private Tensor Exact(Linear fc1, Linear fc2, (long Height, long Width) map, (long Height, long Width) keys)
    {
        Prepare(map, keys, fc1.weight);
        // Offsets of rows and of columns are independent: the network sees each pair of them once, and each is looked up alone.
        var table = fc2.call(nn.functional.relu(fc1.call(coordinates!), inplace: true));
        var bias = table.index_select(0, rows!).index_select(1, columns!)
            .view(map.Height, keys.Height, map.Width, keys.Width, fc2.out_features);
        return bias.permute(4, 0, 2, 1, 3).reshape(fc2.out_features, map.Height * map.Width, keys.Height * keys.Width);
    }

    private void Prepare((long Height, long Width) map, (long Height, long Width) keys, Tensor like)
    {
        var now = (map.Height, map.Width, keys.Height, keys.Width, like.device, like.dtype);
        if (size == now)
            return;
        Dispose();
        using var scope = NewDisposeScope();
        var (down, downIndex) = Offsets(map.Height, keys.Height, pretrain_size ?? map.Height);
        var (across, acrossIndex) = Offsets(map.Width, keys.Width, pretrain_size ?? map.Width);
        var pairs = new float[down.Length * across.Length * 2];
        for (int i = 0; i < pairs.Length / 2; i++)
            (pairs[2 * i], pairs[2 * i + 1]) = (down[i / across.Length], across[i % across.Length]);
        Tensor Kept(Tensor made) => made.DetachFromDisposeScope();
        coordinates = Kept(tensor(pairs, [down.Length, across.Length, 2]).to(like.dtype, like.device, copy: true));
        rows = Kept(tensor(downIndex).to(like.device, copy: true));
        columns = Kept(tensor(acrossIndex).to(like.device, copy: true));
        size = now;
    }

    // The log-spaced offsets that occur along an axis, and which of them each pair of query and key has.
    private static (float[] Values, long[] Index) Offsets(long queries, long keys, long scale)
    {
        var (values, index, known) = (new List<float>(), new long[queries * keys], new Dictionary<float, long>());
        for (long query = 0; query < queries; query++)
            for (long key = 0; key < keys; key++)
            {
                // The mean of the positions that adaptive pooling gives to a key.
                long first = key * queries / keys, end = ((key + 1) * queries + keys - 1) / keys;
                float offset = (query - (first + end - 1) / 2f) / Math.Max(scale - 1, 1) * Reach;
                if (!known.TryGetValue(offset, out long place))
                {
                    known[offset] = place = values.Count;
                    values.Add(Math.Sign(offset) * MathF.Log2(Math.Abs(offset) + 1) / MathF.Log2(Reach));
                }
                index[query * keys + key] = place;
            }
        return ([.. values], index);
    }

    public void Dispose()
    {
        coordinates?.Dispose();
        rows?.Dispose();
        columns?.Dispose();
        (coordinates, rows, columns, size) = (null, null, null, null);
    }
}
