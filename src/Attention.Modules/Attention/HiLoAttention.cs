using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="HiLoAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record HiLoAttentionConfig : MultiHeadConfig
{
    /// <summary>Side of the windows of the high frequencies, and positions of a side that one key of the low ones stands for; 1 for plain attention.</summary>
    public int window_size { get; init; } = 2;
    /// <summary>Share of the heads that see low frequencies.</summary>
    public double alpha { get; init; } = 0.5;
    public bool qkv_bias { get; init; } = true;

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override HiLoAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Some heads attend within small windows, for the high frequencies; the others to the means of the windows, for the low ones.
/// (B, H, W, C) to the same; maps that windows do not divide are padded. Parameter names as in the authors' repository,
/// ziplab/LITv2. Pan et al., Fast Vision Transformers with HiLo Attention, 2022 (arXiv:2205.13213).
/// </summary>
public sealed class HiLoAttention : Block
{
    private readonly Linear? l_q;
    private readonly Linear? l_kv;
    private readonly Linear? l_proj;
    private readonly Linear? h_qkv;
    private readonly Linear? h_proj;

    private readonly int window, lowHeads, highHeads;

    public HiLoAttention(long dim, HiLoAttentionConfig config) : base(nameof(HiLoAttention))
    {
        int heads = config.HeadsFor(dim);
        window = config.window_size;
        if (window < 1 || config.alpha is < 0 or > 1)
            throw new UserError($"window_size {window} must be at least 1 and alpha {config.alpha} between 0 and 1", "choose others");
        lowHeads = window == 1 ? heads : (int)(heads * config.alpha);
        highHeads = heads - lowHeads;
        long low = dim / heads * lowHeads, high = dim - low;
        if (lowHeads > 0)
        {
            l_q = nn.Linear(dim, low, hasBias: config.qkv_bias);
            l_kv = nn.Linear(dim, 2 * low, hasBias: config.qkv_bias);
            l_proj = nn.Linear(low, low);
        }
        if (highHeads > 0)
        {
            h_qkv = nn.Linear(dim, 3 * high, hasBias: config.qkv_bias);
            h_proj = nn.Linear(high, high);
        }
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (height, width) = (x.shape[1], x.shape[2]);
        x = Windows.Pad(x, window, window);
        var mixed = (lowHeads, highHeads) switch
        {
            (_, 0) => Low(x),
            (0, _) => High(x),
            _ => cat([High(x), Low(x)], -1),
        };
        return mixed.shape[1] == height && mixed.shape[2] == width ? mixed : mixed.slice(1, 0, height, 1).slice(2, 0, width, 1);
    }

    private Tensor High(Tensor x)
    {
        var qkv = Windows.Partition(h_qkv!.call(x), window, window);
        var parts = qkv.unflatten(-1, 3, highHeads, -1).permute(3, 0, 1, 4, 2, 5).unbind(0);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2]).transpose(2, 3).flatten(3);
        return h_proj!.call(Windows.Merge(attended, window, window, x.shape[1], x.shape[2]));
    }

    private Tensor Low(Tensor x)
    {
        Tensor Heads(Tensor t) => t.flatten(1, 2).unflatten(-1, lowHeads, -1).transpose(1, 2);
        var means = window == 1 ? x : nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), window).permute(0, 2, 3, 1);
        var parts = l_kv!.call(means).chunk(2, -1);
        var attended = ScaledDotProduct.Attend(Heads(l_q!.call(x)), Heads(parts[0]), Heads(parts[1]));
        return l_proj!.call(attended.transpose(1, 2).reshape(x.shape[0], x.shape[1], x.shape[2], -1));
    }
}
