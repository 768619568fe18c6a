using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="GlobalContextAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record GlobalContextAttentionConfig : MultiHeadConfig
{
    /// <summary>Side of the square windows, in tokens.</summary>
    public int window_size { get; init; } = 7;
    /// <summary>Queries from the whole map rather than from the window; null for that in every second block of a host.</summary>
    public bool? use_global { get; init; }
    /// <summary>
    /// As timm does: the batch's queries are dealt to its windows in turn, so that a window may get those of another image.
    /// False gives each window its own image's, as the authors' code does. A batch of one image is the same either way.
    /// </summary>
    public bool tile_queries { get; init; }
    public bool qkv_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Map;

    public override GlobalContextAttention Create(AttentionSite site)
    {
        int side = Math.Min(site.Height, site.Width);
        int window = Math.Min(side, window_size);
        return new GlobalContextAttention(site.Dim, this with
        {
            num_heads = num_heads ?? site.NumHeads,
            window_size = window,
            use_global = use_global ?? site.Index % 2 != 0,
        }, GlobalQuery.LevelsFor(side, window));
    }
}

/// <summary>
/// Attention within windows whose queries may come from a summary of the whole map. (B, H, W, C) to the same.
/// Hatamizadeh et al., Global Context Vision Transformers, 2023 (arXiv:2206.09959).
/// </summary>
public sealed class GlobalContextAttention : Block
{
    private readonly GlobalQuery? global_block;
    private readonly GlobalQueryAttention attn;

    /// <param name="dim">C.</param>
    /// <param name="config">The options.</param>
    /// <param name="levels">How often the map is halved on the way to the queries.</param>
    public GlobalContextAttention(long dim, GlobalContextAttentionConfig config, int levels = 0) : base(nameof(GlobalContextAttention))
    {
        global_block = config.use_global == true ? new GlobalQuery(dim, levels) : null;
        attn = new GlobalQueryAttention(dim, config);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => attn.call(x, global_block is null ? x : global_block.call(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1));
}

/// <summary>
/// A depthwise convolution, a gate on each channel and a 1x1 convolution, added to the input. (B, C, H, W) to the same;
/// parameter names as in timm's gcvit.py.
/// </summary>
public sealed class GatedConvBlock : Block
{
    private readonly Conv2d conv_dw;
    private readonly GELU act;
    private readonly SqueezeExcitation se;
    private readonly Conv2d conv_pw;

    public GatedConvBlock(long channels) : base(nameof(GatedConvBlock))
    {
        conv_dw = nn.Conv2d(channels, channels, kernel_size: 3, padding: 1, groups: channels, bias: false);
        act = nn.GELU();
        se = new SqueezeExcitation(channels, SqueezeExcitation.Hidden(channels, 0.25), "gelu", bias: false);
        conv_pw = nn.Conv2d(channels, channels, kernel_size: 1, bias: false);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => x + conv_pw.call(se.call(act.call(conv_dw.call(x))));
}

/// <summary>
/// Makes the queries of <see cref="GlobalQueryAttention"/> from a whole map: convolutions, and halvings until one window is
/// left. (B, C, H, W) to (B, C, H / 2^levels, W / 2^levels).
/// </summary>
public sealed class GlobalQuery : Block
{
    private readonly Sequential blocks;

    public GlobalQuery(long dim, int levels) : base(nameof(GlobalQuery))
    {
        var parts = new List<(string, nn.Module<Tensor, Tensor>)>();
        for (int i = 1; i <= Math.Max(1, levels); i++)
        {
            parts.Add(($"conv{i}", new GatedConvBlock(dim)));
            if (levels > 0)
                parts.Add(($"pool{i}", nn.MaxPool2d(3, stride: 2, padding: 1)));
        }
        blocks = nn.Sequential([.. parts]);
        RegisterComponents();
    }

    /// <summary>Halvings from a map's side to a window's.</summary>
    public static int LevelsFor(int side, int window) => (int)Math.Log2((double)side / window);

    protected override Tensor Forward(Tensor x) => blocks.call(x);
}

/// <summary>
/// Self-attention within windows, with a learned bias for each relative position; where it is global, all windows share
/// queries that are given. Maps x (B, H, W, C) and queries (B, h, w, C) to (B, H, W, C); a map that does not divide into
/// windows is padded, queries of another size than a window are averaged to it. Parameter names as in timm's gcvit.py.
/// </summary>
public sealed class GlobalQueryAttention : nn.Module<Tensor, Tensor, Tensor>
{
    private readonly RelativePositionTable rel_pos;
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly GlobalContextAttentionConfig config;
    private readonly int num_heads;
    private readonly bool use_global;

    public GlobalQueryAttention(long dim, GlobalContextAttentionConfig config) : base(nameof(GlobalQueryAttention))
    {
        this.config = config;
        num_heads = config.HeadsFor(dim);
        use_global = config.use_global == true;
        rel_pos = new RelativePositionTable(config.window_size, config.window_size, num_heads);
        qkv = nn.Linear(dim, dim * (use_global ? 2 : 3), hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x, Tensor queries)
    {
        using var scope = NewDisposeScope();
        int window = config.window_size;
        var (height, width) = (x.shape[1], x.shape[2]);
        x = Windows.Pad(x, window, window);
        var (paddedHeight, paddedWidth) = (x.shape[1], x.shape[2]);
        var attended = AttendWithin(Windows.Partition(x, window, window), queries);
        x = Windows.Merge(proj_drop.call(proj.call(attended)), window, window, paddedHeight, paddedWidth);
        return scope.MoveToOuter(paddedHeight == height && paddedWidth == width ? x.alias() : x.slice(1, 0, height, 1).slice(2, 0, width, 1));
    }

    // (B, windows, N, C) to the same.
    private Tensor AttendWithin(Tensor windows, Tensor queries)
    {
        var (batch, count, tokens, dim) = (windows.shape[0], windows.shape[1], windows.shape[2], windows.shape[3]);
        long head_dim = dim / num_heads;
        var parts = qkv.call(windows).reshape(batch, count, tokens, -1, num_heads, head_dim).permute(3, 0, 1, 4, 2, 5).unbind(0);
        var q = use_global ? Shared(queries, count).reshape(batch, count, tokens, num_heads, head_dim).transpose(2, 3) : parts[0];
        var attended = ScaledDotProduct.Attend(q, parts[^2], parts[^1], rel_pos.Bias(), dropout: training ? config.attn_drop : 0);
        return attended.transpose(2, 3).reshape(batch, count, tokens, dim);
    }

    // (B, h, w, C) to (B, windows, window, window, C).
    private Tensor Shared(Tensor queries, long count)
    {
        int window = config.window_size;
        if (queries.shape[1] != window || queries.shape[2] != window)
            queries = nn.functional.adaptive_avg_pool2d(queries.permute(0, 3, 1, 2), window).permute(0, 2, 3, 1);
        return config.tile_queries ? queries.repeat(count, 1, 1, 1) : queries.unsqueeze(1).expand(-1, count, -1, -1, -1);
    }
}
