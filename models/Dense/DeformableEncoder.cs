using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>What detectors of deformable attention have in common; names as in their authors' repositories.</summary>
public abstract record DeformableDetectorConfig : DetectionModelConfig
{
    public int hidden_dim { get; init; } = 256;
    public int nheads { get; init; } = 8;
    public int enc_layers { get; init; } = 6;
    public int dec_layers { get; init; } = 6;
    public int dim_feedforward { get; init; } = 1024;
    public double dropout { get; init; }
    public int num_queries { get; init; } = 300;
    /// <summary>Maps that attention reads; those that the backbone does not give are made by further strides.</summary>
    public int num_feature_levels { get; init; } = 4;
    /// <summary>The maps of the backbone that are used, from fine to coarse; none for the three coarsest.</summary>
    public int[] out_indices { get; init; } = [];
    /// <summary>Stages of the backbone that do not train, with the stem as the first: 2 as the authors have it for pretrained ones.</summary>
    public int frozen_stages { get; init; }
    public int enc_n_points { get; init; } = 4;
    public int dec_n_points { get; init; } = 4;
    public double focal_alpha { get; init; } = 0.25;
    /// <summary>How many of its surest findings a model gives of each image.</summary>
    public int num_select { get; init; } = 100;
}

/// <summary>What a layer of deformable attention is given besides its queries.</summary>
/// <param name="Maps">The maps that are read.</param>
/// <param name="Memory">What they hold, (B, S, C); null for the queries themselves.</param>
/// <param name="Positions">Added to the queries, (B, N, C) or what broadcasts to it.</param>
/// <param name="References">Where the queries are on each map, (B, N, L, 2 or 4).</param>
public sealed record DeformableContext(FlatMaps Maps, Tensor? Memory, Tensor Positions, Tensor References)
{
    /// <summary>Added to the scores of the queries among each other: (N, N); null for nothing.</summary>
    public Tensor? Bias { get; init; }
}

/// <summary>The maps of a batch as one sequence.</summary>
/// <param name="Tokens">(B, S, C).</param>
/// <param name="Positions">(B or 1, S, C).</param>
/// <param name="Maps">What the S places are.</param>
internal sealed record FlatFeatures(Tensor Tokens, Tensor Positions, FlatMaps Maps);

/// <summary>Feature maps of a backbone to the maps of one width that deformable attention reads.</summary>
internal static class DeformableInput
{
    /// <summary>A projection for each map: 1x1 for those of the backbone, 3x3 with stride 2 for the further ones.</summary>
    public static ModuleList<Sequential> Projections(IReadOnlyList<int> channels, DeformableDetectorConfig config)
    {
        if (config.num_feature_levels < channels.Count)
            throw new UserError($"num_feature_levels {config.num_feature_levels} is less than the {channels.Count} maps of the backbone", "raise it, or give fewer out_indices");
        var projections = Enumerable.Range(0, config.num_feature_levels).Select(level =>
        {
            var conv = level < channels.Count
                ? nn.Conv2d(channels[level], config.hidden_dim, kernel_size: 1)
                : nn.Conv2d(level == channels.Count ? channels[^1] : config.hidden_dim, config.hidden_dim, kernel_size: 3, stride: 2, padding: 1);
            using var _ = no_grad();
            nn.init.xavier_uniform_(conv.weight);
            nn.init.zeros_(conv.bias!);
            return nn.Sequential(conv, nn.GroupNorm(32, config.hidden_dim));
        });
        return nn.ModuleList([.. projections]);
    }

    /// <summary>Projects maps (B, C, H, W), makes the further ones, and lays all out with their positions.</summary>
    /// <param name="images">The batch, which tells the padding.</param>
    /// <param name="maps">The backbone's.</param>
    /// <param name="projections">See <see cref="Projections"/>.</param>
    /// <param name="level_embed">Added to the positions of each level, (L, C); null for nothing.</param>
    /// <param name="temperature">Of the positions along y and x.</param>
    /// <param name="shift">Of the positions, see <see cref="SinePositions.OfMap"/>.</param>
    public static FlatFeatures Flatten(
        PaddedImages images, Tensor[] maps, ModuleList<Sequential> projections, Tensor? level_embed, (double Y, double X) temperature, double shift)
    {
        using var scope = NewDisposeScope();
        var projected = new List<Tensor>();
        for (int level = 0; level < projections.Count; level++)
            projected.Add(projections[level].call(level < maps.Length ? maps[level] : level == maps.Length ? maps[^1] : projected[^1]));
        var inside = projected.Select(map => DetrBackbone.Inside(images, map.shape[2], map.shape[3])).ToArray();
        var positions = inside.Select((mask, level) =>
        {
            var position = SinePositions.OfMap(mask, projected[0].shape[1], temperature, shift).flatten(2).transpose(1, 2);
            return level_embed is null ? position : position + level_embed[level];
        });
        var sizes = projected.Select(map => (map.shape[2], map.shape[3])).ToArray();
        var flat = new FlatMaps(sizes);
        if (DetrBackbone.IsPadded(images))
            flat = flat with
            {
                Padding = scope.MoveToOuter(cat([.. inside.Select(mask => mask.flatten(1))], 1).logical_not()),
                ValidRatios = scope.MoveToOuter(stack([.. inside.Select(ValidRatio)], 1)),
            };
        var tokens = cat([.. projected.Select(map => map.flatten(2).transpose(1, 2))], 1);
        return new FlatFeatures(scope.MoveToOuter(tokens), scope.MoveToOuter(cat([.. positions], 1)), flat);
    }

    private static Tensor ValidRatio(Tensor inside)
    {
        var (height, width) = (inside.shape[1], inside.shape[2]);
        return stack([inside[.., 0].sum(1) / (float)width, inside.select(2, 0).sum(1) / (float)height], -1);
    }
}

/// <summary>A layer of the encoder: each place reads the maps near it. (B, S, C) to the same.</summary>
internal sealed class DeformableEncoderLayer : nn.Module<Tensor, DeformableContext, Tensor>
{
    private readonly MultiScaleDeformableAttention self_attn;
    private readonly LayerNorm norm1;
    private readonly Linear linear1;
    private readonly Linear linear2;
    private readonly LayerNorm norm2;
    private readonly double dropout;

    public DeformableEncoderLayer(DeformableDetectorConfig config, bool spread_start = true) : base(nameof(DeformableEncoderLayer))
    {
        dropout = config.dropout;
        self_attn = new MultiScaleDeformableAttention(config.hidden_dim, config.num_feature_levels, config.nheads, config.enc_n_points, spread_start);
        norm1 = nn.LayerNorm(config.hidden_dim);
        linear1 = nn.Linear(config.hidden_dim, config.dim_feedforward);
        linear2 = nn.Linear(config.dim_feedforward, config.hidden_dim);
        norm2 = nn.LayerNorm(config.hidden_dim);
        RegisterComponents();
        DetrLayers.Initialise(linear1, linear2);
    }

    public override Tensor forward(Tensor x, DeformableContext context)
    {
        using var scope = NewDisposeScope();
        var read = self_attn.call(x + context.Positions, context.References, x, context.Maps);
        x = norm1.call(x + DetrLayers.Drop(this, read, dropout));
        return scope.MoveToOuter(norm2.call(x + DetrLayers.FeedForward(this, x, linear1, linear2, dropout)));
    }
}

/// <summary>The encoder: its layers and, after the authors' option pre_norm, a norm.</summary>
internal sealed class DeformableEncoder : nn.Module<FlatFeatures, Tensor>
{
    private readonly ModuleList<DeformableEncoderLayer> layers;
    private readonly LayerNorm? norm;

    public DeformableEncoder(DeformableDetectorConfig config, bool spread_start = true, bool last_norm = false) : base(nameof(DeformableEncoder))
    {
        layers = nn.ModuleList([.. Enumerable.Range(0, config.enc_layers).Select(_ => new DeformableEncoderLayer(config, spread_start))]);
        norm = last_norm ? nn.LayerNorm(config.hidden_dim) : null;
        RegisterComponents();
    }

    /// <summary>The memory (B, S, C).</summary>
    public override Tensor forward(FlatFeatures features)
    {
        using var scope = NewDisposeScope();
        var x = features.Tokens;
        var centres = features.Maps.Centres(x.device);
        var context = new DeformableContext(features.Maps, null, features.Positions, features.Maps.OnMaps(centres.expand(x.shape[0], -1, -1)));
        foreach (var layer in layers)
            x = layer.call(x, context);
        return scope.MoveToOuter(norm is null ? x.alias() : norm.call(x));
    }

    /// <summary>
    /// A box at each place for the first of two stages, as logits of centre, width and height: as wide and high as a twentieth of the
    /// image on the finest map, twice that on each further one. Where a place is padding or its box leaves the image, they are infinite.
    /// </summary>
    /// <returns>The logits (B or 1, S, 4), and where they are finite (B or 1, S, 1).</returns>
    public static (Tensor Logits, Tensor Valid) Proposals(FlatMaps maps, Device device)
    {
        using var scope = NewDisposeScope();
        var centres = maps.Centres(device);
        var sides = cat([.. maps.Sizes.Select((size, level) => full([size.Height * size.Width, 2], 0.05f * (1 << level), device: device))], 0);
        var boxes = cat([centres, sides.unsqueeze(0).expand(centres.shape[0], -1, -1)], -1);
        var valid = boxes.gt(0.01).logical_and(boxes.lt(0.99)).all(-1, keepdim: true);
        if (maps.Padding is not null)
            valid = valid.logical_and(maps.Padding.logical_not().unsqueeze(-1));
        var logits = (boxes / (1 - boxes)).log().masked_fill(valid.logical_not(), float.PositiveInfinity);
        return (scope.MoveToOuter(logits), scope.MoveToOuter(valid));
    }
}

/// <summary>What the layers of DETR and its followers share.</summary>
internal static class DetrLayers
{
    /// <summary>The logit of a number from 0 to 1, kept finite.</summary>
    public static Tensor InverseSigmoid(Tensor x, double eps)
    {
        using var scope = NewDisposeScope();
        x = x.clamp(0, 1);
        return scope.MoveToOuter((x.clamp(min: eps) / (1 - x).clamp(min: eps)).log());
    }

    /// <summary>Dropout as the layer's mode has it.</summary>
    public static Tensor Drop(nn.Module layer, Tensor x, double rate) => rate > 0 && layer.training ? nn.functional.dropout(x, rate, training: true) : x;

    /// <summary>Two linear layers with ReLU or GELU between them, and dropout after each.</summary>
    public static Tensor FeedForward(nn.Module layer, Tensor x, Linear linear1, Linear linear2, double dropout, string activation = "relu")
    {
        var hidden = linear1.call(x);
        hidden = activation == "gelu" ? nn.functional.gelu(hidden) : hidden.relu();
        return Drop(layer, linear2.call(Drop(layer, hidden, dropout)), dropout);
    }

    /// <summary>Xavier's start of weights, as the authors give it to every matrix of their transformers.</summary>
    public static void Initialise(params ReadOnlySpan<Linear> layers)
    {
        using var _ = no_grad();
        foreach (var layer in layers)
            nn.init.xavier_uniform_(layer.weight);
    }

    /// <summary>A linear classifier whose classes all start at a probability of 0.01.</summary>
    public static Linear Classifier(long dim, int classes, bool bias = true)
    {
        var linear = nn.Linear(dim, classes, hasBias: bias);
        using var _ = no_grad();
        if (bias)
            nn.init.constant_(linear.bias!, -Math.Log(99));
        return linear;
    }

    /// <summary>Rows of (B, S, ...) by their places (B, K): (B, K, ...).</summary>
    public static Tensor Gather(Tensor rows, Tensor places)
    {
        using var scope = NewDisposeScope();
        var index = places.view([places.shape[0], places.shape[1], .. Enumerable.Repeat(1L, rows.shape.Length - 2)]);
        return scope.MoveToOuter(rows.gather(1, index.expand([places.shape[0], places.shape[1], .. rows.shape[2..]])));
    }
}
