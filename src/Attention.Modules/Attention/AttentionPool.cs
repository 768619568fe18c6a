using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Pools a sequence by attention from one learned query, then an MLP. (B, N, C) to (B, C); parameter names as in timm.
/// Lee et al., Set Transformer, 2019; the head of Zhai et al., Scaling Vision Transformers and SigLIP.
/// </summary>
public sealed class AttentionPool : Block
{
    private readonly Parameter latent;
    private readonly Linear q;
    private readonly Linear kv;
    private readonly Linear proj;
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly Mlp mlp;
    private readonly long num_heads;

    public AttentionPool(long dim, int num_heads, double mlp_ratio, string norm_layer, double norm_eps, string act_layer) : base(nameof(AttentionPool))
    {
        this.num_heads = num_heads;
        latent = new Parameter(zeros(1, 1, dim));
        q = nn.Linear(dim, dim);
        kv = nn.Linear(dim, dim * 2);
        proj = nn.Linear(dim, dim);
        norm = Norms.Create(norm_layer, dim, norm_eps);
        mlp = new Mlp(dim, (long)(dim * mlp_ratio), act_layer);
        RegisterComponents();
        using var _ = no_grad();
        nn.init.trunc_normal_(latent, std: Math.Pow(dim, -0.5));
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, tokens, dim) = (x.shape[0], x.shape[1], x.shape[2]);
        // One query for all samples: their keys differ.
        var query = q.call(latent).reshape(1, 1, num_heads, dim / num_heads).transpose(1, 2).expand(batch, -1, -1, -1);
        var parts = kv.call(x).reshape(batch, tokens, 2, num_heads, dim / num_heads).permute(2, 0, 3, 1, 4).unbind(0);
        var pooled = proj.call(ScaledDotProduct.Attend(query, parts[0], parts[1]).transpose(1, 2).reshape(batch, dim));
        return pooled + mlp.call(norm.call(pooled));
    }
}
