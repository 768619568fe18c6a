using System.Text.Json;
using Attention.Engine.Configuration;
using Attention.Models.Dense;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>A whole detector of torchvision: two images, every stage in evaluation, losses and gradients in training.</summary>
internal abstract class RecordedDetector : DenseSystem
{
    // What belongs to the images' preparation, or has no meaning without pretrained weights.
    private static readonly string[] notOfModel = ["weights", "weights_backbone", "min_size", "max_size", "num_classes"];

    private const int DefaultMinSize = 800, DefaultMaxSize = 1333, DefaultClasses = 91;

    protected RecordedDetector(DenseRecording recording) => Recording = recording;

    protected DenseRecording Recording { get; }

    protected Dictionary<string, Tensor> Values { get; } = [];

    /// <summary>The model of the recorded factory's name, with its arguments; of torchvision's classes the first ones are left out.</summary>
    protected DetectionModel Build(int withoutFirst)
    {
        var kwargs = Recording.Get("kwargs");
        int classes = (int)Recording.Number("kwargs.num_classes", DefaultClasses) - withoutFirst;
        var options = kwargs.EnumerateObject().Where(each => !notOfModel.Contains(each.Name) && each.Value.ValueKind != JsonValueKind.Null)
            .Select(each => (each.Name, RecordedModel.Plain(each.Value))).Append(("num_classes", (object?)classes)).ToArray();
        return (DetectionModel)ModelBuilder.Build(new NamedPart(Recording.System.Split('.')[^1], options));
    }

    protected abstract DetectionModel Detector { get; }

    public override nn.Module Model => Detector;

    /// <summary>What the class that torchvision calls 1 is here.</summary>
    protected abstract int FirstLabel { get; }

    public override IReadOnlyDictionary<string, Tensor> Compute()
    {
        var input = new DetectorInput((int)Recording.Number("kwargs.min_size", DefaultMinSize), (int)Recording.Number("kwargs.max_size", DefaultMaxSize), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        var images = input.Prepare(Recording.Images());
        Values["eval.transform.batch"] = images.pixels;
        Values["eval.transform.image_sizes"] = tensor(images.sizes.SelectMany(size => new long[] { size.height, size.width }).ToArray(), images.sizes.Count, 2);
        using (no_grad())
            Stages(images);
        foreach (var (found, i) in Detector.Detect(images).Select((found, i) => (found, i)))
            Add($"eval.detections.{i}", found);
        var targets = Recording.Get("targets").EnumerateArray().Select((target, i) => DetectorInput.Resize(Target(target, images.originals[i]), images.originals[i], images.sizes[i])).ToArray();
        TrainingStages(images, targets);
        Detector.train();
        foreach (var norm in Detector.modules().OfType<BatchNorm2d>())
            norm.eval();
        var losses = Detector.Losses(images, targets);
        var total = losses.Values.Aggregate((a, b) => a + b);
        total.backward();
        foreach (var (name, loss) in losses)
            Values[$"train.losses.{name}"] = loss;
        Values["train.total"] = total;
        Detector.train();
        using (no_grad())
            foreach (var (name, loss) in Detector.Losses(images, targets))
                Values[$"train.losses_with_batchnorm_in_train_mode.{name}"] = loss;
        return Values;
    }

    private void Add(string path, Detections found)
    {
        Values[$"{path}.boxes"] = found.boxes;
        Values[$"{path}.scores"] = found.scores;
        Values[$"{path}.labels"] = found.labels + FirstLabel;
        if (found.masks is not { } masks)
            return;
        Values[$"{path}.masks"] = masks.unsqueeze(1);
        Values[$"{path}.mask_pixels_ge_0.5"] = masks.ge(0.5).sum([1, 2]);
    }

    /// <summary>Computes the stages of evaluation.</summary>
    protected abstract void Stages(PaddedImages images);

    /// <summary>Computes the choices of training.</summary>
    protected abstract void TrainingStages(PaddedImages images, IReadOnlyList<ObjectTargets> targets);

    protected void AddMaps(Tensor[] maps, string[] names)
    {
        foreach (var (map, name) in maps.Zip(names))
            Values[$"eval.fpn.{name}"] = map;
    }

    protected void AddAnchors(Tensor anchors)
    {
        const int Shown = 6;
        Values["eval.anchors.first"] = anchors.narrow(0, 0, Shown);
        Values["eval.anchors.last"] = anchors.narrow(0, anchors.shape[0] - Shown, Shown);
        var exact = anchors.to(ScalarType.Float64);
        Values["eval.anchors.column_sums"] = exact.sum([0]);
        Values["eval.anchors.sum_abs"] = exact.abs().sum();
        Values["eval.anchors.sum_squares"] = exact.square().sum();
        if (Recording.Find("eval.anchors.sampled_rows") is { } sampled)
            foreach (var row in sampled.EnumerateObject())
                Values[$"eval.anchors.sampled_rows.{row.Name}"] = anchors[long.Parse(row.Name)];
    }

    /// <summary>The anchors that belong to objects or to nothing.</summary>
    protected void AddMatches(string path, Tensor matches, Tensor values)
    {
        var (objects, between) = (matches.ge(0).nonzero().squeeze(1), matches.eq(BoxMatcher.Between).nonzero().squeeze(1));
        Values[$"{path}.count"] = tensor(matches.shape[0]);
        Values[$"{path}.positives"] = tensor(objects.shape[0]);
        Values[$"{path}.positive_anchor_indices"] = objects;
        Values[$"{path}.values_at_positives"] = values.index_select(0, objects);
        Values[$"{path}.between_thresholds"] = tensor(between.shape[0]);
        Values[$"{path}.index_sum_between"] = between.sum();
    }

    private ObjectTargets Target(JsonElement target, ImageSize size)
    {
        var boxes = DenseRecording.Boxes(target.GetProperty("boxes"));
        var labels = tensor(DenseRecording.Longs(target.GetProperty("labels")).Select(label => label - FirstLabel).ToArray());
        return new ObjectTargets(boxes, labels)
        {
            masks = target.TryGetProperty("mask_rle_counts_column_major", out var masks)
                ? stack([.. masks.EnumerateArray().Select(counts => Mask(DenseRecording.Longs(counts), size))]) : null,
        };
    }

    // Lengths of zeros and ones in turn, column by column.
    private static Tensor Mask(long[] counts, ImageSize size) =>
        tensor(counts.SelectMany((count, i) => Enumerable.Repeat((byte)(i % 2), (int)count)).ToArray(), size.width, size.height).t();
}

/// <summary>Faster and Mask R-CNN.</summary>
internal sealed class RecordedRcnn : RecordedDetector
{
    private readonly Rcnn model;

    public RecordedRcnn(DenseRecording recording) : base(recording) => model = (Rcnn)Build(withoutFirst: 1);

    protected override DetectionModel Detector => model;

    protected override int FirstLabel => 1;

    protected override void Stages(PaddedImages images)
    {
        var maps = model.Backbone.call(images.pixels);
        AddMaps(maps, ["0", "1", "2", "3", "pool"]);
        var (scores, deltas) = model.Proposals.Head(maps);
        for (int i = 0; i < maps.Length; i++)
            (Values[$"eval.rpn_head.objectness.{i}"], Values[$"eval.rpn_head.deltas.{i}"]) = (scores[i], deltas[i]);
        var found = model.Proposals.Predict(maps, (images.pixels.shape[2], images.pixels.shape[3]));
        AddAnchors(found.anchors);
        foreach (var ((boxes, _), i) in model.Proposals.Propose(found, images.sizes, model.Config.rpn_pre_nms_top_n_test, model.Config.rpn_post_nms_top_n_test).Select((each, i) => (each, i)))
            Values[$"eval.proposals.{i}"] = boxes;

        if (Recording.Find("fixed_proposals") is not { } proposals)
            return;
        Tensor[] given = [.. proposals.EnumerateArray().Select(DenseRecording.Boxes)];
        var own = maps[..model.Backbone.BodyMaps];
        Values["eval.levels"] = MultiScaleRoiAlign.LevelOf(cat(given), 2, 5);
        var parts = Values["eval.box_pooled"] = model.Heads.BoxParts(own, given, images.sizes);
        var features = Values["eval.box_head"] = model.Heads.BoxFeatures(parts);
        (Values["eval.class_logits"], Values["eval.box_deltas"]) = model.Heads.PredictBoxes(features);
        if (!model.Finds.HasFlag(DetectionKinds.Masks))
            return;
        var maskParts = Values["eval.mask_pooled"] = model.Heads.MaskParts(own, given, images.sizes);
        Values["eval.mask_logits"] = model.Heads.PredictMasks(maskParts);
    }

    protected override void TrainingStages(PaddedImages images, IReadOnlyList<ObjectTargets> targets)
    {
        using var _ = no_grad();
        var found = model.Proposals.Predict(model.Backbone.call(images.pixels), (images.pixels.shape[2], images.pixels.shape[3]));
        var proposals = model.Proposals.Propose(found, images.sizes, model.Config.rpn_pre_nms_top_n_train, model.Config.rpn_post_nms_top_n_train);
        var samples = model.Heads.Choose([.. proposals.Select(each => each.Boxes)], targets);
        for (int i = 0; i < targets.Count; i++)
        {
            var matches = model.Proposals.Match(found.anchors, targets[i]);
            AddMatches($"train.rpn_labels.{i}", matches, RegionProposals.Labels(matches));
            Values[$"train.rpn_proposals.{i}"] = proposals[i].Boxes;
            Values[$"train.sampled_boxes.{i}"] = samples[i].boxes;
            Values[$"train.sampled_matched.{i}"] = samples[i].matches;
            Values[$"train.sampled_labels.{i}"] = samples[i].labels;
            Values[$"train.sampled_regression_targets.{i}"] = samples[i].goals;
            var objects = RoiHeads.Objects(samples[i]);
            if (targets[i].masks is { } masks)
                Values[$"train.mask_targets.{i}"] = MaskPasting.Targets(masks, objects.boxes, objects.matches, size: 28);
        }
    }
}

/// <summary>RetinaNet, whose labels are torchvision's.</summary>
internal sealed class RecordedRetinaNet : RecordedDetector
{
    private readonly RetinaNet model;

    public RecordedRetinaNet(DenseRecording recording) : base(recording) => model = (RetinaNet)Build(withoutFirst: 0);

    protected override DetectionModel Detector => model;

    protected override int FirstLabel => 0;

    protected override void Stages(PaddedImages images)
    {
        var maps = model.Backbone.call(images.pixels);
        AddMaps(maps, ["0", "1", "2", "p6", "p7"]);
        var found = model.Predict(maps, (images.pixels.shape[2], images.pixels.shape[3]));
        (Values["eval.head.cls_logits"], Values["eval.head.bbox_regression"]) = (found.scores, found.deltas);
        AddAnchors(found.anchors);
    }

    protected override void TrainingStages(PaddedImages images, IReadOnlyList<ObjectTargets> targets)
    {
        using var _ = no_grad();
        var found = model.Predict(model.Backbone.call(images.pixels), (images.pixels.shape[2], images.pixels.shape[3]));
        for (int i = 0; i < targets.Count; i++)
        {
            var matches = model.Match(found.anchors, targets[i]);
            AddMatches($"train.matched_idxs.{i}", matches, matches);
        }
    }
}
