using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What an <see cref="AggregatedAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record AggregatedAttentionConfig : CosineAttentionConfig
{
    /// <summary>Side of the window around each position, odd.</summary>
    public int window_size { get; init; } = 3;
    /// <summary>Positions of a side that one pooled key stands for.</summary>
    public int sr_ratio { get; init; } = 2;
    /// <summary>Side of the pooled map, whatever the map's size; null to let sr_ratio decide.</summary>
    public int? fixed_pool_size { get; init; }

    public override AggregatedAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Each position attends, in one softmax, to its neighbours one by one (as the fovea sees) and to the whole map in pooled
/// cells; learned tokens add to the neighbours' weights. (B, H, W, C) to the same; parameter names as in the authors'
/// repository, DaiShiResearch/TransNeXt.
/// Shi, TransNeXt: Robust Foveal Visual Perception for Vision Transformers, 2024 (arXiv:2311.17132).
/// </summary>
public sealed class AggregatedAttention : CosineAttention
{
    private readonly Linear q;
    private readonly Linear kv;
    private readonly Conv2d sr;
    private readonly LayerNorm norm;
    private readonly Parameter relative_pos_bias_local;
    private readonly Parameter learnable_tokens;
    private readonly Parameter learnable_bias;

    private readonly AggregatedAttentionConfig config;
    private readonly WindowCounts counts;

    public AggregatedAttention(long dim, AggregatedAttentionConfig config) : base(nameof(AggregatedAttention), dim, config)
    {
        this.config = config;
        if (config.window_size < 1 || config.window_size % 2 == 0)
            throw new UserError($"window_size {config.window_size} has no middle", "choose an odd window_size");
        if (config.sr_ratio < 1 || config.fixed_pool_size < 1)
            throw new UserError("sr_ratio and fixed_pool_size must be at least 1", "choose larger ones");
        int window = config.window_size * config.window_size;
        q = nn.Linear(dim, dim, hasBias: config.qkv_bias);
        kv = nn.Linear(dim, dim * 2, hasBias: config.qkv_bias);
        sr = nn.Conv2d(dim, dim, kernel_size: 1);
        norm = nn.LayerNorm(dim);
        relative_pos_bias_local = new Parameter(Small(0.0004, num_heads, window));
        learnable_tokens = new Parameter(Small(0.02, num_heads, dim / num_heads, window));
        learnable_bias = new Parameter(zeros(num_heads, 1, window));
        counts = new WindowCounts(config.window_size);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width, dim) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        var (pooledHeight, pooledWidth) = PooledSize(height, width);
        long window = config.window_size * config.window_size, pooled = pooledHeight * pooledWidth;
        // (B, H, W, heads, n) to (B, heads, H * W, n).
        static Tensor Rows(Tensor t) => t.permute(0, 3, 1, 2, 4).flatten(2, 3);

        var (inside, keys) = counts.Get(height, width, temperature);
        var direction = Normalized(q.call(x));
        var queries = Scaled(direction, (keys + pooled).log());
        var around = kv.call(x).chunk(2, -1);
        var local = Rows(SlidingWindow.Scores(queries, Normalized(around[0]), config.window_size))
            + (relative_pos_bias_local.unsqueeze(1) + inside);

        var cells = kv.call(Pool(x, pooledHeight, pooledWidth)).chunk(2, -1);
        var (cellKeys, cellValues) = (Normalized(cells[0]).transpose(1, 2), Heads(cells[1]).transpose(1, 2));
        FlopCounter.Attention(Rows(queries), cellKeys, cellValues);
        var global = matmul(Rows(queries), cellKeys.transpose(-2, -1)) + PositionBias(height, width, PooledSize);

        var weights = cat([local, global], -1).softmax(-1);
        if (training && config.attn_drop > 0)
            weights = nn.functional.dropout(weights, config.attn_drop, training: true);
        FlopCounter.Add(direction.numel() * window);
        var neighbours = weights.narrow(-1, 0, window) + matmul(Rows(direction), learnable_tokens) + learnable_bias;
        var mixed = SlidingWindow.Mix(neighbours.unflatten(2, height, width).permute(0, 2, 3, 1, 4), Heads(around[1]), config.window_size)
            + matmul(weights.narrow(-1, window, pooled), cellValues).unflatten(2, height, width).permute(0, 2, 3, 1, 4);
        return Project(mixed, x);
    }

    private (long Height, long Width) PooledSize(long height, long width) => config.fixed_pool_size is { } side
        ? (side, side)
        : (Math.Max(height / config.sr_ratio, 1), Math.Max(width / config.sr_ratio, 1));

    // (B, H, W, C) to (B, cells, C).
    private Tensor Pool(Tensor x, long height, long width)
    {
        x = nn.functional.gelu(sr.call(x.permute(0, 3, 1, 2)));
        return norm.call(nn.functional.adaptive_avg_pool2d(x, (height, width)).flatten(2).transpose(1, 2));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            counts.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>What the border takes from the windows of a map, kept from call to call while the map's size stays.</summary>
internal sealed class WindowCounts(int window) : IDisposable
{
    private (long, long, Device, ScalarType)? size;
    private Tensor? mask, count;

    /// <summary>
    /// Added to scores (H * W, window²): minus infinity beyond the border, else 0; and how many of a window's positions lie on
    /// the map, (H, W, 1, 1). Both on the device and of the type of <paramref name="like"/>.
    /// </summary>
    public (Tensor Mask, Tensor Count) Get(long height, long width, Tensor like)
    {
        var now = (height, width, like.device, like.dtype);
        if (size != now)
        {
            Dispose();
            using var scope = NewDisposeScope();
            var (outside, inside) = Border(height, width);
            mask = tensor(outside, [height * width, window * window]).to(like.dtype, like.device, copy: true).DetachFromDisposeScope();
            count = tensor(inside, [height, width, 1, 1]).to(like.dtype, like.device, copy: true).DetachFromDisposeScope();
            size = now;
        }
        return (mask!, count!);
    }

    private (float[] Outside, float[] Inside) Border(long height, long width)
    {
        int reach = window / 2;
        var (outside, inside) = (new float[height * width * window * window], new float[height * width]);
        for (long position = 0, i = 0; position < inside.Length; position++)
            for (int row = -reach; row <= reach; row++)
                for (int column = -reach; column <= reach; column++, i++)
                    if (position / width + row is var down && down >= 0 && down < height
                        && position % width + column is var across && across >= 0 && across < width)
                        inside[position]++;
                    else
                        outside[i] = float.NegativeInfinity;
        return (outside, inside);
    }

    public void Dispose()
    {
        mask?.Dispose();
        count?.Dispose();
        (mask, count, size) = (null, null, null);
    }
}
