using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="TalkingHeadsAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record TalkingHeadsAttentionConfig : MultiHeadConfig
{
    public bool qkv_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Sequence;
    public override TalkingHeadsAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Self-attention whose heads mix their scores before the softmax and their weights after it. (B, N, C) to the same;
/// parameter names as in timm's cait.py. Shazeer et al., Talking-Heads Attention, 2020 (arXiv:2003.02436).
/// </summary>
public sealed class TalkingHeadsAttention : Block
{
    private readonly Linear qkv;
    private readonly Linear proj;
    private readonly Linear proj_l;
    private readonly Linear proj_w;
    private readonly Dropout attn_drop;
    private readonly Dropout proj_drop;
    private readonly int num_heads;

    public TalkingHeadsAttention(long dim, TalkingHeadsAttentionConfig config) : base(nameof(TalkingHeadsAttention))
    {
        num_heads = config.HeadsFor(dim);
        qkv = nn.Linear(dim, dim * 3, hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        proj_l = nn.Linear(num_heads, num_heads);
        proj_w = nn.Linear(num_heads, num_heads);
        attn_drop = nn.Dropout(config.attn_drop);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, tokens, dim) = (x.shape[0], x.shape[1], x.shape[2]);
        long head_dim = dim / num_heads;
        var parts = qkv.call(x).reshape(batch, tokens, 3, num_heads, head_dim).permute(2, 0, 3, 1, 4).unbind(0);
        FlopCounter.Attention(parts[0], parts[1], parts[2]);
        var scores = matmul(parts[0] / Math.Sqrt(head_dim), parts[1].transpose(-2, -1));
        var weights = Mix(Mix(scores, proj_l).softmax(-1), proj_w);
        var attended = matmul(attn_drop.call(weights), parts[2]);
        return proj_drop.call(proj.call(attended.transpose(1, 2).reshape(batch, tokens, dim)));
    }

    // (B, heads, N, N) to the same.
    private static Tensor Mix(Tensor scores, Linear heads) => heads.call(scores.permute(0, 2, 3, 1)).permute(0, 3, 1, 2);
}
