using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A Deformable DETR; fields as in the authors' arguments, and those of the ways to train it that came after.</summary>
public sealed record DeformableDetrConfig : DeformableDetectorConfig
{
    /// <summary>Each layer of the decoder moves the boxes of the layer before.</summary>
    public bool with_box_refine { get; init; }
    /// <summary>Queries start at boxes that the encoder proposes, rather than at learned places.</summary>
    public bool two_stage { get; init; }
    /// <summary>In two stages, what queries hold is learned, and only where they are comes from the encoder: DINO.</summary>
    public bool mixed_selection { get; init; }
    /// <summary>A layer's boxes train the layer before too: DINO.</summary>
    public bool look_forward_twice { get; init; }
    /// <summary>In two stages, about as many queries in training start at known boxes with noise, and as many more with so much that they are to be rejected; 0 for none: DINO.</summary>
    public int num_denoising { get; init; }
    /// <summary>The largest move of a box's side there, in halves of its length.</summary>
    public double box_noise_scale { get; init; } = 1;
    /// <summary>The share of labels that are replaced there by others, twice over.</summary>
    public double label_noise_ratio { get; init; } = 0.5;
    public bool aux_loss { get; init; } = true;
    public double cls_loss_coef { get; init; } = 2;
    public double bbox_loss_coef { get; init; } = 5;
    public double giou_loss_coef { get; init; } = 2;
    public double set_cost_class { get; init; } = 2;
    public double set_cost_bbox { get; init; } = 5;
    public double set_cost_giou { get; init; } = 2;
}

/// <summary>A layer of the decoder: attention among queries (B, N, C), then each reads the maps.</summary>
internal sealed class DeformableDecoderLayer : nn.Module<Tensor, DeformableContext, Tensor>
{
    private readonly MultiScaleDeformableAttention cross_attn;
    private readonly LayerNorm norm1;
    private readonly QueryAttention self_attn;
    private readonly LayerNorm norm2;
    private readonly Linear linear1;
    private readonly Linear linear2;
    private readonly LayerNorm norm3;
    private readonly double dropout;

    public DeformableDecoderLayer(DeformableDetrConfig config) : base(nameof(DeformableDecoderLayer))
    {
        int dim = config.hidden_dim;
        dropout = config.dropout;
        cross_attn = new MultiScaleDeformableAttention(dim, config.num_feature_levels, config.nheads, config.dec_n_points);
        norm1 = nn.LayerNorm(dim);
        self_attn = new QueryAttention(dim, config.nheads, config.dropout);
        norm2 = nn.LayerNorm(dim);
        linear1 = nn.Linear(dim, config.dim_feedforward);
        linear2 = nn.Linear(config.dim_feedforward, dim);
        norm3 = nn.LayerNorm(dim);
        RegisterComponents();
        DetrLayers.Initialise(linear1, linear2);
    }

    public override Tensor forward(Tensor x, DeformableContext context)
    {
        using var scope = NewDisposeScope();
        var placed = x + context.Positions;
        x = norm2.call(x + DetrLayers.Drop(this, self_attn.call(placed, placed, x, context.Bias), dropout));
        var read = cross_attn.call(x + context.Positions, context.References, context.Memory!, context.Maps);
        x = norm1.call(x + DetrLayers.Drop(this, read, dropout));
        return scope.MoveToOuter(norm3.call(x + DetrLayers.FeedForward(this, x, linear1, linear2, dropout)));
    }
}

/// <summary>The layers of the decoder, and in some variants its heads, which the state dict then has here too.</summary>
internal sealed class DeformableDecoder : nn.Module
{
    // Boxes are moved in logits of numbers kept this far from 0 and 1.
    private const double Margin = 1e-5;

    private readonly ModuleList<DeformableDecoderLayer> layers;
    private readonly ModuleList<Perceptron>? bbox_embed;
    private readonly ModuleList<Linear>? class_embed;
    private readonly bool look_forward_twice;

    public DeformableDecoder(DeformableDetrConfig config, ModuleList<Linear> classes, ModuleList<Perceptron> boxes) : base(nameof(DeformableDecoder))
    {
        look_forward_twice = config.look_forward_twice;
        layers = nn.ModuleList([.. Enumerable.Range(0, config.dec_layers).Select(_ => new DeformableDecoderLayer(config))]);
        bbox_embed = config.with_box_refine ? boxes : null;
        class_embed = config.two_stage ? classes : null;
        RegisterComponents();
    }

    /// <summary>What each layer predicts, the last at the end.</summary>
    /// <param name="x">What the queries hold, (B, N, C).</param>
    /// <param name="positions">Added to them, (B, N, C).</param>
    /// <param name="references">Where they are: points (B, N, 2) or boxes (B, N, 4).</param>
    /// <param name="memory">(B, S, C).</param>
    /// <param name="maps">What the S places are.</param>
    /// <param name="bias">Of the attention among queries; null for none.</param>
    /// <param name="classes">A head for each layer.</param>
    /// <param name="boxes">A head for each layer.</param>
    public BoxPrediction[] Decode(Tensor x, Tensor positions, Tensor references, Tensor memory, FlatMaps maps, Tensor? bias,
        ModuleList<Linear> classes, ModuleList<Perceptron> boxes)
    {
        using var scope = NewDisposeScope();
        var predictions = new BoxPrediction[layers.Count];
        // With a graph, where a layer's boxes shall train the one before.
        var starts = references;
        for (int i = 0; i < layers.Count; i++)
        {
            x = layers[i].call(x, new DeformableContext(maps, memory, positions, maps.OnMaps(references)) { Bias = bias });
            var moves = boxes[i].call(x);
            Tensor Moved(Tensor from)
            {
                var logits = DetrLayers.InverseSigmoid(from, Margin);
                return (moves + (from.shape[2] == 4 ? logits : nn.functional.pad(logits, [0, 2]))).sigmoid();
            }
            predictions[i] = new BoxPrediction(classes[i].call(x), Moved(starts));
            if (bbox_embed is null)
                continue;
            var next = ReferenceEquals(starts, references) ? predictions[i].Boxes : Moved(references);
            references = next.detach();
            starts = look_forward_twice ? next : references;
        }
        return [.. predictions.Select(each => each.MovedOut(scope))];
    }
}

/// <summary>All that a Deformable DETR predicts of a batch.</summary>
/// <param name="Layers">Of each layer of the decoder, the last at the end.</param>
/// <param name="Encoder">Of each place of the maps, in two stages; else null.</param>
public sealed record DeformablePredictions(BoxPrediction[] Layers, BoxPrediction? Encoder)
{
    /// <summary>Of each layer, from boxes with noise; null where there were none.</summary>
    internal BoxPrediction[]? Denoised { get; init; }

    internal BoxDenoising? Denoising { get; init; }
}

/// <summary>Encoder, choice of queries and decoder.</summary>
internal sealed class DeformableTransformer : nn.Module
{
    private readonly DeformableEncoder encoder;
    private readonly DeformableDecoder decoder;
    private readonly Parameter level_embed;
    private readonly Linear? reference_points;
    private readonly Linear? enc_output;
    private readonly LayerNorm? enc_output_norm;
    private readonly Linear? pos_trans;
    private readonly LayerNorm? pos_trans_norm;
    private readonly DeformableDetrConfig config;

    public DeformableTransformer(DeformableDetrConfig config, ModuleList<Linear> classes, ModuleList<Perceptron> boxes) : base(nameof(DeformableTransformer))
    {
        this.config = config;
        int dim = config.hidden_dim;
        encoder = new DeformableEncoder(config);
        decoder = new DeformableDecoder(config, classes, boxes);
        using var _ = no_grad();
        level_embed = new Parameter(nn.init.normal_(empty(config.num_feature_levels, dim)));
        if (config.two_stage)
        {
            enc_output = nn.Linear(dim, dim);
            enc_output_norm = nn.LayerNorm(dim);
            pos_trans = nn.Linear(2 * dim, 2 * dim);
            pos_trans_norm = nn.LayerNorm(2 * dim);
            DetrLayers.Initialise(enc_output, pos_trans);
        }
        else
        {
            reference_points = nn.Linear(dim, 2);
            DetrLayers.Initialise(reference_points);
            nn.init.zeros_(reference_points.bias!);
        }
        RegisterComponents();
    }

    /// <summary>Added to the positions of each level.</summary>
    public Tensor LevelEmbedding => level_embed;

    /// <summary>What is predicted.</summary>
    /// <param name="features">The maps.</param>
    /// <param name="learned">What queries hold, (N, C), before it their positions where they are learned too, (N, 2 C); null for neither.</param>
    /// <param name="classes">A head for each layer, and in two stages one for the encoder.</param>
    /// <param name="boxes">Likewise.</param>
    /// <param name="denoise">Makes queries from known boxes; null for none.</param>
    public DeformablePredictions Predict(FlatFeatures features, Tensor? learned, ModuleList<Linear> classes, ModuleList<Perceptron> boxes, Func<int, BoxDenoising?>? denoise)
    {
        using var scope = NewDisposeScope();
        var memory = encoder.call(features);
        long batch = memory.shape[0];
        if (!config.two_stage)
        {
            var halves = learned!.chunk(2, 1);
            var placed = halves[0].unsqueeze(0).expand(batch, -1, -1);
            var points = reference_points!.call(placed).sigmoid();
            var simple = decoder.Decode(halves[1].unsqueeze(0).expand(batch, -1, -1), placed, points, memory, features.Maps, null, classes, boxes);
            return new DeformablePredictions([.. simple.Select(each => each.MovedOut(scope))], null);
        }

        var (proposals, valid) = DeformableEncoder.Proposals(features.Maps, memory.device);
        var states = enc_output_norm!.call(enc_output!.call(memory.masked_fill(valid.logical_not(), 0)));
        var logits = classes[config.dec_layers].call(states);
        var boxLogits = boxes[config.dec_layers].call(states) + proposals;
        // As in the authors' code: of the encoder's classes only the first is used, which stands for any object.
        var places = logits.select(-1, 0).topk((int)Math.Min(config.num_queries, states.shape[1]), 1).indexes;
        var starts = DetrLayers.Gather(boxLogits, places).detach().sigmoid();
        var denoising = denoise?.Invoke((int)places.shape[1]);
        var references = denoising is null ? starts : cat([starts, denoising.Boxes], 1);
        var embedded = pos_trans_norm!.call(pos_trans!.call(SinePositions.OfNumbers(references, config.hidden_dim / 2))).chunk(2, -1);
        var content = config.mixed_selection ? learned!.narrow(0, 0, places.shape[1]).expand(batch, -1, -1) : embedded[1].narrow(1, 0, places.shape[1]);
        if (denoising is not null)
            content = cat([content, denoising.Content], 1);
        var layers = decoder.Decode(content, embedded[0], references, memory, features.Maps, denoising?.Bias, classes, boxes);

        BoxPrediction[] Part(long first, long count) =>
            [.. layers.Select(each => new BoxPrediction(each.Logits.narrow(1, first, count), each.Boxes.narrow(1, first, count)).MovedOut(scope))];
        return new DeformablePredictions(Part(0, places.shape[1]), new BoxPrediction(logits, boxLogits.sigmoid()).MovedOut(scope))
        {
            Denoised = denoising is null ? null : Part(places.shape[1], references.shape[1] - places.shape[1]),
            Denoising = denoising?.MovedOut(scope),
        };
    }
}

/// <summary>
/// Deformable DETR, plain, with refined boxes, or in two stages: Zhu et al., Deformable DETR: Deformable Transformers for End-to-End
/// Object Detection, 2021 (arXiv:2010.04159). Parameter names as in the authors' repository, fundamentalvision/Deformable-DETR.
/// With queries of mixed origin, denoising and boxes that train two layers it is a detector in the way of DINO: Zhang et al., DINO: DETR
/// with Improved DeNoising Anchor Boxes, 2022 (arXiv:2203.03605).
/// </summary>
public sealed class DeformableDetr : DetectionModel
{
    private readonly DeformableTransformer transformer;
    private readonly ModuleList<Linear> class_embed;
    private readonly ModuleList<Perceptron> bbox_embed;
    private readonly Embedding? query_embed;
    private readonly Embedding? label_enc;
    private readonly ModuleList<Sequential> input_proj;
    private readonly DetrBackbone backbone;
    private readonly DeformableDetrConfig config;

    public DeformableDetr(DeformableDetrConfig config) : base(nameof(DeformableDetr))
    {
        if (!config.two_stage && (config.mixed_selection || config.num_denoising > 0))
            throw new UserError("mixed_selection and num_denoising are for two stages", "set two_stage: true, or leave them");
        this.config = config;
        int dim = config.hidden_dim, heads = config.dec_layers + (config.two_stage ? 1 : 0);
        // Heads of each layer where each moves the boxes, else one for all.
        T[] Heads<T>(Func<int, T> create)
        {
            var first = create(0);
            return [.. Enumerable.Range(0, heads).Select(i => i == 0 || !config.with_box_refine ? first : create(i))];
        }
        class_embed = nn.ModuleList(Heads(_ => DetrLayers.Classifier(dim, config.num_classes)));
        bbox_embed = nn.ModuleList(Heads(i => BoxHead(dim, small: i == 0 && !config.two_stage)));
        if (!config.two_stage || config.mixed_selection)
            query_embed = nn.Embedding(config.num_queries, config.two_stage ? dim : 2 * dim);
        if (config.num_denoising > 0)
            label_enc = nn.Embedding(config.num_classes, dim);
        backbone = DetrBackbone.Of(config);
        input_proj = DeformableInput.Projections(backbone.Channels, config);
        transformer = new DeformableTransformer(config, class_embed, bbox_embed);
        RegisterComponents();
        Criterion = new BoxCriterion
        {
            FocalAlpha = config.focal_alpha,
            CostWeights = (config.set_cost_class, config.set_cost_bbox, config.set_cost_giou),
            LossWeights = (config.cls_loss_coef, config.bbox_loss_coef, config.giou_loss_coef),
        };
    }

    // Where boxes are not proposed, they start small.
    private static Perceptron BoxHead(long dim, bool small)
    {
        var head = new Perceptron(dim, dim, 4, 3).StartAtZero();
        using var _ = no_grad();
        if (small)
            head.Last.bias!.narrow(0, 2, 2).fill_(-2);
        return head;
    }

    public override DetectionKinds Finds => DetectionKinds.Boxes;

    /// <summary>How queries are matched to objects, and what is minimised.</summary>
    public BoxCriterion Criterion { get; }

    /// <summary>What is predicted of a batch.</summary>
    public DeformablePredictions Predict(PaddedImages images) => Predict(images, null);

    private DeformablePredictions Predict(PaddedImages images, BoxTargets? targets)
    {
        var maps = backbone.Maps(images.pixels);
        var features = DeformableInput.Flatten(images, maps, input_proj, transformer.LevelEmbedding, (10000, 10000), shift: -0.5);
        Func<int, BoxDenoising?>? denoise = targets is null || label_enc is null ? null : queries => BoxDenoising.Create(targets, label_enc.weight!, queries, config);
        return transformer.Predict(features, query_embed?.weight, class_embed, bbox_embed, denoise);
    }

    /// <summary>The weighted losses of predictions by their names.</summary>
    public IReadOnlyDictionary<string, Tensor> Losses(DeformablePredictions found, BoxTargets targets)
    {
        int last = found.Layers.Length - 1;
        var losses = new List<(string Name, Tensor Loss)>();
        for (int layer = config.aux_loss ? 0 : last; layer <= last; layer++)
        {
            var suffix = layer == last ? "" : $"_{layer}";
            losses.AddRange(Criterion.Losses(found.Layers[layer], targets, Criterion.Match(found.Layers[layer], targets), suffix));
            if (found.Denoised is { } denoised)
                losses.AddRange(Criterion.Losses(denoised[layer], targets, found.Denoising!.Matching, "_dn" + suffix, 1.0 / found.Denoising.Copies));
        }
        if (found.Encoder is { } encoder)
        {
            // The encoder tells objects from ground: all are of the first class.
            var any = targets with { Labels = zeros_like(targets.Labels) };
            losses.AddRange(Criterion.Losses(encoder, any, Criterion.Match(encoder, any), "_enc"));
        }
        return losses.ToDictionary(each => each.Name, each => each.Loss);
    }

    public override IReadOnlyDictionary<string, Tensor> Losses(PaddedImages images, IReadOnlyList<ObjectTargets> targets)
    {
        using var scope = NewDisposeScope();
        var known = BoxTargets.Of(images, targets);
        var losses = Losses(Predict(images, known), known);
        foreach (var loss in losses.Values)
            scope.MoveToOuter(loss);
        return losses;
    }

    /// <summary>The surest boxes of each image, in pixels of images of those sizes.</summary>
    public IReadOnlyList<Detections> Select(BoxPrediction prediction, IReadOnlyList<ImageSize> sizes)
    {
        using var scope = NewDisposeScope();
        long classes = prediction.Logits.shape[2];
        var (scores, places) = prediction.Logits.sigmoid().flatten(1).topk((int)Math.Min(config.num_select, prediction.Logits.shape[1] * classes), 1);
        var boxes = Modules.Dense.Boxes.FromCentres(DetrLayers.Gather(prediction.Boxes, places.div(classes, RoundingMode.floor)));
        var labels = places.remainder(classes);
        return [.. sizes.Select((size, i) => new Detections(
            scope.MoveToOuter(boxes[i] * tensor([(float)size.width, size.height, size.width, size.height]).to(boxes.device)), scope.MoveToOuter(scores[i]), scope.MoveToOuter(labels[i])))];
    }

    public override IReadOnlyList<Detections> Detect(PaddedImages images)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var found = Select(Predict(images).Layers[^1], images.originals);
        foreach (var each in found)
            scope.MoveToOuter(each.boxes, each.scores, each.labels);
        return found;
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly DeformableDetrConfig Refined = new() { with_box_refine = true };
    private static readonly DeformableDetrConfig TwoStage = Refined with { two_stage = true };
    private static readonly DeformableDetrConfig Dino = TwoStage with
    {
        mixed_selection = true,
        look_forward_twice = true,
        num_denoising = 100,
        num_queries = 900,
        dim_feedforward = 2048,
        num_select = 300,
    };

    // The authors count classes by COCO's own numbers, of which 91 is the first that is free.
    private static DeformableDetrConfig Authors(DeformableDetrConfig config) => config with
    {
        backbone = DetrBackbone.Frozen("resnet50"),
        frozen_stages = 2,
        num_classes = 91,
        first_category = 0,
        dropout = 0.1,
    };

    /// <summary>The variants.</summary>
    public static ModelFamily Family { get; } = new ModelFamily<DeformableDetrConfig>
    {
        Name = "Deformable DETR",
        Reference = "Zhu et al., Deformable DETR: Deformable Transformers for End-to-End Object Detection, 2021 (arXiv:2010.04159)",
        Build = config => new DeformableDetr(config),
        Table = new Dictionary<string, DeformableDetrConfig>
        {
            ["deformable_detr"] = TwoStage,
            ["deformable_detr_resnet50"] = Authors(new()),
            ["deformable_detr_refine_resnet50"] = Authors(Refined),
            ["deformable_detr_two_stage_resnet50"] = Authors(TwoStage),
            ["dino"] = Dino,
            ["dino_resnet50"] = Dino with { backbone = DetrBackbone.Frozen("resnet50"), frozen_stages = 2 },
        },
    };
}
