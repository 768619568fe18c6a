using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="ClassAttention"/> is made from.</summary>
public sealed record ClassAttentionConfig
{
    /// <summary>Heads; each has dim / num_heads channels.</summary>
    public int num_heads { get; init; } = 8;
    public bool qkv_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }
}

/// <summary>
/// The first token attends to all, itself included: linear in the tokens. (B, N, C) to (B, 1, C). Touvron et al., Going
/// deeper with Image Transformers, 2021 (arXiv:2103.17239); Chen et al., CrossViT, 2021 (arXiv:2103.14899), where the
/// other tokens come from another branch.
/// </summary>
public sealed class ClassAttention : Block
{
    // In an array, so that their names can differ.
    private readonly Linear[] qkv;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly ClassAttentionConfig config;

    /// <param name="dim">C.</param>
    /// <param name="config">The options.</param>
    /// <param name="prefix">Stands before q, k and v in the state dict: nothing in CaiT, w in CrossViT.</param>
    public ClassAttention(long dim, ClassAttentionConfig config, string prefix = "") : base(nameof(ClassAttention))
    {
        this.config = config;
        if (config.num_heads < 1 || dim % config.num_heads != 0)
            throw new UserError($"{dim} channels do not divide into num_heads {config.num_heads}", "choose a number of heads that divides the channels");
        qkv = [.. Enumerable.Range(0, 3).Select(_ => nn.Linear(dim, dim, hasBias: config.qkv_bias))];
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        for (int i = 0; i < qkv.Length; i++)
            register_module(prefix + "qkv"[i], qkv[i]);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, dim) = (x.shape[0], x.shape[2]);
        Tensor Heads(Tensor tokens) => tokens.reshape(batch, -1, config.num_heads, dim / config.num_heads).transpose(1, 2);
        var (q, k, v) = (Heads(qkv[0].call(x.slice(1, 0, 1, 1))), Heads(qkv[1].call(x)), Heads(qkv[2].call(x)));
        var attended = ScaledDotProduct.Attend(q, k, v, dropout: training ? config.attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(1, 2).reshape(batch, 1, dim)));
    }
}
