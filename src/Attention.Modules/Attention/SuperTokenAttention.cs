using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What a <see cref="SuperTokenAttention"/> is made from; the keys of <c>attention:</c> in a config.</summary>
public sealed record SuperTokenAttentionConfig : MultiHeadConfig
{
    /// <summary>Side of the cell of the map that a super token starts from; 1 for attention between all positions.</summary>
    public int stoken_size { get; init; } = 4;
    /// <summary>How often positions are associated with super tokens anew.</summary>
    public int n_iter { get; init; } = 1;
    public bool qkv_bias { get; init; } = true;
    public double attn_drop { get; init; }
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Map;
    public override SuperTokenAttention Create(AttentionSite site) => new(site.Dim, this with { num_heads = num_heads ?? site.NumHeads });
}

/// <summary>
/// Positions are gathered to a few super tokens, each from its cell and the eight cells around, super tokens attend to each
/// other, and are spread again by the same associations. (B, H, W, C) to the same; a map that cells do not divide is padded.
/// No gradient goes through the associations. Parameter names as in the authors' repository, hhb072/STViT.
/// Huang et al., Vision Transformer with Super Token Sampling, 2023 (arXiv:2211.11167).
/// </summary>
public sealed class SuperTokenAttention : Block
{
    private readonly NeighbourCells unfold;
    private readonly NeighbourCells fold;
    private readonly SuperTokenSelfAttention stoken_refine;
    private readonly SuperTokenAttentionConfig config;

    public SuperTokenAttention(long dim, SuperTokenAttentionConfig config) : base(nameof(SuperTokenAttention))
    {
        this.config = config;
        if (config.stoken_size < 1 || config.n_iter < 1)
            throw new UserError($"stoken_size {config.stoken_size} and n_iter {config.n_iter} must be at least 1", "choose larger ones");
        (unfold, fold) = (new NeighbourCells(), new NeighbourCells());
        stoken_refine = new SuperTokenSelfAttention(dim, config);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        if (config.stoken_size == 1)
            return stoken_refine.call(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1);
        var (height, width, dim, side) = (x.shape[1], x.shape[2], x.shape[3], config.stoken_size);
        x = Windows.Pad(x, side, side);
        var (padHeight, padWidth, rows, columns) = (x.shape[1], x.shape[2], x.shape[1] / side, x.shape[2] / side);
        // (B, cells, side², C)
        var positions = Windows.Partition(x, side, side);
        var (affinity, total) = Associate(positions, rows, columns);

        var tokens = Gather(positions, affinity, rows, columns) / (total + Tiny);
        tokens = stoken_refine.call(tokens);
        var spread = matmul(affinity, unfold.Around(tokens));
        x = Windows.Merge(spread, side, side, padHeight, padWidth);
        return padHeight == height && padWidth == width ? x : x.slice(1, 0, height, 1).slice(2, 0, width, 1);
    }

    private const double Tiny = 1e-12;

    // How much each position belongs to each of the nine cells around it, (B, cells, side², 9), and what each cell has, (B, 1, rows, columns).
    private (Tensor Affinity, Tensor Total) Associate(Tensor positions, long rows, long columns)
    {
        using var _ = no_grad();
        var tokens = positions.mean([2]).transpose(1, 2).unflatten(-1, rows, columns);
        for (int i = 1; ; i++)
        {
            // Cells beyond the border are zeros, which take their share of the softmax.
            var scores = matmul(positions, unfold.Around(tokens).transpose(-2, -1)) * Math.Pow(positions.shape[^1], -0.5);
            FlopCounter.Add(2 * positions.numel() * NeighbourCells.Count);
            var affinity = scores.softmax(-1);
            var total = fold.Sum(affinity.sum(2).transpose(1, 2).unflatten(-1, rows, columns).unsqueeze(1)).squeeze(2);
            if (i == config.n_iter)
                return (affinity, total);
            tokens = Gather(positions, affinity, rows, columns) / (total + Tiny);
        }
    }

    // (B, C, rows, columns): what positions give to their cells.
    private Tensor Gather(Tensor positions, Tensor affinity, long rows, long columns)
    {
        FlopCounter.Add(positions.numel() * NeighbourCells.Count);
        // (B, cells, C, 9) to (B, C, 9, rows, columns)
        var given = matmul(positions.transpose(-2, -1), affinity).permute(0, 2, 3, 1).unflatten(-1, rows, columns);
        return fold.Sum(given).squeeze(2);
    }
}

/// <summary>
/// The nine cells around each cell. The state dict of the reference has its kernels, which are constants: nine kernels of 3x3
/// with a single 1.
/// </summary>
internal sealed class NeighbourCells : nn.Module
{
    public const int Count = 9;
    private const int Side = 3;

    private readonly Parameter weights;

    public NeighbourCells() : base(nameof(NeighbourCells))
    {
        weights = new Parameter(eye(Count).reshape(Count, 1, Side, Side), requires_grad: false);
        RegisterComponents();
    }

    /// <summary>(B, C, rows, columns) to (B, cells, 9, C), zeros beyond the border.</summary>
    public Tensor Around(Tensor map)
    {
        var (batch, dim, rows, columns) = (map.shape[0], map.shape[1], map.shape[2], map.shape[3]);
        var around = nn.functional.conv2d(map.reshape(batch * dim, 1, rows, columns), weights.to(map.dtype), padding: [1, 1]);
        return around.reshape(batch, dim, Count, rows * columns).permute(0, 3, 2, 1);
    }

    /// <summary>(B, C, 9, rows, columns) to (B, C, 1, rows, columns): each cell gets what the nine around it have for it.</summary>
    public Tensor Sum(Tensor given)
    {
        var (batch, dim, rows, columns) = (given.shape[0], given.shape[1], given.shape[3], given.shape[4]);
        var sum = nn.functional.conv_transpose2d(given.reshape(batch * dim, Count, rows, columns), weights.to(given.dtype), padding: [1, 1]);
        return sum.reshape(batch, dim, 1, rows, columns);
    }
}

/// <summary>Attention between super tokens. (B, C, H, W) to the same.</summary>
internal sealed class SuperTokenSelfAttention : Block
{
    private readonly Conv2d qkv;
    private readonly Conv2d proj;
    private readonly Dropout proj_drop;
    private readonly int num_heads;
    private readonly double attn_drop;

    public SuperTokenSelfAttention(long dim, SuperTokenAttentionConfig config) : base(nameof(SuperTokenSelfAttention))
    {
        (num_heads, attn_drop) = (config.HeadsFor(dim), config.attn_drop);
        qkv = nn.Conv2d(dim, 3 * dim, kernel_size: 1, bias: config.qkv_bias);
        proj = nn.Conv2d(dim, dim, kernel_size: 1);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        // Channels are those of a head's queries, keys and values, head by head.
        var parts = qkv.call(x).flatten(2).unflatten(1, num_heads, -1).transpose(2, 3).chunk(3, -1);
        var attended = ScaledDotProduct.Attend(parts[0], parts[1], parts[2], dropout: training ? attn_drop : 0);
        return proj_drop.call(proj.call(attended.transpose(2, 3).reshape(x.shape)));
    }
}
