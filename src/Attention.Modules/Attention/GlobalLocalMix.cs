using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="GlobalLocalMix"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record GlobalLocalMixConfig : MultiHeadConfig
{
    /// <summary>Slots that stand for the map; a square number.</summary>
    public int num_slots { get; init; } = 64;
    /// <summary>Side of the depthwise convolution of the local branch.</summary>
    public int local_dw_ks { get; init; } = 5;

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override GlobalLocalMix Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// A map is softly grouped into slots, slots attend to each other and are softly spread again, and a convolution adds what is
/// near. (B, H, W, C) to the same; parameter names as in the authors' repository, rayleizhu/GLMix, whose network has them
/// in its blocks. Zhu et al., Revisiting the Integration of Convolution and Attention for Vision Backbone, 2024
/// (arXiv:2411.14429).
/// </summary>
public sealed class GlobalLocalMix : Block
{
    private readonly Parameter slot_scale;
    private readonly PackedAttention relation_mha;
    private readonly Sequential feature_conv;
    private readonly int side;

    public GlobalLocalMix(long dim, GlobalLocalMixConfig config) : base(nameof(GlobalLocalMix))
    {
        side = SideOf(config.num_slots);
        slot_scale = ScaleOf(dim);
        relation_mha = new PackedAttention(dim, config.HeadsFor(dim));
        feature_conv = LocalBranch(dim, config.local_dw_ks);
        RegisterComponents();
    }

    /// <summary>Slots along a side of the map.</summary>
    public static int SideOf(int num_slots) => (int)Math.Sqrt(num_slots) is var side && side > 0 && side * side == num_slots ? side
        : throw new UserError($"num_slots {num_slots} is no square number", "choose 16, 49, 64 or another square");

    /// <summary>The scale of the grouping at the start.</summary>
    public static Parameter ScaleOf(long dim) => new(tensor((float)Math.Pow(dim, -0.5)));

    /// <summary>A 1x1, a depthwise and a 1x1 convolution.</summary>
    public static Sequential LocalBranch(long dim, int kernel) => nn.Sequential(
        nn.Conv2d(dim, dim, kernel_size: 1), nn.Conv2d(dim, dim, kernel_size: kernel, padding: kernel / 2, groups: dim), nn.Conv2d(dim, dim, kernel_size: 1));

    /// <summary>Means of a map (B, C, H, W) as slots (B, side², C).</summary>
    public static Tensor Slots(Tensor map, int side) => nn.functional.adaptive_avg_pool2d(map, (side, side)).flatten(2).transpose(1, 2);

    /// <summary>A map (B, C, H, W) mixed globally by slots (B, S, C) that say where each looks.</summary>
    public static Tensor Mix(Tensor map, Tensor slots, Tensor scale, nn.Module<Tensor, Tensor> relation)
    {
        using var scope = NewDisposeScope();
        var tokens = map.flatten(2).transpose(1, 2);
        var logits = matmul(nn.functional.normalize(slots, dim: -1), scale * nn.functional.normalize(tokens, dim: -1).transpose(-2, -1));
        // (B, S, N) for the scores, as much for grouping and for spreading.
        FlopCounter.Add(3 * tokens.numel() * logits.shape[1]);
        var grouped = relation.call(matmul(logits.softmax(-1), tokens));
        var spread = matmul(logits.transpose(-2, -1).softmax(-1), grouped);
        return scope.MoveToOuter(spread.transpose(1, 2).reshape(map.shape));
    }

    protected override Tensor Forward(Tensor x)
    {
        var map = x.permute(0, 3, 1, 2);
        return (Mix(map, Slots(map, side), slot_scale, relation_mha) + feature_conv.call(map)).permute(0, 2, 3, 1);
    }
}

/// <summary>Self-attention under the names of PyTorch's nn.MultiheadAttention. (B, N, C) to the same.</summary>
public sealed class PackedAttention : Block
{
    private readonly Parameter in_proj_weight;
    private readonly Parameter in_proj_bias;
    private readonly Linear out_proj;
    private readonly int num_heads;

    public PackedAttention(long dim, int num_heads) : base(nameof(PackedAttention))
    {
        this.num_heads = num_heads;
        in_proj_weight = new Parameter(empty(3 * dim, dim));
        in_proj_bias = new Parameter(zeros(3 * dim));
        out_proj = nn.Linear(dim, dim);
        using (no_grad())
        {
            nn.init.xavier_uniform_(in_proj_weight);
            nn.init.zeros_(out_proj.bias!);
        }
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        FlopCounter.Add(x.numel() * in_proj_weight.shape[0]);
        var parts = nn.functional.linear(x, in_proj_weight, in_proj_bias).unflatten(-1, 3, num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0);
        return out_proj.call(ScaledDotProduct.Attend(parts[0], parts[1], parts[2]).transpose(1, 2).flatten(2));
    }
}
