using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>Where each query of DETR looks, head by head: the weights of an attention without its values.</summary>
internal sealed class DetrMaskAttention : nn.Module
{
    private readonly Linear q_linear;
    private readonly Linear k_linear;
    private readonly long heads;

    public DetrMaskAttention(long dim, int heads) : base(nameof(DetrMaskAttention))
    {
        this.heads = heads;
        q_linear = nn.Linear(dim, dim);
        k_linear = nn.Linear(dim, dim);
        RegisterComponents();
        using var _ = no_grad();
        foreach (var linear in new[] { q_linear, k_linear })
        {
            nn.init.xavier_uniform_(linear.weight);
            nn.init.zeros_(linear.bias!);
        }
    }

    /// <summary>Weights (B, N, heads, H, W), which sum to one over all heads and places.</summary>
    /// <param name="queries">(B, N, C).</param>
    /// <param name="memory">(B, C, H, W).</param>
    /// <param name="inside">(B or 1, H, W), true where it is no padding.</param>
    public Tensor Run(Tensor queries, Tensor memory, Tensor inside)
    {
        using var scope = NewDisposeScope();
        var (batch, count, dim) = (queries.shape[0], queries.shape[1], queries.shape[2]);
        var q = q_linear.call(queries).view(batch, count, heads, -1).transpose(1, 2) / Math.Sqrt(dim / (double)heads);
        var k = k_linear.call(memory.flatten(2).transpose(1, 2)).view(batch, -1, heads, dim / heads).transpose(1, 2);
        var scores = matmul(q, k.transpose(-2, -1)).transpose(1, 2).masked_fill(inside.flatten(1).logical_not().unsqueeze(1).unsqueeze(1), float.NegativeInfinity);
        return scope.MoveToOuter(scores.flatten(2).softmax(-1).view(batch, count, heads, memory.shape[2], memory.shape[3]));
    }
}

/// <summary>Convolutions that refine where queries look with finer and finer maps of the backbone to masks.</summary>
internal sealed class DetrMaskHead : nn.Module
{
    private readonly Conv2d lay1, lay2, lay3, lay4, lay5, out_lay, adapter1, adapter2, adapter3;
    private readonly GroupNorm gn1, gn2, gn3, gn4, gn5;

    /// <param name="dim">Channels of the projected map.</param>
    /// <param name="heads">Of the attention whose weights are refined.</param>
    /// <param name="maps">Channels of the backbone's four maps, from fine to coarse.</param>
    public DetrMaskHead(int dim, int heads, IReadOnlyList<int> maps) : base(nameof(DetrMaskHead))
    {
        int first = dim + heads;
        if (first % 8 != 0 || dim % 128 != 0)
            throw new UserError($"masks need channels that divide into groups of 8, not {dim} with {heads} heads", "choose hidden_dim 128 or 256 and nheads 8");
        static Conv2d Conv(int inputs, int outputs) => nn.Conv2d(inputs, outputs, kernel_size: 3, padding: 1);
        (lay1, gn1) = (Conv(first, first), nn.GroupNorm(8, first));
        (lay2, gn2) = (Conv(first, dim / 2), nn.GroupNorm(8, dim / 2));
        (lay3, gn3) = (Conv(dim / 2, dim / 4), nn.GroupNorm(8, dim / 4));
        (lay4, gn4) = (Conv(dim / 4, dim / 8), nn.GroupNorm(8, dim / 8));
        (lay5, gn5) = (Conv(dim / 8, dim / 16), nn.GroupNorm(8, dim / 16));
        out_lay = Conv(dim / 16, 1);
        adapter1 = nn.Conv2d(maps[2], dim / 2, kernel_size: 1);
        adapter2 = nn.Conv2d(maps[1], dim / 4, kernel_size: 1);
        adapter3 = nn.Conv2d(maps[0], dim / 8, kernel_size: 1);
        RegisterComponents();
        using var _ = no_grad();
        foreach (var conv in modules().OfType<Conv2d>())
        {
            nn.init.kaiming_uniform_(conv.weight, a: 1);
            nn.init.zeros_(conv.bias!);
        }
    }

    /// <summary>Logits (B, N, H, W) at the finest map's size.</summary>
    /// <param name="projected">(B, C, h, w).</param>
    /// <param name="weights">(B, N, heads, h, w).</param>
    /// <param name="maps">The backbone's four maps, from fine to coarse.</param>
    public Tensor Run(Tensor projected, Tensor weights, Tensor[] maps)
    {
        using var scope = NewDisposeScope();
        long queries = weights.shape[1];
        // Of every query the same map.
        Tensor Each(Tensor map) => map.unsqueeze(1).expand(map.shape[0], queries, map.shape[1], map.shape[2], map.shape[3]).reshape(-1, map.shape[1], map.shape[2], map.shape[3]);
        Tensor Finer(Tensor x, Tensor map, Conv2d adapter) => Each(adapter.call(map)) + nn.functional.interpolate(x, map.shape[2..], mode: InterpolationMode.Nearest);
        var x = cat([Each(projected), weights.flatten(0, 1)], 1);
        x = gn1.call(lay1.call(x)).relu();
        x = gn2.call(lay2.call(x)).relu();
        x = gn3.call(lay3.call(Finer(x, maps[2], adapter1))).relu();
        x = gn4.call(lay4.call(Finer(x, maps[1], adapter2))).relu();
        x = gn5.call(lay5.call(Finer(x, maps[0], adapter3))).relu();
        return scope.MoveToOuter(out_lay.call(x).view(weights.shape[0], queries, maps[0].shape[2], maps[0].shape[3]));
    }
}
