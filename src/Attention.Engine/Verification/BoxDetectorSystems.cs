using Attention.Models.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>What the recordings of detectors of boxes by queries have in common.</summary>
internal abstract class BoxDetectorSystem(DenseRecording recording) : DetrSystem(recording)
{
    // The authors' number for data sets other than COCO.
    protected const int Classes = 20;

    protected BoxTargets BoxTargets() => new(Counts(), Targets("labels").to(ScalarType.Int64), Targets("boxes", 4));

    /// <summary>Keeps outputs and matchings of what the matcher is called with, the last layer first, and figures that are not minimised.</summary>
    /// <param name="criterion">The model's.</param>
    /// <param name="layers">Of the decoder, the last at the end.</param>
    /// <param name="encoder">Of the encoder; null for one stage.</param>
    /// <param name="targets">The objects.</param>
    protected void KeepPredictions(BoxCriterion criterion, BoxPrediction[] layers, BoxPrediction? encoder, BoxTargets targets)
    {
        var called = new List<(BoxPrediction Prediction, BoxTargets Targets, string Name, string Suffix)> { (layers[^1], targets, "", "") };
        for (int i = 0; i < layers.Length - 1; i++)
            called.Add((layers[i], targets, $"aux_outputs.{i}.", $"_{i}"));
        if (encoder is not null)
            called.Add((encoder, targets with { Labels = zeros_like(targets.Labels) }, "enc_outputs.", "_enc"));
        foreach (var (prediction, _, name, suffix) in called)
        {
            values[$"outputs.{name}pred_logits"] = prediction.Logits;
            values[$"outputs.{name}pred_boxes"] = prediction.Boxes;
            var found = prediction.Logits.argmax(-1).ne(prediction.Logits.shape[2] - 1).sum(1).to(ScalarType.Float32);
            values[$"losses.cardinality_error{suffix}"] = (found - tensor(targets.Counts.Select(count => (float)count).ToArray())).abs().mean();
        }
        KeepMatchings([.. called.Select(each => criterion.Costs(each.Prediction, each.Targets))], targets.Counts);
        values["losses.class_error"] = ClassError(layers[^1].Logits, targets.Labels, criterion.Match(layers[^1], targets));
    }

    protected void KeepResults(IReadOnlyList<Detections> results)
    {
        foreach (var (result, i) in results.Select((result, i) => (result, i)))
        {
            values[$"postprocess.{i}.scores"] = result.scores;
            values[$"postprocess.{i}.labels"] = result.labels;
            values[$"postprocess.{i}.boxes"] = result.boxes;
        }
    }
}

/// <summary>Deformable DETR beside the recordings of its authors' code.</summary>
internal sealed class DeformableDetrSystem : BoxDetectorSystem
{
    private readonly DeformableDetr model;

    public DeformableDetrSystem(DenseRecording recording) : base(recording)
    {
        int levels = Whole("num_feature_levels");
        model = new DeformableDetr(new DeformableDetrConfig
        {
            backbone = Backbone(),
            frozen_stages = 2,
            out_indices = levels > 1 ? [1, 2, 3] : [3],
            num_classes = Classes,
            hidden_dim = Whole("hidden_dim"),
            nheads = Whole("nheads"),
            enc_layers = Whole("enc_layers"),
            dec_layers = Whole("dec_layers"),
            dim_feedforward = Whole("dim_feedforward"),
            num_queries = Whole("num_queries"),
            num_feature_levels = levels,
            enc_n_points = Whole("enc_n_points"),
            dec_n_points = Whole("dec_n_points"),
            with_box_refine = Flag("with_box_refine"),
            two_stage = Flag("two_stage"),
            aux_loss = Flag("aux_loss"),
            focal_alpha = Real("focal_alpha"),
            cls_loss_coef = Real("cls_loss_coef"),
            bbox_loss_coef = Real("bbox_loss_coef"),
            giou_loss_coef = Real("giou_loss_coef"),
            set_cost_class = Real("set_cost_class"),
            set_cost_bbox = Real("set_cost_bbox"),
            set_cost_giou = Real("set_cost_giou"),
        });
    }

    public override nn.Module Model => model;

    public override IReadOnlyDictionary<string, Tensor> Compute()
    {
        var (images, targets) = (Batch(), BoxTargets());
        var found = model.Predict(images);
        KeepPredictions(model.Criterion, found.Layers, found.Encoder, targets);
        KeepLosses(model.Losses(found, targets));
        KeepResults(model.Select(found.Layers[^1], images.originals));
        return values;
    }
}

/// <summary>DETR beside the recordings of its authors' code.</summary>
internal sealed class PlainDetrSystem : BoxDetectorSystem
{
    private readonly Detr model;

    public PlainDetrSystem(DenseRecording recording) : base(recording)
    {
        model = new Detr(new DetrConfig
        {
            backbone = Backbone(),
            frozen_stages = 2,
            num_classes = Classes,
            masks = Flag("masks"),
            hidden_dim = Whole("hidden_dim"),
            nheads = Whole("nheads"),
            enc_layers = Whole("enc_layers"),
            dec_layers = Whole("dec_layers"),
            dim_feedforward = Whole("dim_feedforward"),
            pre_norm = Flag("pre_norm"),
            num_queries = Whole("num_queries"),
            aux_loss = Flag("aux_loss"),
            eos_coef = Real("eos_coef"),
            bbox_loss_coef = Real("bbox_loss_coef"),
            giou_loss_coef = Real("giou_loss_coef"),
            mask_loss_coef = Real("mask_loss_coef"),
            dice_loss_coef = Real("dice_loss_coef"),
            set_cost_class = Real("set_cost_class"),
            set_cost_bbox = Real("set_cost_bbox"),
            set_cost_giou = Real("set_cost_giou"),
        });
    }

    public override nn.Module Model => model;

    // The authors have places and queries before the images.
    public override Tensor Feature(string path, Tensor found) => path.Contains("transformer.", StringComparison.Ordinal) && found.ndim == 3 ? found.transpose(0, 1) : found;

    public override IReadOnlyDictionary<string, Tensor> Compute()
    {
        var (images, targets) = (Batch(), BoxTargets());
        var found = model.Predict(images);
        KeepPredictions(model.Criterion, found.Layers, null, targets);
        if (found.Masks is not null)
            values["outputs.pred_masks"] = found.Masks;
        KeepLosses(model.Losses(found, targets));
        KeepResults(model.Select(found, images));
        return values;
    }
}
