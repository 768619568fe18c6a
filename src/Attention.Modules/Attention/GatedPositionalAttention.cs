using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="GatedPositionalAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record GatedPositionalAttentionConfig : MultiHeadConfig
{
    public bool qkv_bias { get; init; }
    /// <summary>How sharply each head starts out looking at its own place; the higher, the closer to a convolution.</summary>
    public double locality_strength { get; init; } = 1;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override GatedPositionalAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Each head mixes attention by content with attention by relative position, by a learned gate; at the start the heads look
/// at the places of a convolution's kernel. (B, H, W, C) to the same; parameter names as in timm's convit.py.
/// d'Ascoli et al., ConViT: Improving Vision Transformers with Soft Convolutional Inductive Biases, 2021 (arXiv:2103.10697).
/// </summary>
public sealed class GatedPositionalAttention : Block
{
    private readonly Linear qk;
    private readonly Linear v;
    private readonly Linear proj;
    private readonly Linear pos_proj;
    private readonly Dropout proj_drop;
    private readonly Parameter gating_param;

    private readonly int num_heads;
    private readonly GatedPositionalAttentionConfig config;
    private readonly MapSizeCache offsets = new(Offsets);

    public GatedPositionalAttention(long dim, GatedPositionalAttentionConfig config) : base(nameof(GatedPositionalAttention))
    {
        this.config = config;
        num_heads = config.HeadsFor(dim);
        qk = nn.Linear(dim, dim * 2, hasBias: config.qkv_bias);
        v = nn.Linear(dim, dim, hasBias: config.qkv_bias);
        proj = nn.Linear(dim, dim);
        pos_proj = nn.Linear(3, num_heads);
        proj_drop = nn.Dropout(config.proj_drop);
        gating_param = new Parameter(ones(num_heads));
        RegisterComponents();
        InitialiseAsConvolution();
    }

    /// <summary>
    /// Starts the heads as a convolution: values unchanged, and each head looking at one place of a square around its own.
    /// A model calls it after the usual start of its linear layers, which would undo it.
    /// </summary>
    public void InitialiseAsConvolution()
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        v.weight.copy_(eye(v.weight.shape[0]));
        // Heads beyond the square keep their random places.
        int kernel = (int)Math.Sqrt(num_heads);
        double center = kernel % 2 == 0 ? (kernel - 1) / 2.0 : kernel / 2;
        var square = new float[kernel * kernel * 3];
        for (int row = 0; row < kernel; row++)
            for (int column = 0; column < kernel; column++)
            {
                int head = (row + kernel * column) * 3;
                square[head] = (float)(2 * (column - center));
                square[head + 1] = (float)(2 * (row - center));
                square[head + 2] = -1;
            }
        pos_proj.weight.slice(0, 0, kernel * kernel, 1).copy_(tensor(square, [kernel * kernel, 3]));
        pos_proj.weight.mul_(config.locality_strength);
    }

    protected override Tensor Forward(Tensor x)
    {
        var (batch, height, width, dim) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        long head_dim = dim / num_heads;
        double dropout = training ? config.attn_drop : 0;
        var parts = qk.call(x).reshape(batch, height * width, 2, num_heads, head_dim).permute(2, 0, 3, 1, 4).unbind(0);
        var values = v.call(x).reshape(batch, height * width, num_heads, head_dim).transpose(1, 2);
        var byContent = ScaledDotProduct.Attend(parts[0], parts[1], values, dropout: dropout);

        var places = pos_proj.call(offsets.Get(height, width, x)).permute(2, 0, 1).softmax(-1);
        if (dropout > 0)
            places = nn.functional.dropout(places, dropout, training: true);
        FlopCounter.Add(values.numel() * height * width);
        var byPlace = matmul(places, values);

        var gate = gating_param.view(1, -1, 1, 1).sigmoid();
        var attended = byContent + gate * (byPlace - byContent);
        return proj_drop.call(proj.call(attended.transpose(1, 2).reshape(batch, height, width, dim)));
    }

    // (N, N, 3): how far right, how far down, and the squared distance of each token from each.
    private static Tensor Offsets(long height, long width)
    {
        using var scope = NewDisposeScope();
        var row = arange(height, ScalarType.Float32).unsqueeze(1).expand(height, width).reshape(-1);
        var column = arange(width, ScalarType.Float32).unsqueeze(0).expand(height, width).reshape(-1);
        var down = row.unsqueeze(0) - row.unsqueeze(1);
        var right = column.unsqueeze(0) - column.unsqueeze(1);
        return scope.MoveToOuter(stack([right, down, right * right + down * down], -1));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            offsets.Dispose();
        base.Dispose(disposing);
    }
}
