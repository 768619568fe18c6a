using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>What the pixel decoder gives.</summary>
/// <param name="Pixels">What masks are compared with, (B, mask_dim, H, W) at the finest map's resolution.</param>
/// <param name="Scales">What queries read, (B, hidden_dim, H_i, W_i), from coarse to fine.</param>
public sealed record PixelFeatures(Tensor Pixels, Tensor[] Scales);

/// <summary>What queries say of a batch, at one layer.</summary>
/// <param name="Logits">(B, N, classes + 1), the last for no object.</param>
/// <param name="Masks">Logits of the pixels of the finest map, (B, N, H, W).</param>
public sealed record MaskPrediction(Tensor Logits, Tensor Masks);

/// <summary>What a layer that reads maps is given besides its queries.</summary>
/// <param name="Memory">(B, M, C).</param>
/// <param name="MemoryPositions">(1, M, C).</param>
/// <param name="QueryPositions">(1, N, C).</param>
/// <param name="Bias">Minus infinity where a query must not read, (B, 1, N, M).</param>
public sealed record MaskedContext(Tensor Memory, Tensor MemoryPositions, Tensor QueryPositions, Tensor Bias);

/// <summary>
/// Deformable attention over the three coarsest maps, then a top-down path to the finer ones. Maps (B, C_i, H_i, W_i), from fine to
/// coarse; parameter names as in the authors' MSDeformAttnPixelDecoder.
/// </summary>
internal sealed class MaskPixelDecoder : nn.Module<Tensor[], PixelFeatures>
{
    /// <summary>Maps that attention reads.</summary>
    public const int Levels = 3;

    private sealed record EncoderConfig : DeformableDetectorConfig;

    private sealed class Transformer : nn.Module<Tensor[], Tensor>
    {
        private readonly DeformableEncoder encoder;
        private readonly Parameter level_embed;

        public Transformer(EncoderConfig config) : base(nameof(Transformer))
        {
            encoder = new DeformableEncoder(config);
            level_embed = new Parameter(nn.init.normal_(empty(Levels, config.hidden_dim)));
            RegisterComponents();
        }

        /// <summary>Maps to the tokens of all, (B, S, C).</summary>
        public override Tensor forward(Tensor[] maps)
        {
            using var scope = NewDisposeScope();
            var positions = maps.Select((map, level) => MaskPositions.Of(map) + level_embed[level]);
            var tokens = maps.Select(map => map.flatten(2).transpose(1, 2));
            var flat = new FlatFeatures(cat([.. tokens], 1), cat([.. positions], 1), new FlatMaps([.. maps.Select(map => (map.shape[2], map.shape[3]))]));
            return scope.MoveToOuter(encoder.call(flat));
        }
    }

    private readonly ModuleList<Sequential> input_proj;
    private readonly Transformer transformer;
    private readonly Conv2d mask_features;
    private readonly GroupNormConv[] adapters, layers;

    public MaskPixelDecoder(MaskDecoderConfig config, IReadOnlyList<int> channels) : base(nameof(MaskPixelDecoder))
    {
        input_proj = nn.ModuleList(channels.Reverse().Take(Levels).Select(each => nn.Sequential(nn.Conv2d(each, config.hidden_dim, kernel_size: 1), nn.GroupNorm(32, config.hidden_dim))).ToArray());
        transformer = new Transformer(new EncoderConfig
        {
            hidden_dim = config.hidden_dim,
            nheads = config.nheads,
            enc_layers = config.enc_layers,
            dim_feedforward = config.enc_dim_feedforward,
            dropout = config.dropout,
            num_feature_levels = Levels,
        });
        mask_features = nn.Conv2d(config.hidden_dim, config.mask_dim, kernel_size: 1);
        foreach (var conv in input_proj.Select(each => (Conv2d)each[0]).Append(mask_features))
        {
            nn.init.xavier_uniform_(conv.weight);
            nn.init.zeros_(conv.bias!);
        }
        var finer = channels.SkipLast(Levels).ToArray();
        adapters = [.. finer.Select(each => new GroupNormConv(each, config.hidden_dim, 1, activated: false))];
        layers = [.. finer.Select(_ => new GroupNormConv(config.hidden_dim, config.hidden_dim, 3, activated: true))];
        RegisterComponents();
        for (int i = 0; i < finer.Length; i++)
        {
            register_module($"adapter_{i + 1}", adapters[i]);
            register_module($"layer_{i + 1}", layers[i]);
        }
    }

    public override PixelFeatures forward(Tensor[] maps)
    {
        using var scope = NewDisposeScope();
        Tensor[] projected = [.. input_proj.Zip(maps.Reverse(), (projection, map) => projection.call(map))];
        var tokens = transformer.call(projected).split([.. projected.Select(map => map.shape[2] * map.shape[3])], 1);
        Tensor[] scales = [.. tokens.Zip(projected, (part, map) => part.transpose(1, 2).reshape(map.shape))];
        var finest = scales[^1];
        for (int i = adapters.Length - 1; i >= 0; i--)
        {
            var lateral = adapters[i].call(maps[i]);
            finest = layers[i].call(lateral + MapResize.Like(finest, lateral));
        }
        foreach (var scale in scales)
            scope.MoveToOuter(scale);
        return new PixelFeatures(scope.MoveToOuter(mask_features.call(finest)), scales);
    }
}

internal static class MaskPositions
{
    private const double Longest = 10000;

    /// <summary>Sine positions of a map (B, C, H, W): (1, H * W, C).</summary>
    public static Tensor Of(Tensor map)
    {
        using var scope = NewDisposeScope();
        var inside = ones([1, map.shape[2], map.shape[3]], dtype: ScalarType.Bool, device: map.device);
        return scope.MoveToOuter(SinePositions.OfMap(inside, map.shape[1], (Longest, Longest)).flatten(2).transpose(1, 2));
    }
}

// The three steps of a layer of queries (B, N, C). The norm is after each, or before it where the config says pre_norm.

internal sealed class MaskCrossAttention : nn.Module<Tensor, MaskedContext, Tensor>
{
    private readonly QueryAttention multihead_attn;
    private readonly LayerNorm norm;
    private readonly bool pre_norm;

    public MaskCrossAttention(MaskDecoderConfig config) : base(nameof(MaskCrossAttention))
    {
        multihead_attn = new QueryAttention(config.hidden_dim, config.nheads);
        norm = nn.LayerNorm(config.hidden_dim);
        pre_norm = config.pre_norm;
        RegisterComponents();
    }

    public override Tensor forward(Tensor x, MaskedContext context)
    {
        using var scope = NewDisposeScope();
        var queries = (pre_norm ? norm.call(x) : x) + context.QueryPositions;
        var read = x + multihead_attn.call(queries, context.Memory + context.MemoryPositions, context.Memory, context.Bias);
        return scope.MoveToOuter(pre_norm ? read : norm.call(read));
    }
}

internal sealed class MaskSelfAttention : nn.Module<Tensor, Tensor, Tensor>
{
    private readonly QueryAttention self_attn;
    private readonly LayerNorm norm;
    private readonly bool pre_norm;

    public MaskSelfAttention(MaskDecoderConfig config) : base(nameof(MaskSelfAttention))
    {
        self_attn = new QueryAttention(config.hidden_dim, config.nheads);
        norm = nn.LayerNorm(config.hidden_dim);
        pre_norm = config.pre_norm;
        RegisterComponents();
    }

    public override Tensor forward(Tensor x, Tensor positions)
    {
        using var scope = NewDisposeScope();
        var values = pre_norm ? norm.call(x) : x;
        var queries = values + positions;
        var read = x + self_attn.call(queries, queries, values, null);
        return scope.MoveToOuter(pre_norm ? read : norm.call(read));
    }
}

internal sealed class MaskFeedForward : Block
{
    private readonly Linear linear1;
    private readonly Linear linear2;
    private readonly LayerNorm norm;
    private readonly bool pre_norm;

    public MaskFeedForward(MaskDecoderConfig config) : base(nameof(MaskFeedForward))
    {
        linear1 = nn.Linear(config.hidden_dim, config.dim_feedforward);
        linear2 = nn.Linear(config.dim_feedforward, config.hidden_dim);
        norm = nn.LayerNorm(config.hidden_dim);
        pre_norm = config.pre_norm;
        RegisterComponents();
        DetrLayers.Initialise(linear1, linear2);
    }

    protected override Tensor Forward(Tensor x)
    {
        var read = x + linear2.call(linear1.call(pre_norm ? norm.call(x) : x).relu());
        return pre_norm ? read : norm.call(read);
    }
}

/// <summary>
/// Queries that read, layer by layer, only where their mask so far is: maps of three scales in turn, from coarse to fine. Parameter
/// names as in the authors' MultiScaleMaskedTransformerDecoder.
/// </summary>
public sealed class MaskTransformerDecoder : nn.Module<PixelFeatures, MaskPrediction[]>
{
    private readonly ModuleList<MaskSelfAttention> transformer_self_attention_layers;
    private readonly ModuleList<MaskCrossAttention> transformer_cross_attention_layers;
    private readonly ModuleList<MaskFeedForward> transformer_ffn_layers;
    private readonly LayerNorm decoder_norm;
    private readonly Embedding query_feat;
    private readonly Embedding query_embed;
    private readonly Embedding level_embed;
    private readonly Linear class_embed;
    private readonly Perceptron mask_embed;

    public MaskTransformerDecoder(MaskDecoderConfig config, int num_classes) : base(nameof(MaskTransformerDecoder))
    {
        ModuleList<T> Layers<T>(Func<T> make) where T : nn.Module => nn.ModuleList(Enumerable.Range(0, config.dec_layers).Select(_ => make()).ToArray());
        transformer_self_attention_layers = Layers(() => new MaskSelfAttention(config));
        transformer_cross_attention_layers = Layers(() => new MaskCrossAttention(config));
        transformer_ffn_layers = Layers(() => new MaskFeedForward(config));
        decoder_norm = nn.LayerNorm(config.hidden_dim);
        query_feat = nn.Embedding(config.num_queries, config.hidden_dim);
        query_embed = nn.Embedding(config.num_queries, config.hidden_dim);
        level_embed = nn.Embedding(MaskPixelDecoder.Levels, config.hidden_dim);
        class_embed = nn.Linear(config.hidden_dim, num_classes + 1);
        mask_embed = new Perceptron(config.hidden_dim, config.hidden_dim, config.mask_dim, 3);
        RegisterComponents();
    }

    /// <summary>The predictions of the queries as they begin, and after each layer.</summary>
    public override MaskPrediction[] forward(PixelFeatures features)
    {
        using var scope = NewDisposeScope();
        var memories = features.Scales.Select((map, level) => map.flatten(2).transpose(1, 2) + level_embed.weight![level]).ToArray();
        var positions = features.Scales.Select(MaskPositions.Of).ToArray();
        var queryPositions = query_embed.weight!.unsqueeze(0);
        var x = query_feat.weight!.unsqueeze(0).expand(features.Pixels.shape[0], -1, -1);
        var predictions = new List<MaskPrediction> { Predict(x, features.Pixels) };
        for (int i = 0; i < transformer_ffn_layers.Count; i++)
        {
            int level = i % MaskPixelDecoder.Levels;
            var bias = Bias(predictions[^1].Masks, features.Scales[level]);
            x = transformer_cross_attention_layers[i].call(x, new MaskedContext(memories[level], positions[level], queryPositions, bias));
            x = transformer_self_attention_layers[i].call(x, queryPositions);
            x = transformer_ffn_layers[i].call(x);
            predictions.Add(Predict(x, features.Pixels));
        }
        foreach (var prediction in predictions)
        {
            scope.MoveToOuter(prediction.Logits);
            scope.MoveToOuter(prediction.Masks);
        }
        return [.. predictions];
    }

    private MaskPrediction Predict(Tensor x, Tensor pixels)
    {
        x = decoder_norm.call(x);
        return new MaskPrediction(class_embed.call(x), einsum("bqc,bchw->bqhw", mask_embed.call(x), pixels));
    }

    /// <summary>Where queries must not read: outside of their masks, unless a mask is empty. (B, N, M) of booleans.</summary>
    /// <param name="masks">Logits, (B, N, H, W).</param>
    /// <param name="map">What is read, (B, C, H', W').</param>
    public static Tensor Outside(Tensor masks, Tensor map)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(MapResize.Like(masks.detach(), map).sigmoid().flatten(2).lt(0.5));
    }

    private static Tensor Bias(Tensor masks, Tensor map)
    {
        using var scope = NewDisposeScope();
        var outside = Outside(masks, map);
        var blocked = outside.logical_and(outside.all(-1, keepdim: true).logical_not());
        return scope.MoveToOuter(zeros_like(blocked, dtype: map.dtype).masked_fill(blocked, float.NegativeInfinity).unsqueeze(1));
    }
}
