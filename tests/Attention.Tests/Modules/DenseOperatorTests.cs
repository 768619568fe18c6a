using System.Text.Json;
using Attention.Engine.Verification;
using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Modules;

/// <summary>The operators of detectors and segmenters against the recordings of torchvision's, with gradients.</summary>
public sealed class DenseOperatorTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static readonly Lazy<JsonElement> recorded = new(() => JsonDocument.Parse(File.ReadAllBytes(SharedFiles.Require("parity/dense/dense_ops.json"))).RootElement);

    private static IEnumerable<JsonElement> Cases(string op)
    {
        var cases = recorded.Value.GetProperty("cases").EnumerateArray().Where(each => each.GetProperty("op").GetString() == op).ToArray();
        Assert.NotEmpty(cases);
        return cases;
    }

    private static Tensor Input(JsonElement input)
    {
        string name = input.GetProperty("name").GetString()!;
        long[] shape = Longs(input.GetProperty("shape"));
        if (!input.TryGetProperty("formula", out var formula))
            return tensor(Flat(input.GetProperty("values")).Select(value => (float)value).ToArray(), shape);
        return formula.GetString() switch
        {
            "input" => FormulaFill.Input(name, shape),
            // u of 2u - 1; both are exact.
            "unit" => (FormulaFill.Probe(name, shape) + 1) / 2,
            var rule => FormulaFill.Parameter(name, shape, rule!, 1),
        };
    }

    private static long[] Longs(JsonElement list) => [.. list.EnumerateArray().Select(value => value.GetInt64())];

    private static IEnumerable<double> Flat(JsonElement values) => values.ValueKind switch
    {
        JsonValueKind.Array => values.EnumerateArray().SelectMany(Flat),
        JsonValueKind.True or JsonValueKind.False => [values.GetBoolean() ? 1 : 0],
        JsonValueKind.Null => [double.NaN],
        _ => [values.GetDouble()],
    };

    private static void RequireClose(string name, JsonElement expected, Tensor actual, double tolerance = 2e-5)
    {
        Assert.Equal(Longs(expected.GetProperty("shape")), actual.shape);
        var flat = actual.detach().to(ScalarType.Float64).reshape(-1).data<double>().ToArray();
        var (places, values) = expected.TryGetProperty("indices", out var indices)
            ? (Longs(indices), Flat(expected.GetProperty("samples")).ToArray())
            : ([.. Enumerable.Range(0, flat.Length).Select(i => (long)i)], Flat(expected.GetProperty("values")).ToArray());
        double scale = Math.Max(expected.GetProperty("max_abs").GetDouble(), 1e-12);
        foreach (var (place, value) in places.Zip(values))
            Assert.True(double.IsNaN(value) ? double.IsNaN(flat[place]) : Math.Abs(flat[place] - value) <= tolerance * scale, $"{name}[{place}]: {flat[place]}, recorded {value}");
        double l2 = expected.GetProperty("l2").GetDouble();
        Assert.True(Math.Abs(Math.Sqrt(flat.Sum(value => value * value)) - l2) <= 1e-4 * l2 + 1e-12, $"{name}: norm");
    }

    /// <summary>Compares outputs, and the gradients of the probe loss with respect to the inputs that have recorded ones.</summary>
    private static void Check(JsonElement each, Func<Tensor[], Tensor[]> compute, Func<JsonElement, Tensor>? input = null, double tolerance = 2e-5)
    {
        string name = each.GetProperty("name").GetString()!;
        var given = each.GetProperty("inputs").EnumerateArray().ToArray();
        var gradients = each.TryGetProperty("input_gradients", out var list) ? list.EnumerateArray().ToArray() : [];
        var inputs = given.Select(input ?? Input).ToArray();
        for (int i = 0; i < inputs.Length; i++)
            if (GradientOf(i) is not null)
                inputs[i].requires_grad_();
        var outputs = compute(inputs);
        foreach (var (expected, output) in each.GetProperty("outputs").EnumerateArray().Zip(outputs))
            RequireClose(name, expected, output, tolerance);
        if (gradients.Length == 0)
            return;
        outputs.Select((output, i) => (output * FormulaFill.Probe(i == 0 ? "grad_probe" : $"grad_probe.{i}", output.shape)).sum() / output.numel()).Aggregate((a, b) => a + b).backward();
        int compared = 0;
        for (int i = 0; i < inputs.Length; i++)
            if (GradientOf(i) is { } expected)
            {
                RequireClose($"{name} d_{given[i].GetProperty("name")}", expected, inputs[i].grad ?? zeros_like(inputs[i]), 5 * tolerance);
                compared++;
            }
        Assert.Equal(gradients.Length, compared);

        JsonElement? GradientOf(int i) => gradients.Where(gradient => gradient.GetProperty("name").GetString() == $"d_{given[i].GetProperty("name")}").Cast<JsonElement?>().FirstOrDefault();
    }

    private static (int, int) Size(JsonElement each) => (each.GetProperty("output_size")[0].GetInt32(), each.GetProperty("output_size")[1].GetInt32());

    [SkippableFact]
    public void Regions_are_cut_and_aligned()
    {
        foreach (var each in Cases("roi_align"))
            Check(each, inputs => [RoiAlign.Cut(inputs[0], inputs[1], Size(each), each.GetProperty("spatial_scale").GetDouble(),
                each.GetProperty("sampling_ratio").GetInt32(), each.GetProperty("aligned").GetBoolean())]);
    }

    [SkippableFact]
    public void Regions_are_pooled() =>
        Check(Cases("roi_pool").Single(), inputs => [RoiPool.Cut(inputs[0], inputs[1], (4, 4), 0.25)]);

    [SkippableFact]
    public void Regions_are_cut_from_the_map_that_fits()
    {
        var each = Cases("MultiScaleRoIAlign").Single();
        var boxes = tensor(Flat(each.GetProperty("boxes")).Select(value => (float)value).ToArray(), 4, 4);
        Check(each, inputs => [new MultiScaleRoiAlign(7, 2).Cut(inputs, [boxes], 220)]);
        Check(Cases("LevelMapper").Single(), inputs => [MultiScaleRoiAlign.LevelOf(inputs[0], 2, 5)]);
        Assert.Equal([0, 4, 7, 7], new MultiScaleRoiAlign(7, 2).Cut([zeros(1, 4, 8, 8)], [zeros(0, 4)], 32).shape);
    }

    [SkippableFact]
    public void Boxes_are_suppressed_by_surer_ones()
    {
        foreach (var each in Cases("nms"))
            Check(each, inputs => [Suppression.Keep(inputs[0], inputs[1], each.GetProperty("iou_threshold").GetDouble())]);
        foreach (var each in Cases("batched_nms"))
            Check(each, inputs => [Suppression.KeepPerLabel(inputs[0], inputs[1], inputs[2], each.GetProperty("iou_threshold").GetDouble())]);
    }

    [Fact]
    public void Many_boxes_are_suppressed_label_by_label()
    {
        var random = new Random(1);
        const int count = 1200;
        float[] boxes = [.. Enumerable.Range(0, count).SelectMany(_ =>
        {
            var (x, y) = (random.Next(60), random.Next(60));
            return new float[] { x, y, x + 10 + random.Next(20), y + 10 + random.Next(20) };
        })];
        long[] labels = [.. Enumerable.Range(0, count).Select(_ => (long)random.Next(5))];
        float[] scores = [.. Enumerable.Range(0, count).Select(_ => random.Next(300) / 300f)];
        var kept = Suppression.KeepPerLabel(tensor(boxes, count, 4), tensor(scores), tensor(labels), 0.5).data<long>().ToArray();
        // The same with the labels far apart, in whole numbers that float32 holds.
        var apart = tensor([.. boxes.Select((value, i) => value + 100 * labels[i / 4])], count, 4);
        Assert.Equal(Suppression.Keep(apart, tensor(scores), 0.5).data<long>().ToArray(), kept);
        Assert.InRange(kept.Length, 20, 900);
        Assert.Equal([0], Suppression.KeepPerLabel(zeros(0, 4), zeros(0), zeros(0, ScalarType.Int64), 0.5).shape);
    }

    [SkippableFact]
    public void Overlaps_of_boxes()
    {
        Check(Cases("box_iou").Single(), inputs => [Boxes.IntersectionOverUnion(inputs[0], inputs[1])]);
        Check(Cases("generalized_box_iou").Single(), inputs => [Boxes.GeneralizedOverlap(inputs[0], inputs[1])]);
        Check(Cases("distance_box_iou").Single(), inputs => [Boxes.DistanceOverlap(inputs[0], inputs[1])]);
        Check(Cases("complete_box_iou").Single(), inputs => [Boxes.CompleteOverlap(inputs[0], inputs[1])]);
    }

    [SkippableFact]
    public void Losses_of_boxes()
    {
        foreach (var (op, loss) in new (string, Func<Tensor, Tensor, Tensor>)[]
            { ("generalized_box_iou_loss", Boxes.GeneralizedLoss), ("distance_box_iou_loss", Boxes.DistanceLoss), ("complete_box_iou_loss", Boxes.CompleteLoss) })
            foreach (var each in Cases(op))
                Check(each, inputs => [Reduced(each, loss(inputs[0], inputs[1]))]);
        var smooth = Cases("smooth_l1_loss").Single();
        Check(smooth, inputs => [nn.functional.smooth_l1_loss(inputs[0], inputs[1], nn.Reduction.Sum, smooth.GetProperty("beta").GetDouble())]);
    }

    private static Tensor Reduced(JsonElement each, Tensor loss) => each.GetProperty("reduction").GetString() switch
    {
        "sum" => loss.sum(),
        "mean" => loss.mean(),
        _ => loss,
    };

    [SkippableFact]
    public void Focal_losses()
    {
        foreach (var each in Cases("sigmoid_focal_loss"))
            Check(each, inputs => [Reduced(each, FocalLoss.Sigmoid(inputs[0], inputs[1], each.GetProperty("alpha").GetDouble(), each.GetProperty("gamma").GetDouble()))]);
    }

    [SkippableFact]
    public void Boxes_are_converted_clipped_and_found_in_masks()
    {
        Check(Cases("box_convert").Single(), inputs => [Boxes.ToCentres(inputs[0]), Boxes.ToSizes(inputs[0])]);
        Check(Cases("clip_boxes_to_image").Single(), inputs => [Boxes.Clip(inputs[0], 60, 50)]);
        Check(Cases("masks_to_boxes").Single(), inputs => [Boxes.OfMasks(inputs[0])]);
        var boxes = tensor(new float[] { 1, 2, 5, 9, 0, 0, 0.5f, 3, 4, 4, 5, 5 }, 3, 4);
        Assert.True(boxes.allclose(Boxes.FromCentres(Boxes.ToCentres(boxes))));
        Assert.Equal([0, 2], Boxes.LargerThan(boxes, 1).data<long>().ToArray());
    }

    [SkippableFact]
    public void Boxes_are_coded()
    {
        foreach (var each in Cases("BoxCoder.encode"))
            Check(each, inputs => [Coder(each).Encode(inputs[0], inputs[1])]);
        foreach (var each in Cases("BoxCoder.decode"))
            Check(each, inputs => [Coder(each).Decode(inputs[0], inputs[1])]);

        static BoxCoder Coder(JsonElement each) => each.GetProperty("weights")[0].GetDouble() == 1 ? BoxCoder.Plain : BoxCoder.Refining;
    }

    [SkippableFact]
    public void Proposals_are_matched()
    {
        foreach (var each in Cases("Matcher"))
            Check(each, inputs => [new BoxMatcher(each.GetProperty("high").GetDouble(), each.GetProperty("low").GetDouble(), each.GetProperty("allow_low_quality_matches").GetBoolean()).Match(inputs[0])]);
    }

    [SkippableFact]
    public void Anchors_stand_on_every_place()
    {
        foreach (var each in Cases("AnchorGenerator"))
        {
            double[][] sizes = [.. each.GetProperty("sizes").EnumerateArray().Select(list => Flat(list).ToArray())];
            var anchors = new Anchors(sizes, [.. Flat(each.GetProperty("aspect_ratios")[0])]);
            var image = Longs(each.GetProperty("image_tensor_shape"));
            Check(each, _ => [anchors.Of((image[0], image[1]), [.. each.GetProperty("feature_shapes").EnumerateArray().Select(Longs).Select(shape => (shape[0], shape[1]))])], tolerance: 0);
            for (int i = 0; i < sizes.Length; i++)
                Assert.Equal(Flat(each.GetProperty("cell_anchors")[i]), anchors.Cell(i).to(ScalarType.Float64).reshape(-1).data<double>().ToArray());
        }
    }

    [SkippableFact]
    public void Masks_are_pasted_and_cut()
    {
        Check(Cases("paste_masks_in_image").Single(), inputs =>
        {
            var pasted = MaskPasting.Paste(inputs[0], inputs[1], 64, 80);
            return [pasted, pasted.sum([1, 2, 3]), MaskPasting.Enlarged(inputs[1], 30 / 28.0)];
        });
        var each = Cases("project_masks_on_boxes").Single();
        Check(each, inputs => [MaskPasting.Targets(inputs[0], inputs[1], tensor(new long[] { 0, 1, 0 }), 28)], input =>
        {
            if (input.GetProperty("name").GetString() != "masks")
                return Input(input);
            var masks = zeros(2, 40, 50);
            masks[0].narrow(0, 5, 20).narrow(1, 8, 22).fill_(1);
            masks[1].narrow(0, 10, 25).narrow(1, 20, 1).fill_(1);
            return masks;
        });
    }

    [SkippableFact]
    public void Attention_reads_maps_where_it_is_told() => Check(Cases("ms_deform_attn").Single(),
        inputs => [DeformableSampling.Attend(inputs[0], [(9, 11), (5, 6), (3, 3)], inputs[1], inputs[2])], input => input.GetProperty("name").GetString() switch
        {
            "msda.locations" => Input(input) * 0.35f + 0.5f,
            "msda.attention" => FormulaFill.Input("msda.attention", [2, 7, 4, 6]).softmax(-1).reshape(2, 7, 4, 3, 2),
            _ => Input(input),
        });

    [SkippableFact]
    public void Convolutions_read_maps_where_they_are_told()
    {
        foreach (var each in Cases("deform_conv2d"))
            Check(each, inputs => [DeformableSampling.Convolve(inputs[0], inputs[1], inputs[2], inputs[3], inputs.Length > 4 ? inputs[4] : null,
                each.GetProperty("stride").GetInt32(), each.GetProperty("padding").GetInt32(), each.GetProperty("dilation").GetInt32())]);
    }

    [SkippableFact]
    public void Maps_are_sampled_and_resized()
    {
        foreach (var each in Cases("grid_sample"))
        {
            // The public API of TorchSharp has no bicubic grid_sample.
            if (each.GetProperty("mode").GetString() == "bicubic")
                continue;
            var mode = each.GetProperty("mode").GetString() == "nearest" ? GridSampleMode.Nearest : GridSampleMode.Bilinear;
            var padding = Enum.Parse<GridSamplePaddingMode>(each.GetProperty("padding_mode").GetString()!, ignoreCase: true);
            Check(each, inputs => [nn.functional.grid_sample(inputs[0], inputs[1], mode, padding, each.GetProperty("align_corners").GetBoolean())]);
        }
        foreach (var each in Cases("interpolate"))
        {
            var mode = Enum.Parse<InterpolationMode>(each.GetProperty("mode").GetString()!, ignoreCase: true);
            bool? corners = each.GetProperty("align_corners").ValueKind == JsonValueKind.Null ? null : each.GetProperty("align_corners").GetBoolean();
            Check(each, inputs => [nn.functional.interpolate(inputs[0], Longs(each.GetProperty("size")), mode: mode, align_corners: corners)]);
        }
    }

    [Fact]
    public void Gradients_of_cut_regions_are_those_of_differences()
    {
        var features = (FormulaFill.Input("f", [2, 3, 9, 11]).to(ScalarType.Float64) / 2).requires_grad_();
        var regions = tensor(new double[] { 0, 1.3, 2.1, 17.5, 12.2, 1, -4, 3, 9, 30, 1, 5, 5, 5, 5 }, 3, 5);
        foreach (var (samples, aligned) in new[] { (2, false), (-1, false), (-1, true) })
        {
            var probe = FormulaFill.Probe("p", [3, 3, 4, 5]).to(ScalarType.Float64);
            Tensor Loss() => (RoiAlign.Cut(features, regions, (4, 5), 0.5, samples, aligned) * probe).sum();
            features.grad?.zero_();
            Loss().backward();
            var grad = features.grad!.clone();
            using var _ = no_grad();
            foreach (long place in new long[] { 0, 17, 100, 250, 333, 500 })
            {
                var flat = features.view(-1);
                double value = flat[place].item<double>(), difference = 0;
                foreach (int sign in (int[])[1, -1])
                {
                    flat[place] = tensor(value + sign * 1e-4, dtype: ScalarType.Float64);
                    difference += sign * Loss().item<double>();
                }
                flat[place] = tensor(value, dtype: ScalarType.Float64);
                Assert.Equal(difference / 2e-4, grad.view(-1)[place].item<double>(), 1e-6);
            }
        }
    }
}
