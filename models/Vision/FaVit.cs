using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A FaViT; fields as in the authors' repository.</summary>
public sealed record FaVitConfig : AttentionHostConfig
{
    /// <summary>Channels of each stage.</summary>
    public int[] embed_dims { get; init; } = [64, 128, 256, 512];
    /// <summary>Heads of the local attentions at each stage.</summary>
    public int[] num_heads { get; init; } = [1, 2, 4, 8];
    /// <summary>Width of the MLP in units of the channels, at each stage.</summary>
    public double[] mlp_ratios { get; init; } = [8, 6, 4, 4];
    /// <summary>Blocks of each stage.</summary>
    public int[] depths { get; init; } = [2, 2, 6, 2];
    /// <summary>Positions of a side that one global key stands for, and the dilation of the wider windows, at each stage.</summary>
    public int[] sr_ratios { get; init; } = [8, 4, 2, 1];
    public bool qkv_bias { get; init; } = true;
    public double proj_drop_rate { get; init; }
    public double attn_drop_rate { get; init; }
}

/// <summary>A depthwise 3x3 and a 1x1 convolution. (B, C, H, W) to the same.</summary>
internal sealed class FaVitConvolution : Block
{
    private readonly Conv2d depth_conv;
    private readonly Conv2d point_conv;

    public FaVitConvolution(int dim) : base(nameof(FaVitConvolution))
    {
        depth_conv = nn.Conv2d(dim, dim, kernel_size: 3, padding: 1, groups: dim);
        point_conv = nn.Conv2d(dim, dim, kernel_size: 1);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => point_conv.call(depth_conv.call(x));
}

/// <summary>
/// Factorization self-attention: the first channels attend to a coarser map, the others to the keys of one window that stands
/// for all windows of the map, without and with dilation. (B, H, W, C) to the same.
/// </summary>
internal sealed class FactorizedAttention : Block
{
    private const int Window = 7;

    private readonly Linear q;
    private readonly Linear kv_g;
    private readonly FaVitConvolution kv_l;
    private readonly Conv2d sr;
    private readonly LayerNorm norm;
    private readonly Conv2d local_conv_g;
    private readonly ModuleList<Linear> fcs;
    private readonly ModuleList<Linear> single_heads;
    private readonly ModuleList<Conv2d> local_convs;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly int num_heads, sr_ratio;
    private readonly double attn_drop;
    private readonly int[] dims;

    public FactorizedAttention(FaVitConfig config, int stage) : base(nameof(FactorizedAttention))
    {
        int dim = config.embed_dims[stage];
        (num_heads, sr_ratio, attn_drop) = (config.num_heads[stage], config.sr_ratios[stage], config.attn_drop_rate);
        int[] shares = sr_ratio > 1 ? [2, 7, 7] : [1, 7];
        dims = [.. shares.Select(share => dim / shares.Sum() * share)];
        if (dims.Sum() != dim || dims.Skip(1).Any(part => part % num_heads != 0))
            throw new UserError($"{dim} channels do not divide into {shares.Sum()} shares for num_heads {num_heads}", "choose embed_dims that are multiples of 16 times the heads");
        q = nn.Linear(dim, dim, hasBias: config.qkv_bias);
        kv_g = nn.Linear(dims[0], 2 * dims[0], hasBias: config.qkv_bias);
        kv_l = new FaVitConvolution(dim - dims[0]);
        sr = nn.Conv2d(dims[0], dims[0], kernel_size: sr_ratio, stride: sr_ratio);
        norm = nn.LayerNorm(dims[0]);
        local_conv_g = nn.Conv2d(dims[0], dims[0], kernel_size: 3, padding: 1, groups: dims[0]);
        var local = dims[1..];
        fcs = nn.ModuleList(local.Select(part => nn.Linear(part / num_heads, part / num_heads, hasBias: config.qkv_bias)).ToArray());
        single_heads = nn.ModuleList(local.Select(part => nn.Linear(part / num_heads, 2 * part / num_heads, hasBias: config.qkv_bias)).ToArray());
        local_convs = nn.ModuleList(local.Select(part => nn.Conv2d(part, part, kernel_size: 3, padding: 1, groups: part)).ToArray());
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width) = (x.shape[0], x.shape[1], x.shape[2]);
        var queries = q.call(x).flatten(1, 2);
        var map = x.permute(0, 3, 1, 2);
        var mixed = new List<Tensor> { Global(queries.narrow(-1, 0, dims[0]), map.narrow(1, 0, dims[0])) };

        // Queries are cut within each head, the channels of keys before they go to heads: the authors pair them so.
        var heads = queries.narrow(-1, dims[0], queries.shape[2] - dims[0]).unflatten(-1, num_heads, -1).transpose(1, 2);
        var local = kv_l.call(map.narrow(1, dims[0], map.shape[1] - dims[0]));
        for (int i = 0, start = 0; i < fcs.Count; start += dims[++i])
            mixed.Add(Local(i, heads.narrow(-1, start / num_heads, dims[i + 1] / num_heads), local.narrow(1, start, dims[i + 1])));
        return proj_drop.call(proj.call(cat(mixed, -1)).reshape(batch, height, width, -1));
    }

    private Tensor Attend(Tensor queries, Tensor keys, Tensor values) =>
        ScaledDotProduct.Attend(queries, keys, values, dropout: training ? attn_drop : 0).transpose(1, 2).flatten(2);

    // One head. (B, N, C) queries, (B, C, H, W) map; to (B, N, C).
    private Tensor Global(Tensor queries, Tensor map)
    {
        var coarse = sr.call(map);
        var (height, width) = (coarse.shape[2], coarse.shape[3]);
        var parts = kv_g.call(norm.call(coarse.flatten(2).transpose(1, 2))).chunk(2, -1);
        var values = parts[1] + local_conv_g.call(parts[1].transpose(1, 2).unflatten(-1, height, width)).flatten(2).transpose(1, 2);
        return Attend(queries.unsqueeze(1), parts[0].unsqueeze(1), values.unsqueeze(1));
    }

    // (B, heads, N, c) queries, (B, heads * c, H, W) map; to (B, N, heads * c).
    private Tensor Local(int part, Tensor queries, Tensor map)
    {
        long batch = map.shape[0], channels = map.shape[1], dim = channels / num_heads;
        int dilation = part == 0 ? 1 : sr_ratio;
        var (rows, columns) = (Sampled(map.shape[2], dilation), Sampled(map.shape[3], dilation));
        var windows = map.index_select(2, tensor(rows).to(map.device)).index_select(3, tensor(columns).to(map.device));
        var positions = windows.reshape(batch, num_heads, dim, Window, rows.Length / Window, Window, columns.Length / Window).permute(0, 1, 3, 5, 4, 6, 2);
        // As the authors have it, the mean is over consecutive entries of all windows' channels in a row, not over windows.
        var mean = positions.reshape(batch, num_heads, Window * Window, dim, -1).mean([-1]);
        var parts = single_heads[part].call(fcs[part].call(mean)).chunk(2, -1);
        var grid = parts[1].transpose(2, 3).reshape(batch, channels, Window, Window);
        var values = parts[1] + local_convs[part].call(grid).reshape(batch, num_heads, dim, -1).transpose(2, 3);
        return Attend(queries, parts[0], values);
    }

    // Rows of a map that dilated windows beside each other take, mirrored at the border: for each row of a window, those of all windows.
    private static long[] Sampled(long size, int dilation)
    {
        long step = dilation * (Window - 1) + 1, windows = (size + step - 1) / step;
        long Mirrored(long i) => size == 1 ? 0 : (i %= 2 * (size - 1)) < size ? i : 2 * (size - 1) - i;
        return [.. from row in Enumerable.Range(0, Window) from window in Enumerable.Range(0, (int)windows) select Mirrored(window * step + row * dilation)];
    }
}

/// <summary>Attention and an MLP, each after a norm and added to its input. (B, H, W, C) to the same.</summary>
internal sealed class FaVitBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly nn.Module<Tensor, Tensor> attn;
    private readonly nn.Module<Tensor, Tensor> drop_path;
    private readonly LayerNorm norm2;
    private readonly DepthwiseMlp mlp;
    private readonly HostedAttention mixer;

    public FaVitBlock(FaVitConfig config, int stage, int index, double drop) : base(nameof(FaVitBlock))
    {
        int dim = config.embed_dims[stage];
        norm1 = nn.LayerNorm(dim, 1e-6);
        var site = config.Site(dim, config.num_heads[stage], 4 << stage, index);
        mixer = config.attention is { } chosen ? new HostedAttention(chosen, site)
            : new HostedAttention(new FactorizedAttention(config, stage), AttentionLayout.Map, site);
        attn = mixer.Module;
        drop_path = DropPath.Of(drop);
        norm2 = nn.LayerNorm(dim, 1e-6);
        mlp = new DepthwiseMlp(dim, (long)(dim * config.mlp_ratios[stage]), config.proj_drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + drop_path.call(mixer.OnMap(norm1.call(x)));
        return x + drop_path.call(mlp.call(norm2.call(x)));
    }
}

/// <summary>
/// FaViT: Qin et al., Factorization Vision Transformer: Modeling Long Range Dependency with Local Window Cost, 2023
/// (arXiv:2312.08614). Parameter names as in the authors' repository, q2479036243/FaViT. Images of any size are taken whose
/// maps the reflected padding of the windows fits.
/// </summary>
public sealed class FaVit(FaVitConfig config) : PyramidModel(nameof(FaVit), config, config.depths, config.embed_dims,
    stage => stage == 0
        ? new OverlapPatchEmbed(config.in_chans, config.embed_dims[0], patch_size: 7, stride: 4)
        : new OverlapPatchEmbed(config.embed_dims[stage - 1], config.embed_dims[stage], patch_size: 3, stride: 2),
    (stage, index, rate) => new FaVitBlock(config, stage, index, rate),
    stage => nn.LayerNorm(config.embed_dims[stage], 1e-6))
{
    // --- variants --------------------------------------------------------------------------------

    private static readonly FaVitConfig B1 = new();

    /// <summary>The variants, by the authors' names.</summary>
    public static ModelFamily<FaVitConfig> Family { get; } = new()
    {
        Name = "FaViT",
        Reference = "Qin et al., Factorization Vision Transformer: Modeling Long Range Dependency with Local Window Cost, 2023 (arXiv:2312.08614)",
        Build = config => new FaVit(config),
        Table = new Dictionary<string, FaVitConfig>
        {
            ["favit_b0"] = B1 with { embed_dims = [32, 64, 128, 256] },
            ["favit_b1"] = B1,
            ["favit_b2"] = B1 with { depths = [2, 3, 18, 3] },
            ["favit_b3"] = B1 with { embed_dims = [96, 192, 384, 768], depths = [2, 3, 14, 3] },
        },
    };
}
