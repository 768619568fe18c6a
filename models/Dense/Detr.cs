using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A DETR; fields as in the authors' arguments.</summary>
public sealed record DetrConfig : DetectionModelConfig
{
    public int hidden_dim { get; init; } = 256;
    public int nheads { get; init; } = 8;
    public int enc_layers { get; init; } = 6;
    public int dec_layers { get; init; } = 6;
    public int dim_feedforward { get; init; } = 2048;
    public double dropout { get; init; } = 0.1;
    /// <summary>Norms before the parts of a layer rather than after them.</summary>
    public bool pre_norm { get; init; }
    public int num_queries { get; init; } = 100;
    /// <summary>Stages of the backbone that do not train, with the stem as the first: 2 as the authors have it.</summary>
    public int frozen_stages { get; init; }
    public bool aux_loss { get; init; } = true;
    /// <summary>Masks of the objects too: the model is then under <c>detr</c> in the state dict.</summary>
    public bool masks { get; init; }
    /// <summary>Weight of no object in the loss of classes.</summary>
    public double eos_coef { get; init; } = 0.1;
    public double cls_loss_coef { get; init; } = 1;
    public double bbox_loss_coef { get; init; } = 5;
    public double giou_loss_coef { get; init; } = 2;
    public double mask_loss_coef { get; init; } = 1;
    public double dice_loss_coef { get; init; } = 1;
    public double set_cost_class { get; init; } = 1;
    public double set_cost_bbox { get; init; } = 5;
    public double set_cost_giou { get; init; } = 2;
}

/// <summary>What a layer of DETR is given besides its tokens.</summary>
/// <param name="Positions">Added to the tokens, (B, N, C) or what broadcasts to it.</param>
/// <param name="Bias">Added to the scores of places of the map, (B, 1, 1, S): minus infinity where they are padding; null for nothing.</param>
public sealed record DetrContext(Tensor Positions, Tensor? Bias)
{
    /// <summary>The map, (B, S, C), of decoder layers.</summary>
    public Tensor? Memory { get; init; }

    /// <summary>The map with its positions.</summary>
    public Tensor? PlacedMemory { get; init; }
}

/// <summary>A layer of the encoder, or of the decoder, which reads the encoder's map as well.</summary>
internal sealed class DetrLayer : nn.Module<Tensor, DetrContext, Tensor>
{
    private readonly QueryAttention self_attn;
    private readonly QueryAttention? multihead_attn;
    private readonly Linear linear1;
    private readonly Linear linear2;
    private readonly LayerNorm norm1;
    private readonly LayerNorm norm2;
    private readonly LayerNorm? norm3;
    private readonly DetrConfig config;

    public DetrLayer(DetrConfig config, bool decodes) : base(nameof(DetrLayer))
    {
        this.config = config;
        int dim = config.hidden_dim;
        self_attn = new QueryAttention(dim, config.nheads, config.dropout);
        linear1 = nn.Linear(dim, config.dim_feedforward);
        linear2 = nn.Linear(config.dim_feedforward, dim);
        norm1 = nn.LayerNorm(dim);
        norm2 = nn.LayerNorm(dim);
        if (decodes)
        {
            multihead_attn = new QueryAttention(dim, config.nheads, config.dropout);
            norm3 = nn.LayerNorm(dim);
        }
        RegisterComponents();
        DetrLayers.Initialise(linear1, linear2);
    }

    public override Tensor forward(Tensor x, DetrContext context)
    {
        using var scope = NewDisposeScope();
        x = Add(x, norm1, y => Placed(y, placed => self_attn.call(placed, placed, y, multihead_attn is null ? context.Bias : null)));
        if (multihead_attn is not null)
            x = Add(x, norm2, y => Placed(y, placed => multihead_attn.call(placed, context.PlacedMemory!, context.Memory!, context.Bias)));
        return scope.MoveToOuter(Add(x, norm3 ?? norm2, y => DetrLayers.FeedForward(this, y, linear1, linear2, config.dropout), drops: true));

        Tensor Placed(Tensor y, Func<Tensor, Tensor> attend) => attend(y + context.Positions);
    }

    // A part with its shortcut; the feed-forward part has dropped already.
    private Tensor Add(Tensor x, LayerNorm norm, Func<Tensor, Tensor> part, bool drops = false)
    {
        var change = part(config.pre_norm ? norm.call(x) : x);
        if (!drops)
            change = DetrLayers.Drop(this, change, config.dropout);
        return config.pre_norm ? x + change : norm.call(x + change);
    }
}

/// <summary>Layers and the norm after them, which the encoder has with norms before its parts alone.</summary>
internal sealed class DetrStack : nn.Module
{
    private readonly ModuleList<DetrLayer> layers;
    private readonly LayerNorm? norm;

    public DetrStack(DetrConfig config, int count, bool decodes) : base(nameof(DetrStack))
    {
        layers = nn.ModuleList([.. Enumerable.Range(0, count).Select(_ => new DetrLayer(config, decodes))]);
        norm = decodes || config.pre_norm ? nn.LayerNorm(config.hidden_dim) : null;
        RegisterComponents();
    }

    /// <summary>What each layer gives, with the norm on it.</summary>
    public Tensor[] Run(Tensor x, DetrContext context)
    {
        using var scope = NewDisposeScope();
        var results = new Tensor[layers.Count];
        for (int i = 0; i < layers.Count; i++)
        {
            x = layers[i].call(x, context);
            results[i] = scope.MoveToOuter(norm is null ? x.alias() : norm.call(x));
        }
        return results;
    }
}

internal sealed class DetrTransformer : nn.Module
{
    private readonly DetrStack encoder;
    private readonly DetrStack decoder;

    public DetrTransformer(DetrConfig config) : base(nameof(DetrTransformer))
    {
        encoder = new DetrStack(config, config.enc_layers, decodes: false);
        decoder = new DetrStack(config, config.dec_layers, decodes: true);
        RegisterComponents();
    }

    /// <summary>What each layer of the decoder gives, (layers, B, N, C), and the encoder's map, (B, C, H, W).</summary>
    /// <param name="map">(B, C, H, W).</param>
    /// <param name="inside">(B or 1, H, W), true where it is no padding.</param>
    /// <param name="queries">The queries' positions, (N, C).</param>
    public (Tensor States, Tensor Memory) Run(Tensor map, Tensor inside, Tensor queries)
    {
        using var scope = NewDisposeScope();
        var positions = SinePositions.OfMap(inside, map.shape[1], (10000, 10000)).flatten(2).transpose(1, 2);
        // Nothing is padded where the mask is of one image for all.
        var bias = inside.shape[0] < map.shape[0] ? null
            : zeros(inside.shape[0], 1, 1, inside.shape[1] * inside.shape[2], device: map.device).masked_fill(inside.flatten(1).logical_not().unsqueeze(1).unsqueeze(1), float.NegativeInfinity);
        var memory = encoder.Run(map.flatten(2).transpose(1, 2), new DetrContext(positions, bias))[^1];
        var placed = queries.unsqueeze(0).expand(map.shape[0], -1, -1);
        var states = decoder.Run(zeros_like(placed), new DetrContext(placed, bias) { Memory = memory, PlacedMemory = memory + positions });
        return (scope.MoveToOuter(stack(states)), scope.MoveToOuter(memory.transpose(1, 2).reshape(map.shape)));
    }
}

/// <summary>DETR without masks: the names of its parts in the state dict.</summary>
internal sealed class DetrDetector : nn.Module
{
    private readonly DetrTransformer transformer;
    private readonly Linear class_embed;
    private readonly Perceptron bbox_embed;
    private readonly Embedding query_embed;
    private readonly Conv2d input_proj;
    private readonly DetrBackbone backbone;

    public DetrDetector(DetrConfig config) : base(nameof(DetrDetector))
    {
        int dim = config.hidden_dim;
        transformer = new DetrTransformer(config);
        class_embed = nn.Linear(dim, config.num_classes + 1);
        bbox_embed = new Perceptron(dim, dim, 4, 3);
        query_embed = nn.Embedding(config.num_queries, dim);
        // Masks are refined with all maps.
        backbone = new DetrBackbone(config.backbone, DetrBackbone.Coarsest(config.masks ? 4 : 1), config.frozen_stages);
        Channels = backbone.Channels;
        input_proj = nn.Conv2d(Channels[^1], dim, kernel_size: 1);
        RegisterComponents();
    }

    /// <summary>Of the backbone's maps that are used, from fine to coarse.</summary>
    public IReadOnlyList<int> Channels { get; }

    /// <summary>What each layer predicts, the last at the end, and what a head of masks needs.</summary>
    public (BoxPrediction[] Layers, Tensor State, Tensor Projected, Tensor Memory, Tensor Inside, Tensor[] Maps) Run(PaddedImages images)
    {
        using var scope = NewDisposeScope();
        var maps = backbone.Maps(images.pixels);
        var projected = input_proj.call(maps[^1]);
        var inside = DetrBackbone.Inside(images, projected.shape[2], projected.shape[3]);
        var (states, memory) = transformer.Run(projected, inside, query_embed.weight!);
        var (logits, boxes) = (class_embed.call(states), bbox_embed.call(states).sigmoid());
        var layers = Enumerable.Range(0, (int)states.shape[0]).Select(i => new BoxPrediction(logits[i], boxes[i]).MovedOut(scope)).ToArray();
        foreach (var map in maps)
            scope.MoveToOuter(map);
        return (layers, scope.MoveToOuter(states.select(0, states.shape[0] - 1)), scope.MoveToOuter(projected), scope.MoveToOuter(memory), scope.MoveToOuter(inside), maps);
    }
}

/// <summary>All that a DETR predicts of a batch.</summary>
/// <param name="Layers">Of each layer of the decoder, the last at the end.</param>
/// <param name="Masks">Logits of the last layer's masks, at the size of the backbone's finest map, (B, N, H / 4, W / 4); null where it tells none.</param>
public sealed record DetrPredictions(BoxPrediction[] Layers, Tensor? Masks);

/// <summary>
/// DETR, with masks where asked: Carion et al., End-to-End Object Detection with Transformers, 2020 (arXiv:2005.12872). Parameter
/// names as in the authors' repository, facebookresearch/detr, with a backbone of the zoo as <c>backbone.0.body</c>.
/// </summary>
public sealed class Detr : DetectionModel
{
    // Held as what it does: its parts are registered by hand, for without masks they stand in the state dict themselves.
    private readonly Func<PaddedImages, (BoxPrediction[] Layers, Tensor State, Tensor Projected, Tensor Memory, Tensor Inside, Tensor[] Maps)> detect;
    private readonly DetrMaskAttention? bbox_attention;
    private readonly DetrMaskHead? mask_head;
    private readonly DetrConfig config;

    public Detr(DetrConfig config) : base(nameof(Detr))
    {
        this.config = config;
        var detector = new DetrDetector(config);
        detect = detector.Run;
        if (config.masks)
        {
            register_module("detr", detector);
            bbox_attention = new DetrMaskAttention(config.hidden_dim, config.nheads);
            mask_head = new DetrMaskHead(config.hidden_dim, config.nheads, detector.Channels);
        }
        else
        {
            foreach (var (name, module) in detector.named_children())
                register_module(name, module);
        }
        RegisterComponents();
        Criterion = new BoxCriterion
        {
            NoObjectWeight = config.eos_coef,
            CostWeights = (config.set_cost_class, config.set_cost_bbox, config.set_cost_giou),
            LossWeights = (config.cls_loss_coef, config.bbox_loss_coef, config.giou_loss_coef),
        };
    }

    public override DetectionKinds Finds => config.masks ? DetectionKinds.Boxes | DetectionKinds.Masks : DetectionKinds.Boxes;

    /// <summary>How queries are matched to objects, and what is minimised.</summary>
    public BoxCriterion Criterion { get; }

    /// <summary>What is predicted of a batch.</summary>
    public DetrPredictions Predict(PaddedImages images)
    {
        using var scope = NewDisposeScope();
        var (layers, state, projected, memory, inside, maps) = detect(images);
        Tensor? masks = null;
        if (mask_head is not null)
            masks = scope.MoveToOuter(mask_head.Run(projected, bbox_attention!.Run(state, memory, inside), maps));
        return new DetrPredictions([.. layers.Select(layer => layer.MovedOut(scope))], masks);
    }

    /// <summary>The weighted losses of predictions by their names.</summary>
    /// <param name="found">The predictions.</param>
    /// <param name="targets">The objects.</param>
    /// <param name="masks">Their masks over the padded images, as 0 and 1, (T, H, W); needed where the model tells masks.</param>
    public IReadOnlyDictionary<string, Tensor> Losses(DetrPredictions found, BoxTargets targets, Tensor? masks = null)
    {
        int last = found.Layers.Length - 1;
        var losses = new List<(string Name, Tensor Loss)>();
        for (int layer = config.aux_loss ? 0 : last; layer <= last; layer++)
        {
            var matching = Criterion.Match(found.Layers[layer], targets);
            losses.AddRange(Criterion.Losses(found.Layers[layer], targets, matching, layer == last ? "" : $"_{layer}"));
            if (layer == last && found.Masks is { } predicted && masks is not null)
                losses.AddRange(MaskLosses(matching.OfQueries(predicted), masks.index_select(0, matching.Objects), Math.Max(1, targets.Labels.shape[0])));
        }
        return losses.ToDictionary(each => each.Name, each => each.Loss);
    }

    private IEnumerable<(string, Tensor)> MaskLosses(Tensor logits, Tensor targets, double objects)
    {
        logits = nn.functional.interpolate(logits.unsqueeze(1), targets.shape[1..], mode: InterpolationMode.Bilinear, align_corners: false).squeeze(1).flatten(1);
        targets = targets.flatten(1).to(logits.dtype);
        var focal = FocalLoss.Sigmoid(logits, targets).mean([1]).sum() / objects;
        var sure = logits.sigmoid();
        var dice = (1 - (2 * (sure * targets).sum(1) + 1) / (sure.sum(1) + targets.sum(1) + 1)).sum() / objects;
        return [("loss_mask", focal * config.mask_loss_coef), ("loss_dice", dice * config.dice_loss_coef)];
    }

    public override IReadOnlyDictionary<string, Tensor> Losses(PaddedImages images, IReadOnlyList<ObjectTargets> targets)
    {
        using var scope = NewDisposeScope();
        var losses = Losses(Predict(images), BoxTargets.Of(images, targets), config.masks ? Masks(images, targets) : null);
        foreach (var loss in losses.Values)
            scope.MoveToOuter(loss);
        return losses;
    }

    // Padded to the batch's images.
    private static Tensor Masks(PaddedImages images, IReadOnlyList<ObjectTargets> targets) => cat([.. targets.Select(target =>
    {
        var masks = target.masks ?? throw new UserError("the data have no masks", "train on annotations of masks, or set masks: false");
        return nn.functional.pad(masks, [0, images.pixels.shape[3] - masks.shape[2], 0, images.pixels.shape[2] - masks.shape[1]]);
    })], 0);

    /// <summary>What each query found, in pixels of images of those sizes; of masks the probabilities.</summary>
    /// <param name="found">The predictions.</param>
    /// <param name="images">The batch: masks are cut to its images before they are resized.</param>
    public IReadOnlyList<Detections> Select(DetrPredictions found, PaddedImages images)
    {
        using var scope = NewDisposeScope();
        var prediction = found.Layers[^1];
        var (scores, labels) = prediction.Logits.softmax(-1).narrow(2, 0, prediction.Logits.shape[2] - 1).max(-1);
        var boxes = Boxes.FromCentres(prediction.Boxes);
        var masks = found.Masks is null ? null
            : nn.functional.interpolate(found.Masks, images.pixels.shape[2..], mode: InterpolationMode.Bilinear, align_corners: false).sigmoid();
        return [.. images.originals.Select((size, i) => new Detections(
            scope.MoveToOuter(boxes[i] * tensor([(float)size.width, size.height, size.width, size.height]).to(boxes.device)), scope.MoveToOuter(scores[i]), scope.MoveToOuter(labels[i]))
        {
            masks = masks is null ? null : scope.MoveToOuter(nn.functional.interpolate(
                masks[i].narrow(1, 0, images.sizes[i].height).narrow(2, 0, images.sizes[i].width).unsqueeze(0), [size.height, size.width], mode: InterpolationMode.Nearest).squeeze(0)),
        })];
    }

    public override IReadOnlyList<Detections> Detect(PaddedImages images)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        // The surest first; Select leaves the queries' order.
        return [.. Select(Predict(images), images).Select(each =>
        {
            var order = each.scores.argsort(descending: true);
            Tensor Ordered(Tensor all) => scope.MoveToOuter(all.index_select(0, order));
            return new Detections(Ordered(each.boxes), Ordered(each.scores), Ordered(each.labels)) { masks = each.masks is { } masks ? Ordered(masks) : null };
        })];
    }

    // --- variants --------------------------------------------------------------------------------

    // The authors count classes by COCO's own numbers, of which 91 is the first that is free.
    private static readonly DetrConfig Authors = new()
    {
        backbone = DetrBackbone.Frozen("resnet50"),
        frozen_stages = 2,
        num_classes = 91,
        first_category = 0,
    };

    /// <summary>The variants.</summary>
    public static ModelFamily Family { get; } = new ModelFamily<DetrConfig>
    {
        Name = "DETR",
        Reference = "Carion et al., End-to-End Object Detection with Transformers, 2020 (arXiv:2005.12872)",
        Build = config => new Detr(config),
        Table = new Dictionary<string, DetrConfig>
        {
            ["detr"] = new(),
            ["detr_resnet50"] = Authors,
            ["detr_resnet101"] = Authors with { backbone = DetrBackbone.Frozen("resnet101") },
            ["detr_resnet50_panoptic"] = Authors with { num_classes = 250, masks = true },
            ["detr_resnet101_panoptic"] = Authors with { backbone = DetrBackbone.Frozen("resnet101"), num_classes = 250, masks = true },
        },
    };
}
