using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="LambdaLayer"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record LambdaLayerConfig : MultiHeadConfig
{
    /// <summary>Channels of queries and keys.</summary>
    public int dim_head { get; init; } = 16;
    /// <summary>Side of the neighbourhood of the position lambdas, odd; null for embeddings of all relative positions.</summary>
    public int? r { get; init; } = 9;
    public bool qkv_bias { get; init; }
    /// <summary>2 for an output of half the map's sides.</summary>
    public int stride { get; init; } = 1;

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override LambdaLayer Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads }, site.Height, site.Width);
}

/// <summary>
/// Sums the map up in linear functions, one for its content and one for the neighbourhood of each position, and applies them
/// to the queries: long-range interaction without attention maps. (B, H, W, C) to (B, H/stride, W/stride, C). Bello,
/// LambdaNetworks, 2021 (arXiv:2102.08602); parameter names as in timm.
/// </summary>
public sealed class LambdaLayer : Block
{
    private readonly Conv2d qkv;
    private readonly BatchNorm2d norm_q;
    private readonly BatchNorm2d norm_v;
    private readonly Conv3d? conv_lambda;
    private readonly Parameter? pos_emb;

    private readonly LambdaLayerConfig config;
    private readonly int num_heads;

    /// <param name="dim">C.</param>
    /// <param name="config">See there.</param>
    /// <param name="height">H of the map that embeddings of all positions are made for.</param>
    /// <param name="width">W of it.</param>
    public LambdaLayer(long dim, LambdaLayerConfig config, int height, int width) : base(nameof(LambdaLayer))
    {
        this.config = config;
        num_heads = config.HeadsFor(dim);
        if (config.r % 2 == 0 || config.stride is not (1 or 2))
            throw new UserError($"a lambda layer with r {config.r} and stride {config.stride} cannot be made", "choose an odd r and a stride of 1 or 2");
        int keys = config.dim_head;
        qkv = nn.Conv2d(dim, (num_heads + 1) * keys + dim / num_heads, kernel_size: 1, bias: config.qkv_bias);
        norm_q = nn.BatchNorm2d(num_heads * keys);
        norm_v = nn.BatchNorm2d(dim / num_heads);
        using var _ = no_grad();
        nn.init.trunc_normal_(qkv.weight, std: Math.Pow(dim, -0.5));
        if (config.r is { } r)
        {
            conv_lambda = nn.Conv3d(1, keys, (r, r, 1), padding: (r / 2, r / 2, 0));
            nn.init.trunc_normal_(conv_lambda.weight, std: Math.Pow(keys, -0.5));
        }
        else
        {
            pos_emb = new Parameter(zeros(2 * height - 1, 2 * width - 1, keys));
            nn.init.trunc_normal_(pos_emb, std: 0.02);
        }
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width, dim) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        var (keys, tokens) = (config.dim_head, height * width);
        var mixed = qkv.call(x.permute(0, 3, 1, 2));
        var q = norm_q.call(mixed.slice(1, 0, num_heads * keys, 1)).reshape(batch, num_heads, keys, tokens).permute(0, 3, 1, 2);
        var k = mixed.slice(1, num_heads * keys, (num_heads + 1) * keys, 1).reshape(batch, keys, tokens).softmax(-1);
        var v = norm_v.call(mixed.slice(1, (num_heads + 1) * keys, mixed.shape[1], 1));

        // (B, 1 or N, K, V): what a query is multiplied by, for all positions alike and for each.
        var content = matmul(k, v.flatten(2).transpose(1, 2)).unsqueeze(1);
        var lambdas = content + (conv_lambda is null ? ByEmbedding(v) : ByConvolution(v));
        FlopCounter.Add(batch * tokens * (keys * v.shape[1] + dim * keys));
        x = matmul(q, lambdas).reshape(batch, height, width, dim);
        return config.stride == 2 ? Windows.Halve(x) : x;
    }

    // (B, V, H, W) to (B, N, K, V).
    private Tensor ByConvolution(Tensor v)
    {
        var (batch, values, height, width) = (v.shape[0], v.shape[1], v.shape[2], v.shape[3]);
        FlopCounter.Add(v.numel() * conv_lambda!.weight.numel());
        // The third side of the kernel is 1: each channel of the values is convolved alone.
        var lambdas = nn.functional.conv2d(v.reshape(batch * values, 1, height, width), conv_lambda.weight.squeeze(-1), conv_lambda.bias,
            strides: [1, 1], padding: [config.r!.Value / 2, config.r.Value / 2]);
        return lambdas.reshape(batch, values, config.dim_head, height * width).permute(0, 3, 2, 1);
    }

    private Tensor ByEmbedding(Tensor v)
    {
        var (height, width) = ((int)v.shape[2], (int)v.shape[3]);
        Tensor table = pos_emb!;
        if (table.shape[0] != 2 * height - 1 || table.shape[1] != 2 * width - 1)
            table = RelativePositionTable.Resized(table.permute(2, 0, 1), height, width);
        // Offsets from query to key.
        var index = Windows.RelativePositionIndex(height, width).t().reshape(-1).to(v.device);
        long tokens = height * width;
        var embeddings = table.flatten(0, 1).index_select(0, index).reshape(1, tokens, tokens, -1).transpose(-1, -2);
        FlopCounter.Add(v.numel() * tokens * config.dim_head);
        return matmul(embeddings, v.flatten(2).transpose(1, 2).unsqueeze(1));
    }
}
