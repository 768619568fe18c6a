using System.Text.Json;
using Attention.Models;
using Attention.Models.Dense;
using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>The stages of torchvision's detectors behind their networks, on numbers by formula.</summary>
internal sealed class DetectorStages(DenseRecording recording) : DenseSystem
{
    // The stages have no parameters: the smallest network there is carries them.
    private static readonly BackboneConfig backbone = BackboneConfig.Of("resnet18");

    private readonly Dictionary<string, Tensor> values = [];

    public override IReadOnlyDictionary<string, Tensor> Compute()
    {
        Proposals();
        Boxes();
        Masks();
        OneStage();
        return values;
    }

    private void Proposals()
    {
        var sizes = Sizes("rpn");
        long[][] shapes = [.. recording.Get("rpn.feature_shapes").EnumerateArray().Select(DenseRecording.Longs)];
        var targets = Targets("rpn", firstLabel: 1);
        var config = Small(new RcnnConfig
        {
            anchor_sizes = [.. recording.Numbers("rpn.sizes")],
            aspect_ratios = recording.Numbers("rpn.ratios"),
            rpn_nms_thresh = recording.Number("rpn.nms", 0),
            rpn_fg_iou_thresh = recording.Number("rpn.fg", 0),
            rpn_bg_iou_thresh = recording.Number("rpn.bg", 0),
            rpn_batch_size_per_image = 1_000_000,
        });
        using var rpn = new RegionProposals(config);
        int anchorsPerPlace = config.aspect_ratios.Length, batch = sizes.Count;
        var scores = shapes.Select((shape, i) => (FormulaFill.Input($"rpn.objectness.{i}", [batch, anchorsPerPlace, .. shape]) * 1.5).requires_grad_()).ToArray();
        var deltas = shapes.Select((shape, i) => (FormulaFill.Input($"rpn.deltas.{i}", [batch, 4 * anchorsPerPlace, .. shape]) * 0.25).requires_grad_()).ToArray();
        var found = RegionProposals.Collect(scores, deltas, AnchorsOf("rpn", [.. config.anchor_sizes.Select(size => new[] { size })], config.aspect_ratios, shapes));
        using (no_grad())
            values["rpn.decoded"] = BoxCoder.Plain.Decode(found.deltas.reshape(-1, 4), found.anchors.repeat(batch, 1)).reshape(batch, -1, 4);
        int before = (int)recording.Number("rpn.pre_nms_top_n.test", 0), after = (int)recording.Number("rpn.post_nms_top_n", 0);
        foreach (var ((boxes, sure), i) in rpn.Propose(found, sizes, before, after).Select((each, i) => (each, i)))
            (values[$"rpn.proposals.{i}"], values[$"rpn.scores.{i}"]) = (boxes, sure);
        for (int i = 0; i < batch; i++)
        {
            var labels = RegionProposals.Labels(rpn.Match(found.anchors, targets[i]));
            values[$"rpn.labels.{i}"] = labels;
        }
        var (objectness, regression) = rpn.Losses(found, targets);
        (objectness + regression).backward();
        (values["rpn.losses.loss_objectness"], values["rpn.losses.loss_rpn_box_reg"]) = (objectness, regression);
        for (int i = 0; i < shapes.Length; i++)
            (values[$"rpn.d_objectness.{i}"], values[$"rpn.d_deltas.{i}"]) = (scores[i].grad!, deltas[i].grad!);
    }

    private void Boxes()
    {
        var sizes = Sizes("roi_heads");
        var targets = Targets("roi_heads", firstLabel: 1);
        Tensor[] proposals = [.. recording.Get("roi_heads.proposals").EnumerateArray().Select(DenseRecording.Boxes)];
        int classes = (int)recording.Number("roi_heads.classes", 0);
        using var heads = new RoiHeads(Small(new RcnnConfig
        {
            masks = false,
            num_classes = classes - 1,
            box_score_thresh = recording.Number("roi_heads.score_thresh", 0),
            box_nms_thresh = recording.Number("roi_heads.nms", 0),
            box_detections_per_img = (int)recording.Number("roi_heads.detections_per_img", 0),
            box_fg_iou_thresh = recording.Number("roi_heads.fg", 0),
            box_bg_iou_thresh = recording.Number("roi_heads.bg", 0),
            box_batch_size_per_image = 1_000_000,
        }));
        long count = proposals.Sum(each => each.shape[0]);
        var found = heads.Detect(FormulaFill.Input("roi.logits", [count, classes]) * 1.5, FormulaFill.Input("roi.deltas", [count, 4 * classes]) * 0.5, proposals, sizes);
        for (int i = 0; i < found.Count; i++)
            (values[$"roi_heads.boxes.{i}"], values[$"roi_heads.scores.{i}"], values[$"roi_heads.labels.{i}"]) = (found[i].boxes, found[i].scores, found[i].labels + 1);

        var samples = heads.Choose(proposals, targets);
        for (int i = 0; i < samples.Count; i++)
        {
            (values[$"roi_heads.train_boxes.{i}"], values[$"roi_heads.train_matched.{i}"]) = (samples[i].boxes, samples[i].matches);
            (values[$"roi_heads.train_labels.{i}"], values[$"roi_heads.train_regression_targets.{i}"]) = (samples[i].labels, samples[i].goals);
        }
        count = samples.Sum(each => each.boxes.shape[0]);
        var logits = (FormulaFill.Input("roi.train.logits", [count, classes]) * 1.5).requires_grad_();
        var deltas = (FormulaFill.Input("roi.train.deltas", [count, 4 * classes]) * 0.5).requires_grad_();
        var (classification, regression) = RoiHeads.Losses(logits, deltas, samples);
        (classification + regression).backward();
        (values["roi_heads.loss_classifier"], values["roi_heads.loss_box_reg"]) = (classification, regression);
        (values["roi_heads.d_logits"], values["roi_heads.d_deltas"]) = (logits.grad!, deltas.grad!);
    }

    private void Masks()
    {
        var sizes = Sizes("mask_head");
        var targets = Targets("mask_head", firstLabel: 1).Zip(sizes, (target, size) => target with { masks = Ellipses(target.boxes, size) }).ToArray();
        var objects = recording.Get("mask_head.proposals").EnumerateArray().Zip(recording.Get("mask_head.matched").EnumerateArray(), (boxes, matched) => (DenseRecording.Boxes(boxes), tensor(DenseRecording.Longs(matched))))
            .Zip(targets, (each, target) => new RoiSamples(each.Item1, each.Item2, target.labels.index_select(0, each.Item2) + 1, zeros_like(each.Item1))).ToArray();
        var logits = FormulaFill.Input("mask.logits", ShapeOf("mask_head.d_logits")).requires_grad_();
        var loss = values["mask_head.loss_mask"] = RoiHeads.MaskLoss(logits, objects, targets);
        loss.backward();
        values["mask_head.d_logits"] = logits.grad!;
        var probabilities = RoiHeads.MaskProbabilities(logits.detach(), cat([.. objects.Select(each => each.labels)]) - 1).split([.. objects.Select(each => each.boxes.shape[0])]);
        for (int i = 0; i < objects.Length; i++)
        {
            values[$"mask_head.inference.{i}"] = probabilities[i];
            values[$"mask_head.targets.{i}"] = MaskPasting.Targets(targets[i].masks!, objects[i].boxes, objects[i].matches, size: 28);
        }
    }

    private void OneStage()
    {
        var sizes = Sizes("retinanet");
        long[][] shapes = [.. recording.Get("retinanet.feature_shapes").EnumerateArray().Select(DenseRecording.Longs)];
        double[][] anchorSizes = [.. recording.Get("retinanet.sizes").EnumerateArray().Select(list => DenseRecording.Flat(list).ToArray())];
        double[] ratios = recording.Numbers("retinanet.ratios");
        var targets = Targets("retinanet", firstLabel: 0);
        int classes = (int)ShapeOf("retinanet.d_logits")[2];
        using var model = new RetinaNet(new RetinaNetConfig
        {
            backbone = backbone,
            num_classes = classes,
            out_channels = 1,
            score_thresh = recording.Number("retinanet.score_thresh", 0),
            topk_candidates = (int)recording.Number("retinanet.topk_candidates", 0),
            nms_thresh = recording.Number("retinanet.nms", 0),
            detections_per_img = (int)recording.Number("retinanet.detections_per_img", 0),
            fg_iou_thresh = recording.Number("retinanet.fg", 0),
            bg_iou_thresh = recording.Number("retinanet.bg", 0),
        });
        var anchors = AnchorsOf("retinanet", anchorSizes, ratios, shapes);
        long[] perMap = [.. shapes.Select((shape, i) => shape[0] * shape[1] * anchorSizes[i].Length * ratios.Length)];
        var logits = (FormulaFill.Input("retina.logits", [sizes.Count, anchors.shape[0], classes]) * 1.25 - 1).requires_grad_();
        var deltas = (FormulaFill.Input("retina.deltas", [sizes.Count, anchors.shape[0], 4]) * 0.3).requires_grad_();
        var found = new AnchorPredictions(logits, deltas, anchors, perMap);
        foreach (var (each, i) in model.Detect(found, sizes).Select((each, i) => (each, i)))
            (values[$"retinanet.detections.{i}.boxes"], values[$"retinanet.detections.{i}.scores"], values[$"retinanet.detections.{i}.labels"]) = (each.boxes, each.scores, each.labels);
        for (int i = 0; i < targets.Length; i++)
            values[$"retinanet.matched.{i}"] = model.Match(anchors, targets[i]);
        var (classification, regression) = model.Losses(found, targets);
        (classification + regression).backward();
        (values["retinanet.losses.classification"], values["retinanet.losses.bbox_regression"]) = (classification, regression);
        (values["retinanet.d_logits"], values["retinanet.d_deltas"]) = (logits.grad!, deltas.grad!);
    }

    private long[] ShapeOf(string path) => recording.Rows.First(row => row.Path == path).Shape;

    private static RcnnConfig Small(RcnnConfig config) => config with { backbone = backbone, out_channels = 1, representation_size = 1 };

    private Tensor AnchorsOf(string part, double[][] sizes, double[] ratios, long[][] shapes)
    {
        double[] image = recording.Numbers($"{part}.image_tensor");
        return new Anchors(sizes, ratios).Of(((long)image[0], (long)image[1]), [.. shapes.Select(shape => (shape[0], shape[1]))]);
    }

    private IReadOnlyList<ImageSize> Sizes(string part) =>
        [.. recording.Get($"{part}.image_sizes").EnumerateArray().Select(size => new ImageSize(size[0].GetInt32(), size[1].GetInt32()))];

    private ObjectTargets[] Targets(string part, int firstLabel) => [.. recording.Get($"{part}.targets").EnumerateArray().Select(target =>
        new ObjectTargets(DenseRecording.Boxes(target.GetProperty("boxes")), tensor(DenseRecording.Longs(target.GetProperty("labels")).Select(label => label - firstLabel).ToArray())))];

    // The ellipse in each box, by the pixels' centres.
    private static Tensor Ellipses(Tensor boxes, ImageSize size)
    {
        var (x, y) = (arange(size.width, dtype: ScalarType.Float64) + 0.5, (arange(size.height, dtype: ScalarType.Float64) + 0.5).unsqueeze(1));
        return stack([.. boxes.to(ScalarType.Float64).unbind(0).Select(box =>
        {
            var sides = box.unbind(0);
            Tensor Part(Tensor at, Tensor from, Tensor to) => ((at - (from + to) / 2) / ((to - from) / 2)).square();
            return (Part(x, sides[0], sides[2]) + Part(y, sides[1], sides[3])).le(1).to(ScalarType.Byte);
        })]);
    }
}
