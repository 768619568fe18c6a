using System.Text.Json;
using Attention.Models.Dense;
using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>Operators of detectors one by one, with the gradients of their inputs, and the preparation of images.</summary>
internal sealed class DenseOperators(DenseRecording recording) : DenseSystem
{
    private const string Cases = "cases";

    // Of torchvision's SSD, which is not here; and what TorchSharp's public grid_sample lacks.
    private static bool IsHere(JsonElement each) =>
        each.GetProperty("op").GetString() != "DefaultBoxGenerator" && !(each.TryGetProperty("mode", out var mode) && Op(each) == "grid_sample" && mode.GetString() == "bicubic");

    private readonly Dictionary<string, Tensor> values = [];
    private readonly List<string> absent = [];

    public override bool LeavesOut(string path) => absent.Any(name => path.StartsWith($"{Cases}.{name}.", StringComparison.Ordinal));

    public override IReadOnlyDictionary<string, Tensor> Compute()
    {
        foreach (var each in recording.Get(Cases).EnumerateArray())
            if (IsHere(each))
                Compute(each);
            else
                absent.Add(each.GetProperty("name").GetString()!);
        if (recording.Find("transform_cases.cases") is { } prepared)
            foreach (var (each, i) in prepared.EnumerateArray().Select((each, i) => (each, i)))
                Prepare(each, $"transform_cases.cases.{i}");
        return values;
    }

    private static string Op(JsonElement each) => each.GetProperty("op").GetString()!;

    private void Compute(JsonElement each)
    {
        string path = $"{Cases}.{each.GetProperty("name").GetString()}";
        var names = each.GetProperty("inputs").EnumerateArray().Select(input => input.GetProperty("name").GetString()!).ToArray();
        var inputs = each.GetProperty("inputs").EnumerateArray().Select(Input).ToArray();
        string[] wanted = each.TryGetProperty("input_gradients", out var list) ? [.. list.EnumerateArray().Select(gradient => gradient.GetProperty("name").GetString()!)] : [];
        foreach (var (input, name) in inputs.Zip(names))
            if (wanted.Contains($"d_{name}"))
                input.requires_grad_();
        var outputs = Outputs(each, inputs);
        foreach (var (expected, output) in each.GetProperty("outputs").EnumerateArray().Zip(outputs))
            values[$"{path}.outputs.{expected.GetProperty("name").GetString()}".TrimEnd('.')] = output;
        if (wanted.Length == 0)
            return;
        outputs.Select((output, i) => (output * FormulaFill.Probe(i == 0 ? "grad_probe" : $"grad_probe.{i}", output.shape)).sum() / output.numel()).Aggregate((a, b) => a + b).backward();
        foreach (var (input, name) in inputs.Zip(names))
            if (wanted.Contains($"d_{name}"))
                values[$"{path}.input_gradients.d_{name}"] = input.grad ?? zeros_like(input);
    }

    private static Tensor Input(JsonElement input)
    {
        string name = input.GetProperty("name").GetString()!;
        long[] shape = DenseRecording.Longs(input.GetProperty("shape"));
        if (input.TryGetProperty("values", out var given))
            return tensor([.. DenseRecording.Flat(given).Select(value => (float)value)], dtype: ScalarType.Float32).reshape(shape);
        return (name, input.TryGetProperty("formula", out var formula) ? formula.GetString() : null) switch
        {
            ("masks", null) => Rectangles(),
            ("msda.locations", _) => FormulaFill.Input(name, shape) * 0.35f + 0.5f,
            // Softmax over levels and points together.
            ("msda.attention", _) => FormulaFill.Input(name, [.. shape[..^2], shape[^2] * shape[^1]]).softmax(-1).reshape(shape),
            (_, "input") => FormulaFill.Input(name, shape),
            (_, "unit") => FormulaFill.Unit(name, shape),
            (_, { } rule) => FormulaFill.Parameter(name, shape, rule, 1),
            _ => throw new UserError($"the recording does not say what its input '{name}' is", "it may be of a newer format"),
        };
    }

    private static Tensor Rectangles()
    {
        var masks = zeros(2, 40, 50);
        masks[0].narrow(0, 5, 20).narrow(1, 8, 22).fill_(1);
        masks[1].narrow(0, 10, 25).narrow(1, 20, 1).fill_(1);
        return masks;
    }

    private static Tensor[] Outputs(JsonElement each, Tensor[] x)
    {
        double Number(string name) => each.GetProperty(name).GetDouble();
        int Whole(string name) => each.GetProperty(name).GetInt32();
        bool Flag(string name) => each.GetProperty(name).ValueKind == JsonValueKind.True;
        string Text(string name) => each.GetProperty(name).GetString()!;
        (int, int) Size() => (each.GetProperty("output_size")[0].GetInt32(), each.GetProperty("output_size")[1].GetInt32());
        Tensor Reduced(Tensor loss) => Text("reduction") switch { "sum" => loss.sum(), "mean" => loss.mean(), _ => loss };
        BoxCoder Coder() => new([.. DenseRecording.Flat(each.GetProperty("weights"))]);
        return Op(each) switch
        {
            "roi_align" => [RoiAlign.Cut(x[0], x[1], Size(), Number("spatial_scale"), Whole("sampling_ratio"), Flag("aligned"))],
            "roi_pool" => [RoiPool.Cut(x[0], x[1], (4, 4), 0.25)],
            "MultiScaleRoIAlign" => [new MultiScaleRoiAlign(7, 2).Cut(x, [DenseRecording.Boxes(each.GetProperty("boxes"))], 220)],
            "LevelMapper" => [MultiScaleRoiAlign.LevelOf(x[0], 2, 5)],
            "nms" => [Suppression.Keep(x[0], x[1], Number("iou_threshold"))],
            "batched_nms" => [Suppression.KeepPerLabel(x[0], x[1], x[2], Number("iou_threshold"))],
            "box_iou" => [Boxes.IntersectionOverUnion(x[0], x[1])],
            "generalized_box_iou" => [Boxes.GeneralizedOverlap(x[0], x[1])],
            "distance_box_iou" => [Boxes.DistanceOverlap(x[0], x[1])],
            "complete_box_iou" => [Boxes.CompleteOverlap(x[0], x[1])],
            "generalized_box_iou_loss" => [Reduced(Boxes.GeneralizedLoss(x[0], x[1]))],
            "distance_box_iou_loss" => [Reduced(Boxes.DistanceLoss(x[0], x[1]))],
            "complete_box_iou_loss" => [Reduced(Boxes.CompleteLoss(x[0], x[1]))],
            "smooth_l1_loss" => [nn.functional.smooth_l1_loss(x[0], x[1], nn.Reduction.Sum, Number("beta"))],
            "sigmoid_focal_loss" => [Reduced(FocalLoss.Sigmoid(x[0], x[1], Number("alpha"), Number("gamma")))],
            "box_convert" => [Boxes.ToCentres(x[0]), Boxes.ToSizes(x[0])],
            "clip_boxes_to_image" => [Boxes.Clip(x[0], 60, 50)],
            "masks_to_boxes" => [Boxes.OfMasks(x[0])],
            "BoxCoder.encode" => [Coder().Encode(x[0], x[1])],
            "BoxCoder.decode" => [Coder().Decode(x[0], x[1])],
            "Matcher" => [new BoxMatcher(Number("high"), Number("low"), Flag("allow_low_quality_matches")).Match(x[0])],
            "AnchorGenerator" => [AnchorsOf(each)],
            "paste_masks_in_image" => Pasted(x),
            "project_masks_on_boxes" => [MaskPasting.Targets(x[0], x[1], tensor(new long[] { 0, 1, 0 }), 28)],
            "ms_deform_attn" => [DeformableSampling.Attend(x[0], [(9, 11), (5, 6), (3, 3)], x[1], x[2])],
            "deform_conv2d" => [DeformableSampling.Convolve(x[0], x[1], x[2], x[3], x.Length > 4 ? x[4] : null, Whole("stride"), Whole("padding"), Whole("dilation"))],
            "grid_sample" => [nn.functional.grid_sample(x[0], x[1], Text("mode") == "nearest" ? GridSampleMode.Nearest : GridSampleMode.Bilinear,
                Enum.Parse<GridSamplePaddingMode>(Text("padding_mode"), ignoreCase: true), Flag("align_corners"))],
            "interpolate" => [nn.functional.interpolate(x[0], DenseRecording.Longs(each.GetProperty("size")), mode: Enum.Parse<InterpolationMode>(Text("mode"), ignoreCase: true),
                align_corners: each.GetProperty("align_corners").ValueKind == JsonValueKind.Null ? null : Flag("align_corners"))],
            var op => throw new UserError($"no operator '{op}' to compare", "it may have come with a newer version"),
        };
    }

    private static Tensor AnchorsOf(JsonElement each)
    {
        double[][] sizes = [.. each.GetProperty("sizes").EnumerateArray().Select(list => DenseRecording.Flat(list).ToArray())];
        long[] image = DenseRecording.Longs(each.GetProperty("image_tensor_shape"));
        var maps = each.GetProperty("feature_shapes").EnumerateArray().Select(DenseRecording.Longs).Select(shape => (shape[0], shape[1]));
        return new Anchors(sizes, [.. DenseRecording.Flat(each.GetProperty("aspect_ratios")[0])]).Of((image[0], image[1]), [.. maps]);
    }

    private static Tensor[] Pasted(Tensor[] x)
    {
        var pasted = MaskPasting.Paste(x[0], x[1], 64, 80);
        return [pasted, pasted.sum([1, 2, 3]), MaskPasting.Enlarged(x[1], 30 / 28.0)];
    }

    private void Prepare(JsonElement each, string path)
    {
        var size = new ImageSize(each.GetProperty("height").GetInt32(), each.GetProperty("width").GetInt32());
        var input = new DetectorInput(each.GetProperty("min_size").GetInt32(), each.GetProperty("max_size").GetInt32(), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        var resized = input.Fit(size);
        values[$"{path}.resized_hw"] = tensor(new long[] { resized.height, resized.width });
        if (each.TryGetProperty("box_in", out var boxes))
            values[$"{path}.box_out"] = DetectorInput.Resize(new ObjectTargets(DenseRecording.Boxes(boxes), zeros(0, ScalarType.Int64)), size, resized).boxes;
        if (each.TryGetProperty("batch", out _))
            values[$"{path}.batch"] = input.Prepare([FormulaFill.Image(each.GetProperty("image").GetString()!, [3, size.height, size.width])]).pixels;
    }
}
