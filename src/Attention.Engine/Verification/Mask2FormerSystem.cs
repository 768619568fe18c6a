using Attention.Models.Dense;
using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>Mask2Former's decoders, matching and losses beside the recording of the authors' code, on maps by formula.</summary>
internal sealed class Mask2FormerSystem : DenseSystem
{
    private readonly DenseRecording recording;
    private readonly MaskDecoderConfig config;
    private readonly MaskHead head;
    private readonly string[] names;
    private readonly Tensor[] maps;
    private readonly Dictionary<string, Tensor> values = [];

    public Mask2FormerSystem(DenseRecording recording)
    {
        this.recording = recording;
        config = new MaskDecoderConfig
        {
            hidden_dim = Whole("decoder.hidden_dim"),
            mask_dim = Whole("decoder.mask_dim"),
            nheads = Whole("decoder.nheads"),
            num_queries = Whole("decoder.num_queries"),
            enc_layers = Whole("pixel_decoder.transformer_enc_layers"),
            enc_dim_feedforward = Whole("pixel_decoder.transformer_dim_feedforward"),
            dec_layers = Whole("decoder.dec_layers"),
            dim_feedforward = Whole("decoder.dim_feedforward"),
            pre_norm = recording.Get("config.decoder.pre_norm").GetBoolean(),
            class_weight = Real("matcher.cost_class"),
            mask_weight = Real("matcher.cost_mask"),
            dice_weight = Real("matcher.cost_dice"),
            no_object_weight = Real("criterion.eos_coef"),
            num_points = Whole("criterion.num_points"),
            oversample_ratio = Real("criterion.oversample_ratio"),
            importance_sample_ratio = Real("criterion.importance_sample_ratio"),
        };
        var inputs = recording.Get("inputs").EnumerateArray().Select(input => (Name: input.GetProperty("name").GetString()!, Shape: DenseRecording.Longs(input.GetProperty("shape")))).ToArray();
        names = [.. inputs.Select(input => input.Name["input.".Length..])];
        maps = [.. inputs.Select(input => FormulaFill.Input(input.Name, input.Shape))];
        head = new MaskHead(config, [.. inputs.Select(input => (int)input.Shape[1])], Whole("decoder.num_classes"));
    }

    private int Whole(string option) => recording.Get($"config.{option}").GetInt32();

    private double Real(string option) => recording.Get($"config.{option}").GetDouble();

    public override nn.Module Model => head;

    // The authors have the queries before the images.
    public override Tensor Feature(string path, Tensor found) =>
        path.StartsWith("predictor.transformer_", StringComparison.Ordinal) || path.StartsWith("predictor.decoder_norm", StringComparison.Ordinal)
            ? found.transpose(0, 1) : found;

    public override IReadOnlyDictionary<string, Tensor> Compute()
    {
        foreach (var map in maps)
            map.requires_grad = true;
        var features = head.Pixels(maps);
        values["pixel_decoder.mask_features"] = features.Pixels;
        values["pixel_decoder.encoder_features"] = features.Scales[0];
        for (int i = 0; i < features.Scales.Length; i++)
            values[$"pixel_decoder.multi_scale.{i}"] = features.Scales[i];
        var predictions = head.Predict(features);
        Keep("outputs.", predictions[^1]);
        for (int i = 0; i < predictions.Length - 1; i++)
            Keep($"outputs.aux_outputs.{i}.", predictions[i]);
        KeepAttention(predictions, features);

        var targets = Targets();
        long height = targets[0].Masks.shape[1], width = targets[0].Masks.shape[2];
        values["semantic_inference"] = MaskResults.Semantic(predictions[^1].Logits, MapResize.To(predictions[^1].Masks, height, width));
        KeepMatchings(predictions, targets);
        KeepLosses(new MaskCriterion(config, Randoms()).Losses(predictions, targets));
        foreach (var (name, map) in names.Zip(maps))
            values[$"input_gradients.{name}"] = map.grad!;
        return values;
    }

    private void Keep(string path, MaskPrediction prediction)
    {
        values[$"{path}pred_logits"] = prediction.Logits;
        values[$"{path}pred_masks"] = prediction.Masks;
    }

    private void KeepAttention(MaskPrediction[] predictions, PixelFeatures features)
    {
        for (int i = 0; i < predictions.Length; i++)
        {
            var outside = MaskTransformerDecoder.Outside(predictions[i].Masks, features.Scales[i % features.Scales.Length]);
            values[$"attention_masks.{i}.blocked"] = outside.sum();
            values[$"attention_masks.{i}.rows_fully_blocked"] = outside.all(-1).sum();
            values[$"attention_masks.{i}.blocked_per_query"] = outside.sum(-1);
        }
    }

    // Ellipses of a size that the rule says at its end.
    private MaskTargets[] Targets()
    {
        var size = recording.Get("masks_rule").GetString()!.Split(' ')[^1].Split('x');
        var (height, width) = (int.Parse(size[0]), int.Parse(size[1]));
        var y = ((arange(height, dtype: ScalarType.Float64) + 0.5) / height).unsqueeze(1);
        var x = ((arange(width, dtype: ScalarType.Float64) + 0.5) / width).unsqueeze(0);
        return [.. recording.Get("targets").EnumerateArray().Select(target =>
        {
            var masks = target.GetProperty("boxes").EnumerateArray().Select(box => DenseRecording.Flat(box).ToArray()).Select(box =>
                ((x - box[0]).square() / (box[2] * box[2] / 4) + (y - box[1]).square() / (box[3] * box[3] / 4)).le(1).to(ScalarType.Float32));
            return new MaskTargets(tensor(DenseRecording.Longs(target.GetProperty("labels"))), stack([.. masks], 0));
        })];
    }

    // The reference's random numbers in the order of its calls.
    private static Func<long[], Tensor> Randoms()
    {
        int call = 0;
        return shape => FormulaFill.Unit($"rande.{call++}", shape);
    }

    private void KeepMatchings(MaskPrediction[] predictions, MaskTargets[] targets)
    {
        var shapes = recording.Get("random_numbers.shapes").EnumerateArray().Select(DenseRecording.Longs).ToArray();
        int perLayer = shapes.Length / predictions.Length;
        for (int layer = 0; layer < predictions.Length; layer++)
        {
            var prediction = layer == 0 ? predictions[^1] : predictions[layer - 1];
            for (int image = 0; image < targets.Length; image++)
            {
                int call = layer * perLayer + image;
                var costs = new MaskCriterion(config, shape => FormulaFill.Unit($"rande.{call}", shape)).Costs(prediction.Logits[image], prediction.Masks[image], targets[image]);
                var match = SetMatching.Find(costs, [(int)targets[image].Labels.shape[0]]);
                var path = $"matching.{layer * targets.Length + image}";
                values[$"{path}.cost"] = costs;
                values[$"{path}.queries"] = match.Queries;
                values[$"{path}.targets"] = match.Objects;
            }
        }
    }

    private void KeepLosses(IReadOnlyDictionary<string, Tensor> losses)
    {
        var total = losses.Values.Aggregate((sum, loss) => sum + loss);
        total.backward();
        values["total"] = total;
        foreach (var (name, loss) in losses)
            values[$"losses.{name}"] = loss / recording.Get($"losses.{name}").GetProperty("weight").GetDouble();
    }
}
