using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>Maps of several scales of one batch, laid out one after the other as S places.</summary>
/// <param name="Sizes">H and W of each of the L maps.</param>
/// <param name="Padding">(B, S), true where a place is padding; null where there is none.</param>
/// <param name="ValidRatios">(B, L, 2): the share of each map's width and height that is no padding; null where all is.</param>
public sealed record FlatMaps(IReadOnlyList<(long Height, long Width)> Sizes, Tensor? Padding = null, Tensor? ValidRatios = null)
{
    /// <summary>The centres of all places (B or 1, S, 2) as x and y from 0 to 1 over the image without its padding.</summary>
    public Tensor Centres(Device device)
    {
        using var scope = NewDisposeScope();
        var perMap = Sizes.Select((size, level) =>
        {
            var y = (arange(size.Height, dtype: ScalarType.Float32, device: device) + 0.5f).unsqueeze(1).expand(size.Height, size.Width).reshape(1, -1);
            var x = (arange(size.Width, dtype: ScalarType.Float32, device: device) + 0.5f).unsqueeze(0).expand(size.Height, size.Width).reshape(1, -1);
            if (ValidRatios is null)
                return stack([x / size.Width, y / size.Height], -1);
            var ratio = ValidRatios.select(1, level);
            return stack([x / (ratio[.., 0].unsqueeze(1) * size.Width), y / (ratio[.., 1].unsqueeze(1) * size.Height)], -1);
        });
        return scope.MoveToOuter(cat([.. perMap], 1));
    }

    /// <summary>Places (B, N, 2) or boxes (B, N, 4) of the image as such of each padded map: (B, N, L, 2 or 4).</summary>
    public Tensor OnMaps(Tensor places)
    {
        using var scope = NewDisposeScope();
        var spread = places.unsqueeze(2);
        if (ValidRatios is null)
            return scope.MoveToOuter(spread.expand(places.shape[0], places.shape[1], Sizes.Count, places.shape[2]));
        var ratios = places.shape[2] == 4 ? cat([ValidRatios, ValidRatios], -1) : ValidRatios;
        return scope.MoveToOuter(spread * ratios.unsqueeze(1));
    }
}

/// <summary>
/// Each query reads a few places of each of several maps near its own, which it computes as their weights. Parameter names and
/// start as in the authors' repository, fundamentalvision/Deformable-DETR. Zhu et al., Deformable DETR: Deformable Transformers
/// for End-to-End Object Detection, 2021 (arXiv:2010.04159).
/// </summary>
public sealed class MultiScaleDeformableAttention : nn.Module<Tensor, Tensor, Tensor, FlatMaps, Tensor>
{
    private readonly Linear sampling_offsets;
    private readonly Linear attention_weights;
    private readonly Linear value_proj;
    private readonly Linear output_proj;
    private readonly int levels, heads, points;

    /// <param name="dim">C.</param>
    /// <param name="levels">L, the maps.</param>
    /// <param name="heads">Heads, which divide C.</param>
    /// <param name="points">Places of each head in each map.</param>
    /// <param name="spread_start">Whether a head's places start in a line away from the query, rather than at it.</param>
    /// <exception cref="UserError">The heads do not divide C.</exception>
    public MultiScaleDeformableAttention(long dim, int levels, int heads, int points, bool spread_start = true) : base(nameof(MultiScaleDeformableAttention))
    {
        if (heads <= 0 || dim % heads != 0)
            throw new UserError($"{heads} heads do not divide {dim} channels", "choose nheads that divide hidden_dim");
        (this.levels, this.heads, this.points) = (levels, heads, points);
        sampling_offsets = nn.Linear(dim, heads * levels * points * 2);
        attention_weights = nn.Linear(dim, heads * levels * points);
        value_proj = nn.Linear(dim, dim);
        output_proj = nn.Linear(dim, dim);
        RegisterComponents();
        Initialise(spread_start);
    }

    private void Initialise(bool spread_start)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        nn.init.zeros_(sampling_offsets.weight);
        nn.init.zeros_(sampling_offsets.bias!);
        if (spread_start)
            sampling_offsets.bias!.copy_(tensor(Spread()));
        nn.init.zeros_(attention_weights.weight);
        nn.init.zeros_(attention_weights.bias!);
        foreach (var projection in new[] { value_proj, output_proj })
        {
            nn.init.xavier_uniform_(projection.weight);
            nn.init.zeros_(projection.bias!);
        }
    }

    // Each head looks into another direction, its points farther and farther on the borders of squares.
    private float[] Spread()
    {
        var start = new List<float>();
        for (int head = 0; head < heads; head++)
        {
            var (y, x) = Math.SinCos(2 * Math.PI * head / heads);
            double longest = Math.Max(Math.Abs(x), Math.Abs(y));
            for (int i = 0; i < levels * points; i++)
                start.AddRange([(float)(x / longest * (i % points + 1)), (float)(y / longest * (i % points + 1))]);
        }
        return [.. start];
    }

    /// <summary>What the queries read.</summary>
    /// <param name="query">(B, N, C).</param>
    /// <param name="reference">
    /// Where the queries are on each map: points (B, N, L, 2) as x and y from 0 to 1, padding included, or boxes (B, N, L, 4) as
    /// centre, width and height. Offsets are in places of the map, or in halves of the box's sides over the number of points.
    /// </param>
    /// <param name="memory">(B, S, C).</param>
    /// <param name="maps">What the S places are.</param>
    /// <returns>(B, N, C).</returns>
    public override Tensor forward(Tensor query, Tensor reference, Tensor memory, FlatMaps maps)
    {
        using var scope = NewDisposeScope();
        var (batch, queries) = (query.shape[0], query.shape[1]);
        var value = value_proj.call(memory);
        if (maps.Padding is not null)
            value = value.masked_fill(maps.Padding.unsqueeze(-1), 0);
        var offsets = sampling_offsets.call(query).view(batch, queries, heads, levels, points, 2);
        var weights = attention_weights.call(query).view(batch, queries, heads, levels * points).softmax(-1).view(batch, queries, heads, levels, points);
        var centre = reference.narrow(-1, 0, 2).unsqueeze(2).unsqueeze(4);
        Tensor unit;
        if (reference.shape[^1] == 2)
            unit = 1 / tensor(maps.Sizes.SelectMany(size => new[] { (float)size.Width, size.Height }).ToArray(), levels, 1, 2).to(query.device);
        else
            unit = reference.narrow(-1, 2, 2).unsqueeze(2).unsqueeze(4) * (0.5 / points);
        var read = DeformableSampling.Attend(value.view(batch, -1, heads, value.shape[2] / heads), maps.Sizes, centre + offsets * unit, weights);
        return scope.MoveToOuter(output_proj.call(read));
    }
}
