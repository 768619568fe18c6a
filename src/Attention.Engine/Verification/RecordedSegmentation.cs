using System.Text.Json;
using Attention.Models;
using Attention.Models.Dense;
using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>Label maps of segmentation recordings.</summary>
internal static class RecordedLabels
{
    private const double IgnoredShare = 0.1;

    /// <summary>Labels (B, H, W) by formula, a tenth of them without a class.</summary>
    public static Tensor Of(DenseRecording recording, long classes)
    {
        using var scope = NewDisposeScope();
        var shape = DenseRecording.Longs(recording.Get("target.shape"));
        var labels = FormulaFill.IntegerInput("target.label", shape, classes);
        return scope.MoveToOuter(labels.masked_fill(FormulaFill.Unit("target.ignore", shape).lt(IgnoredShare), SegmentationModel.Ignored));
    }

    /// <summary>How many pixels are taken for each class.</summary>
    public static Tensor Histogram(Tensor logits)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(logits.argmax(1).flatten().bincount(null, logits.shape[1]));
    }
}

/// <summary>A segmentation head of mmseg or detectron2 over maps by formula, with its loss and gradients.</summary>
internal sealed class RecordedSegmentationHead : DenseSystem
{
    private readonly DenseRecording recording;
    private readonly nn.Module<Tensor[], Tensor> head;
    private readonly int[] inputs;
    private readonly bool isDetectron;

    public RecordedSegmentationHead(DenseRecording recording)
    {
        this.recording = recording;
        var factory = recording.System.Split('.')[^1];
        isDetectron = factory == "SemSegFPNHead";
        inputs = factory switch
        {
            "DepthwiseSeparableASPPHead" => Whole("c1_in_channels", 0) > 0 ? [0, Whole("in_index")] : [Whole("in_index")],
            "SemSegFPNHead" => [.. Enumerable.Range(0, Numbers("channels").Length)],
            _ => Numbers("in_index"),
        };
        head = factory switch
        {
            "UPerHead" => new UperHead(Options(Numbers("in_channels")), Numbers("pool_scales", [1, 2, 3, 6])),
            "PSPHead" => new PspHead(Options(Numbers("in_channels")), Numbers("pool_scales", [1, 2, 3, 6])),
            "FPNHead" => new SemanticFpnHead(Options(Numbers("in_channels")), Numbers("feature_strides")),
            "FCNHead" => new FcnHead(Options(Numbers("in_channels")), Whole("num_convs", 2), Flag("concat_input", true), Whole("kernel_size", 3)),
            "ASPPHead" => new AsppHead(Options(Numbers("in_channels")), Numbers("dilations", [1, 6, 12, 18])),
            "DepthwiseSeparableASPPHead" => new SeparableAsppHead(Options([Whole("c1_in_channels"), Whole("in_channels")]), Numbers("dilations", [1, 6, 12, 18]), Whole("c1_channels")),
            "SemSegFPNHead" => new SemSegFpnHead(Options(Numbers("channels"), "conv_dims"), Numbers("strides"), Whole("common_stride")),
            _ => throw new UserError($"no segmentation head '{factory}'", "it may have come with a newer version"),
        };
    }

    private DecodeHeadOptions Options(int[] channels, string width = "channels") => new(channels, Whole(width), Whole("num_classes"), Flag("align_corners", false));

    private int Whole(string name, int? otherwise = null) => recording.Find($"kwargs.{name}")?.GetInt32() ?? otherwise ?? recording.Get($"kwargs.{name}").GetInt32();

    private bool Flag(string name, bool otherwise) => recording.Find($"kwargs.{name}")?.GetBoolean() ?? otherwise;

    // One number or a list of them.
    private int[] Numbers(string name, int[]? otherwise = null) => recording.Find($"kwargs.{name}") is null && otherwise is not null ? otherwise
        : [.. DenseRecording.Flat(recording.Get($"kwargs.{name}")).Select(value => (int)value)];

    public override nn.Module Model => head;

    public override IReadOnlyDictionary<string, Tensor> Compute()
    {
        var recorded = recording.Get("inputs").EnumerateArray().ToArray();
        Tensor[] maps = [.. inputs.Select(index => FormulaFill.Input(recorded[index].GetProperty("name").GetString()!, DenseRecording.Longs(recorded[index].GetProperty("shape"))))];
        foreach (var map in maps)
            map.requires_grad = true;
        var labels = RecordedLabels.Of(recording, Whole("num_classes"));
        var logits = head.call(maps);
        var resized = MapResize.To(logits, labels.shape[1], labels.shape[2], Flag("align_corners", false));
        var loss = new PixelLoss { average_all = !isDetectron }.Of(resized, labels);
        loss.backward();
        var found = new Dictionary<string, Tensor>
        {
            ["output"] = logits,
            ["loss"] = loss,
            ["features.loss_decode"] = loss,
            ["argmax_after_resize.histogram"] = RecordedLabels.Histogram(resized),
        };
        for (int i = 0; i < maps.Length; i++)
            found[$"input_gradients.{i}"] = maps[i].grad!;
        return found;
    }
}

/// <summary>Cross entropy of torchvision's FCN and DeepLabV3 and its gradients; the models are those of other recordings.</summary>
internal sealed class RecordedSegmentationLosses(DenseRecording recording) : DenseSystem
{
    private const double Gain = 0.8;

    private readonly Dictionary<string, TorchvisionSegmentation> models = [];

    public override IReadOnlyDictionary<string, Tensor> Compute()
    {
        var found = new Dictionary<string, Tensor>();
        foreach (var name in recording.Root.EnumerateObject().Select(each => each.Name).Where(TorchvisionSegmentation.Family.Table.ContainsKey))
        {
            var model = models[name] = new TorchvisionSegmentation(TorchvisionSegmentation.Family.Table[name]);
            Fill(model);
            model.eval();
            var shape = DenseRecording.Longs(recording.Get("target.shape"));
            var labels = RecordedLabels.Of(recording, model.num_classes);
            var (logits, auxiliary) = model.Logits(FormulaFill.Input("input", [shape[0], 3, shape[1], shape[2]]));
            var (main, second) = (model.Loss.Of(logits, labels), model.Loss.Of(auxiliary!, labels));
            (main + TorchvisionSegmentation.AuxiliaryWeight * second).backward();
            found[$"{name}.loss_out"] = main;
            found[$"{name}.loss_aux"] = second;
            found[$"{name}.argmax_histogram"] = RecordedLabels.Histogram(logits);
        }
        return found;
    }

    public override Tensor? Gradient(string path, string parameter) => models[path].get_parameter(parameter)?.grad;

    // This recording does not list the state: it follows from what each tensor is.
    private static void Fill(TorchvisionSegmentation model)
    {
        static string Rule(string name, Tensor tensor) => name.Split('.')[^1] switch
        {
            "running_var" => "var",
            "weight" => tensor.ndim > 1 ? "weight" : "scale",
            "num_batches_tracked" => "computed",
            _ => "shift",
        };
        var state = model.state_dict();
        RecordedStates.Fill([.. state.Select(each => new RecordedState(each.Key, each.Value.shape, "param", Rule(each.Key, each.Value)))], state, Gain);
    }

    public override void Dispose()
    {
        foreach (var model in models.Values)
            model.Dispose();
        base.Dispose();
    }
}
