using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A Group Pose; fields as in the authors' configs.</summary>
public sealed record GroupPoseConfig : DeformableDetectorConfig
{
    /// <summary>K, keypoints of a pose: COCO's 17 or CrowdPose's 14.</summary>
    public int num_body_points { get; init; } = 17;
    /// <summary>Longest wavelength of positions over the shortest, of y.</summary>
    public double pe_temperatureH { get; init; } = 20;
    /// <summary>The same of x.</summary>
    public double pe_temperatureW { get; init; } = 20;
    /// <summary>A norm after the encoder.</summary>
    public bool pre_norm { get; init; }
    public string transformer_activation { get; init; } = "relu";
    /// <summary>Queries start as zeros rather than as what the encoder has where they are.</summary>
    public bool learnable_tgt_init { get; init; }
    public bool dec_pred_class_embed_share { get; init; }
    public bool dec_pred_pose_embed_share { get; init; }
    public bool two_stage_class_embed_share { get; init; }
    public bool cls_no_bias { get; init; }
    public bool aux_loss { get; init; } = true;
    public double cls_loss_coef { get; init; } = 2;
    public double keypoints_loss_coef { get; init; } = 10;
    public double oks_loss_coef { get; init; } = 4;
    /// <summary>Weight of the losses of the encoder's proposals.</summary>
    public double interm_loss_coef { get; init; } = 1;
    public double set_cost_class { get; init; } = 2;
    public double set_cost_keypoints { get; init; } = 10;
    public double set_cost_oks { get; init; } = 4;

    // Not of the authors: what makes it learn in minutes.

    /// <summary>Queries of each image in training that start at its known poses with noise, in turn; 0 for none.</summary>
    public int num_denoising { get; init; }
    /// <summary>The largest move of a keypoint there, as a share of the root of the pose's area.</summary>
    public double denoising_noise { get; init; } = 0.3;
    /// <summary>Proposals of the encoder that learn, the surest; as many as queries for 0.</summary>
    public int num_proposals { get; init; }
    /// <summary>Proposals that learn each pose.</summary>
    public int interm_repeats { get; init; } = 1;
    /// <summary>Weight of the loss of maps of keypoints that the encoder tells in training; 0 for none.</summary>
    public double heatmap_loss_coef { get; init; }
}

/// <summary>All that a Group Pose predicts of a batch.</summary>
/// <param name="Layers">Of each layer of the decoder, the last at the end.</param>
/// <param name="Encoder">Of the encoder, at the places of the queries first.</param>
public sealed record PosePredictions(PosePrediction[] Layers, PosePrediction Encoder)
{
    /// <summary>Of each layer, from poses with noise; null where there were none.</summary>
    internal PosePrediction[]? Denoised { get; init; }

    internal PoseDenoising? Denoising { get; init; }

    /// <summary>Logits of where each keypoint is, on the finest map, (B, H * W, K); null where it is not learned.</summary>
    internal Tensor? Heatmaps { get; init; }

    internal (long Height, long Width) HeatmapSize { get; init; }
}

/// <summary>
/// A layer of the decoder. Poses (B, N, K + 1, C), of which the first of each group is the query of the whole person: attention
/// within each person, attention among the queries of one kind, then each reads the maps.
/// </summary>
internal sealed class GroupPoseDecoderLayer : nn.Module<Tensor, DeformableContext, Tensor>
{
    private readonly QueryAttention within_attn;
    private readonly LayerNorm within_norm;
    private readonly QueryAttention across_attn;
    private readonly LayerNorm across_norm;
    private readonly MultiScaleDeformableAttention cross_attn;
    private readonly LayerNorm norm1;
    private readonly Linear linear1;
    private readonly Linear linear2;
    private readonly LayerNorm norm2;
    private readonly GroupPoseConfig config;

    public GroupPoseDecoderLayer(GroupPoseConfig config) : base(nameof(GroupPoseDecoderLayer))
    {
        this.config = config;
        int dim = config.hidden_dim;
        within_attn = new QueryAttention(dim, config.nheads, config.dropout);
        within_norm = nn.LayerNorm(dim);
        across_attn = new QueryAttention(dim, config.nheads, config.dropout);
        across_norm = nn.LayerNorm(dim);
        cross_attn = new MultiScaleDeformableAttention(dim, config.num_feature_levels, config.nheads, config.dec_n_points, GroupPose.SpreadStart(config.dec_n_points));
        norm1 = nn.LayerNorm(dim);
        linear1 = nn.Linear(dim, config.dim_feedforward);
        linear2 = nn.Linear(config.dim_feedforward, dim);
        norm2 = nn.LayerNorm(dim);
        RegisterComponents();
        DetrLayers.Initialise(linear1, linear2);
    }

    public override Tensor forward(Tensor poses, DeformableContext context)
    {
        using var scope = NewDisposeScope();
        // As in the authors' code, which adds in place: positions stay in the queries, values and shortcuts too.
        var x = (poses + context.Positions).flatten(0, 1);
        x = within_norm.call(x + Drop(within_attn.call(x, x, x, null)));
        var kinds = x.view(poses.shape).transpose(1, 2).flatten(0, 1);
        kinds = across_norm.call(kinds + Drop(across_attn.call(kinds, kinds, kinds, context.Bias)));
        x = kinds.view(poses.shape[0], poses.shape[2], poses.shape[1], poses.shape[3]).transpose(1, 2) + context.Positions;
        var queries = x.flatten(1, 2);
        queries = norm1.call(queries + Drop(cross_attn.call(queries, context.References, context.Memory!, context.Maps)));
        queries = norm2.call(queries + DetrLayers.FeedForward(this, queries, linear1, linear2, config.dropout, config.transformer_activation));
        return scope.MoveToOuter(queries.view(poses.shape));
    }

    private Tensor Drop(Tensor x) => DetrLayers.Drop(this, x, config.dropout);
}

/// <summary>The layers and heads of the decoder.</summary>
internal sealed class GroupPoseDecoder : nn.Module
{
    // Poses are moved in logits of numbers kept this far from 0 and 1.
    private const double Margin = 1e-3;

    private readonly ModuleList<GroupPoseDecoderLayer> layers;
    private readonly Perceptron half_pose_ref_point_head;
    private readonly ModuleList<Perceptron> pose_embed;
    private readonly ModuleList<Linear> class_embed;
    private readonly long dim;

    public GroupPoseDecoder(GroupPoseConfig config, ModuleList<Perceptron> pose_embed, ModuleList<Linear> class_embed) : base(nameof(GroupPoseDecoder))
    {
        dim = config.hidden_dim;
        layers = nn.ModuleList([.. Enumerable.Range(0, config.dec_layers).Select(_ => new GroupPoseDecoderLayer(config))]);
        half_pose_ref_point_head = new Perceptron(dim, dim, dim, 2);
        (this.pose_embed, this.class_embed) = (pose_embed, class_embed);
        RegisterComponents();
    }

    /// <summary>What each layer predicts, the last at the end.</summary>
    /// <param name="poses">Queries (B, N, K + 1, C).</param>
    /// <param name="references">Where they are, (B, N, K + 1, 2): the middle of the pose, then its keypoints.</param>
    /// <param name="memory">(B, S, C).</param>
    /// <param name="maps">What the S places are.</param>
    /// <param name="bias">Of the attention across persons; null for none.</param>
    public PosePrediction[] Decode(Tensor poses, Tensor references, Tensor memory, FlatMaps maps, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        // The references that a layer's own head starts from keep their graph; the next layer starts without.
        var (states, starts) = (new Tensor[layers.Count], new Tensor[layers.Count]);
        for (int i = 0; i < layers.Count; i++)
        {
            starts[i] = references;
            references = references.detach();
            var onMaps = maps.OnMaps(references.flatten(1, 2));
            var embedded = half_pose_ref_point_head.call(SinePositions.OfPoints(onMaps.select(2, 0), dim)).view(poses.shape);
            var positions = cat([zeros_like(embedded.narrow(2, 0, 1)), Keypoints(embedded)], 2);
            // As in the authors' code, which adds in place: what an earlier layer gave to its head has the next one's positions in it.
            if (i > 0)
                states[i - 1] = poses + positions;
            poses = layers[i].call(poses, new DeformableContext(maps, memory, positions, onMaps) { Bias = bias });
            states[i] = poses;
            if (i + 1 < layers.Count)
                references = WithMiddle(Moved(i, references, poses));
        }
        return [.. states.Select((state, i) => new PosePrediction(
            scope.MoveToOuter(class_embed[i].call(state.select(2, 0))), scope.MoveToOuter(Moved(i, starts[i], state))))];
    }

    /// <summary>Keypoints (..., K, 2) with their middle before them, (..., K + 1, 2).</summary>
    public static Tensor WithMiddle(Tensor keypoints) => cat([keypoints.mean([-2], keepdim: true), keypoints], -2);

    private Tensor Moved(int layer, Tensor references, Tensor poses) =>
        (DetrLayers.InverseSigmoid(Keypoints(references), Margin) + pose_embed[layer].call(Keypoints(poses))).sigmoid();

    // All but the first of each group.
    private static Tensor Keypoints(Tensor groups) => groups.narrow(2, 1, groups.shape[2] - 1);
}

/// <summary>Encoder, choice of queries and decoder.</summary>
internal sealed class GroupPoseTransformer : nn.Module
{
    private readonly DeformableEncoder encoder;
    private readonly GroupPoseDecoder decoder;
    private readonly Parameter? level_embed;
    private readonly Embedding keypoint_embedding;
    private readonly Embedding instance_embedding;
    private readonly Tensor? tgt_embed;
    private readonly Linear enc_output;
    private readonly LayerNorm enc_output_norm;
    private readonly Perceptron enc_pose_embed;
    private readonly Linear enc_out_class_embed;
    private readonly Linear? heatmap_embed;
    private readonly GroupPoseConfig config;

    public GroupPoseTransformer(GroupPoseConfig config, ModuleList<Perceptron> pose_embed, ModuleList<Linear> class_embed) : base(nameof(GroupPoseTransformer))
    {
        this.config = config;
        int dim = config.hidden_dim, points = config.num_body_points;
        encoder = new DeformableEncoder(config, GroupPose.SpreadStart(config.enc_n_points), config.pre_norm);
        decoder = new GroupPoseDecoder(config, pose_embed, class_embed);
        using var _ = no_grad();
        if (config.num_feature_levels > 1 && config.enc_layers > 0)
            level_embed = new Parameter(nn.init.normal_(empty(config.num_feature_levels, dim)));
        keypoint_embedding = nn.Embedding(points, dim);
        instance_embedding = nn.Embedding(1, dim);
        nn.init.xavier_uniform_(keypoint_embedding.weight!);
        nn.init.xavier_uniform_(instance_embedding.weight!);
        if (config.learnable_tgt_init)
            register_buffer(nameof(tgt_embed), tgt_embed = zeros(config.num_queries, dim));
        enc_output = nn.Linear(dim, dim);
        enc_output_norm = nn.LayerNorm(dim);
        DetrLayers.Initialise(enc_output);
        enc_pose_embed = new Perceptron(dim, 2 * dim, 2 * points, 4).StartAtZero();
        enc_out_class_embed = config is { two_stage_class_embed_share: true, dec_pred_class_embed_share: true } ? class_embed[0]
            : DetrLayers.Classifier(dim, GroupPose.Logits(config), !config.cls_no_bias);
        heatmap_embed = config.heatmap_loss_coef > 0 ? DetrLayers.Classifier(dim, points) : null;
        RegisterComponents();
    }

    /// <summary>Added to the positions of each level.</summary>
    public Tensor? LevelEmbedding => level_embed;

    /// <summary>What the decoder's layers and the encoder predict; with targets, from their poses with noise too.</summary>
    public PosePredictions Predict(FlatFeatures features, PoseTargets? targets)
    {
        using var scope = NewDisposeScope();
        PosePrediction Kept(PosePrediction prediction) => new(scope.MoveToOuter(prediction.Logits), scope.MoveToOuter(prediction.Keypoints));
        var memory = encoder.call(features);
        var (proposals, valid) = DeformableEncoder.Proposals(features.Maps, memory.device);
        var states = enc_output_norm.call(enc_output.call(memory.masked_fill(valid.logical_not(), 0)));

        var logits = enc_out_class_embed.call(states);
        int learning = targets is null ? config.num_queries : Math.Max(config.num_queries, config.num_proposals);
        var places = logits.amax([-1]).topk(Math.Min(learning, (int)states.shape[1]), 1).indexes;
        var chosen = DetrLayers.Gather(states, places);
        var starts = DetrLayers.Gather(proposals.expand(states.shape[0], -1, -1), places).narrow(-1, 0, 2).unsqueeze(-2);
        var keypoints = (enc_pose_embed.call(chosen).unflatten(-1, config.num_body_points, 2) + starts).sigmoid();
        var proposed = new PosePrediction(enc_out_class_embed.call(chosen), keypoints);

        int queries = (int)Math.Min(config.num_queries, chosen.shape[1]);
        var content = tgt_embed is null ? chosen.narrow(1, 0, queries).detach() : tgt_embed.narrow(0, 0, queries).expand(chosen.shape[0], -1, -1);
        var references = GroupPoseDecoder.WithMiddle(keypoints.narrow(1, 0, queries)).detach();
        var denoising = targets is null || config.num_denoising == 0 ? null
            : PoseDenoising.Create(targets, features.Maps, queries, config.num_denoising, config.denoising_noise);
        if (denoising is not null)
        {
            content = cat([content, DetrLayers.Gather(states, denoising.Places).detach()], 1);
            references = cat([references, denoising.References], 1);
        }
        var persons = instance_embedding.weight!.expand(content.shape[0], content.shape[1], 1, -1);
        var poses = cat([persons, content.unsqueeze(2) + keypoint_embedding.weight!], 2);
        var layers = decoder.Decode(poses, references, memory, features.Maps, denoising?.Bias);
        PosePrediction[] Part(long first, long count) =>
            [.. layers.Select(each => Kept(new PosePrediction(each.Logits.narrow(1, first, count), each.Keypoints.narrow(1, first, count))))];
        var finest = features.Maps.Sizes[0];
        return new PosePredictions(Part(0, queries), Kept(proposed))
        {
            Denoised = denoising is null ? null : Part(queries, content.shape[1] - queries),
            Denoising = denoising is null ? null : denoising with
            {
                Matching = new SetMatching(scope.MoveToOuter(denoising.Matching.Queries), scope.MoveToOuter(denoising.Matching.Objects)),
            },
            Heatmaps = targets is null || heatmap_embed is null ? null : scope.MoveToOuter(heatmap_embed.call(memory.narrow(1, 0, finest.Height * finest.Width))),
            HeatmapSize = finest,
        };
    }
}

/// <summary>
/// Group Pose: poses of several persons end to end, from N groups of a query of the person and one of each keypoint. Liu et al.,
/// Group Pose: A Simple Baseline for End-to-End Multi-person Pose Estimation, 2023 (arXiv:2308.07313). Parameter names as in
/// the authors' repository, Michel-liu/GroupPose, with a backbone of the zoo as <c>backbone.0.body</c>.
/// </summary>
public sealed class GroupPose : DetectionModel
{
    private readonly GroupPoseTransformer transformer;
    private readonly ModuleList<Sequential> input_proj;
    private readonly DetrBackbone backbone;
    private readonly ModuleList<Linear> class_embed;
    private readonly ModuleList<Perceptron> pose_embed;
    private readonly GroupPoseConfig config;
    private readonly GroupPoseCriterion criterion;

    public GroupPose(GroupPoseConfig config) : base(nameof(GroupPose))
    {
        this.config = config;
        criterion = new GroupPoseCriterion(config);
        int dim = config.hidden_dim;
        Linear NewClasses() => DetrLayers.Classifier(dim, Logits(config), !config.cls_no_bias);
        Perceptron NewPoses() => new Perceptron(dim, dim, 2, 3).StartAtZero();
        class_embed = nn.ModuleList(PerLayer(config.dec_layers, config.dec_pred_class_embed_share, NewClasses));
        pose_embed = nn.ModuleList(PerLayer(config.dec_layers, config.dec_pred_pose_embed_share, NewPoses));
        backbone = DetrBackbone.Of(config);
        input_proj = DeformableInput.Projections(backbone.Channels, config);
        transformer = new GroupPoseTransformer(config, pose_embed, class_embed);
        RegisterComponents();
    }

    public override DetectionKinds Finds => DetectionKinds.Keypoints;

    // The authors count classes from 1, COCO's person: the logit before the first is of nothing.
    internal static int Logits(GroupPoseConfig config) => config.num_classes + 1;

    // The authors start places at the queries unless there are multiples of four.
    internal static bool SpreadStart(int points) => points % 4 == 0;

    private static T[] PerLayer<T>(int layers, bool shared, Func<T> create)
    {
        var one = create();
        return [.. Enumerable.Range(0, layers).Select(i => i == 0 || shared ? one : create())];
    }

    /// <summary>What is predicted of a batch.</summary>
    public PosePredictions Predict(PaddedImages images) => Predict(images, null);

    private PosePredictions Predict(PaddedImages images, PoseTargets? targets)
    {
        var maps = backbone.Maps(images.pixels);
        var features = DeformableInput.Flatten(images, maps, input_proj, transformer.LevelEmbedding, (config.pe_temperatureH, config.pe_temperatureW), shift: 0);
        return transformer.Predict(features, targets);
    }

    /// <summary>How queries are matched to poses, and what is minimised.</summary>
    public GroupPoseCriterion Criterion => criterion;

    /// <summary>The weighted losses of predictions by their names. Labels of targets are as the logits have them.</summary>
    public IReadOnlyDictionary<string, Tensor> Losses(PosePredictions found, PoseTargets targets)
    {
        int last = found.Layers.Length - 1;
        string Suffix(int layer) => layer == last ? "" : $"_{layer}";
        var losses = new List<(string Name, Tensor Loss)>();
        for (int layer = config.aux_loss ? 0 : last; layer <= last; layer++)
        {
            losses.AddRange(criterion.Losses(found.Layers[layer], targets, Suffix(layer)));
            if (found.Denoised is { } denoised)
                losses.AddRange(criterion.Losses(denoised[layer], targets, found.Denoising!.Matching, "_dn" + Suffix(layer), targets.Labels.shape[0] / (double)found.Denoising.Matching.Count));
        }
        losses.AddRange(criterion.Losses(found.Encoder, targets.Repeated(config.interm_repeats), "_interm", config.interm_loss_coef));
        if (found.Heatmaps is { } heatmaps)
            losses.Add(("loss_heatmap", PoseHeatmaps.Loss(heatmaps, PoseHeatmaps.Targets(targets, found.HeatmapSize), targets.Labelled) * config.heatmap_loss_coef));
        return losses.ToDictionary(each => each.Name, each => each.Loss);
    }

    public override IReadOnlyDictionary<string, Tensor> Losses(PaddedImages images, IReadOnlyList<ObjectTargets> targets)
    {
        using var scope = NewDisposeScope();
        var known = PoseTargets.Of(images, targets, config.num_body_points);
        known = known with { Labels = known.Labels + 1 };
        var losses = Losses(Predict(images, known), known);
        foreach (var loss in losses.Values)
            scope.MoveToOuter(loss);
        return losses;
    }

    /// <summary>The surest poses of each image: scores (P), labels as the logits have them (P), keypoints in pixels (P, K, 2).</summary>
    public (Tensor Scores, Tensor Labels, Tensor Keypoints)[] Select(PosePrediction prediction, IReadOnlyList<ImageSize> sizes)
    {
        using var scope = NewDisposeScope();
        long classes = prediction.Logits.shape[2];
        var (scores, places) = prediction.Logits.sigmoid().flatten(1).topk((int)Math.Min(config.num_select, prediction.Logits.shape[1] * classes), 1);
        var keypoints = DetrLayers.Gather(prediction.Keypoints, places.div(classes, RoundingMode.floor));
        var labels = places.remainder(classes);
        return [.. sizes.Select((size, i) => (scope.MoveToOuter(scores[i]), scope.MoveToOuter(labels[i]),
            scope.MoveToOuter(keypoints[i] * tensor([(float)size.width, size.height]).to(keypoints.device))))];
    }

    public override IReadOnlyList<Detections> Detect(PaddedImages images)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return [.. Select(Predict(images).Layers[^1], images.originals).Select(found =>
        {
            var real = found.Labels.gt(0).nonzero().squeeze(1);
            // In the numbers of pixels, whose middles are at halves.
            var points = found.Keypoints.index_select(0, real) - 0.5f;
            var scores = found.Scores.index_select(0, real);
            var boxes = cat([points.amin([1]), points.amax([1])], -1);
            var sure = scores.view(-1, 1, 1).expand(points.shape[0], points.shape[1], 1);
            return new Detections(scope.MoveToOuter(boxes), scope.MoveToOuter(scores), scope.MoveToOuter(found.Labels.index_select(0, real) - 1))
            {
                keypoints = scope.MoveToOuter(cat([points, sure], -1)),
            };
        })];
    }

    // --- variants --------------------------------------------------------------------------------

    private static readonly GroupPoseConfig Coco = new() { num_classes = 1, num_queries = 100, dim_feedforward = 2048, num_select = 50 };

    /// <summary>The variants.</summary>
    public static ModelFamily Family { get; } = new ModelFamily<GroupPoseConfig>
    {
        Name = "Group Pose",
        Reference = "Liu et al., Group Pose: A Simple Baseline for End-to-End Multi-person Pose Estimation, 2023 (arXiv:2308.07313)",
        Build = config => new GroupPose(config),
        Table = new Dictionary<string, GroupPoseConfig>
        {
            ["group_pose"] = Coco,
            ["group_pose_resnet50"] = Coco with { backbone = DetrBackbone.Frozen("resnet50"), frozen_stages = 2 },
            ["group_pose_crowdpose_resnet50"] = Coco with { backbone = DetrBackbone.Frozen("resnet50"), frozen_stages = 2, num_body_points = 14 },
        },
    };
}
