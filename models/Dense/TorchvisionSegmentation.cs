using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A segmentation model as torchvision has it; its backbone is a ResNet whose last two stages dilate rather than stride.</summary>
public sealed record TorchvisionSegmentationConfig : SegmentationModelConfig
{
    public TorchvisionSegmentationConfig() => num_classes = 21;

    /// <summary>fcn or deeplabv3.</summary>
    public string head { get; init; } = "fcn";
    /// <summary>Whether a second head over the third stage helps in training.</summary>
    public bool aux_loss { get; init; } = true;
}

/// <summary>
/// FCN and DeepLabV3 with torchvision's parameter names: <c>backbone</c>, <c>classifier</c>, <c>aux_classifier</c>. Images (B, 3, H, W)
/// to logits (B, num_classes, H, W).
/// </summary>
public sealed class TorchvisionSegmentation : PixelwiseModel
{
    /// <summary>What the second head counts in the loss.</summary>
    public const double AuxiliaryWeight = 0.5;

    private readonly Sequential classifier;
    private readonly Sequential? aux_classifier;

    public TorchvisionSegmentation(TorchvisionSegmentationConfig config) : base(nameof(TorchvisionSegmentation), config)
    {
        int classes = config.num_classes;
        if (backbone.feature_info.Count < 2)
            throw new UserError($"backbone '{config.backbone.name}' has a single map", "choose one of several stages, such as resnet50");
        var (third, last) = (backbone.feature_info[^2].Channels, backbone.feature_info[^1].Channels);
        classifier = config.head switch
        {
            "fcn" => Convolutions(last, classes),
            "deeplabv3" => nn.Sequential(
                new AtrousPyramid(last, [12, 24, 36]), nn.Conv2d(256, 256, kernel_size: 3, padding: 1, bias: false), nn.BatchNorm2d(256), nn.ReLU(),
                nn.Conv2d(256, classes, kernel_size: 1)),
            _ => throw new UserError($"head '{config.head}' is not known", "choose fcn or deeplabv3"),
        };
        aux_classifier = config.aux_loss ? Convolutions(third, classes) : null;
        RegisterComponents();
    }

    private static Sequential Convolutions(long inputs, long classes) => nn.Sequential(
        nn.Conv2d(inputs, inputs / 4, kernel_size: 3, padding: 1, bias: false), nn.BatchNorm2d(inputs / 4), nn.ReLU(), nn.Dropout(0.1),
        nn.Conv2d(inputs / 4, classes, kernel_size: 1));

    /// <summary>The logits, and beside them those of the second head where there is one.</summary>
    public (Tensor Out, Tensor? Auxiliary) Logits(Tensor images)
    {
        using var scope = NewDisposeScope();
        int last = backbone.feature_info.Count - 1;
        var maps = backbone.forward_intermediates(images, [last - 1, last]);
        var result = scope.MoveToOuter(MapResize.Like(classifier.call(maps[1]), images));
        return (result, aux_classifier is null ? null : scope.MoveToOuter(MapResize.Like(aux_classifier.call(maps[0]), images)));
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var last = backbone.forward_intermediates(input, [backbone.feature_info.Count - 1])[0];
        return scope.MoveToOuter(MapResize.Like(classifier.call(last), input));
    }

    public override IReadOnlyDictionary<string, Tensor> Losses(Tensor images, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var (logits, auxiliary) = Logits(images);
        var losses = new Dictionary<string, Tensor> { ["decode"] = scope.MoveToOuter(Loss.Of(logits, labels)) };
        if (auxiliary is not null)
            losses["aux"] = scope.MoveToOuter(AuxiliaryWeight * Loss.Of(auxiliary, labels));
        return losses;
    }

    // --- variants --------------------------------------------------------------------------------

    private static TorchvisionSegmentationConfig On(string resnet, string head) =>
        new() { head = head, backbone = new(resnet, Vision.ResNet.Family.Table[resnet] with { output_stride = 8 }) };

    /// <summary>The variants, by torchvision's names.</summary>
    public static ModelFamily<TorchvisionSegmentationConfig> Family { get; } = new()
    {
        Name = "FCN and DeepLabV3 of torchvision",
        Reference = "Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation, 2017 (arXiv:1706.05587)",
        Build = config => new TorchvisionSegmentation(config),
        Table = new Dictionary<string, TorchvisionSegmentationConfig>
        {
            ["fcn_resnet50"] = On("resnet50", "fcn"),
            ["fcn_resnet101"] = On("resnet101", "fcn"),
            ["deeplabv3_resnet50"] = On("resnet50", "deeplabv3"),
            ["deeplabv3_resnet101"] = On("resnet101", "deeplabv3"),
        },
    };
}

/// <summary>
/// Dilated convolutions of several rates, a 1x1 convolution and the map's mean, side by side and projected. (B, C, H, W) to
/// (B, 256, H, W); parameter names as in torchvision's ASPP.
/// </summary>
internal sealed class AtrousPyramid : Block
{
    private const int Width = 256;

    private readonly ModuleList<Sequential> convs;
    private readonly Sequential project;

    public AtrousPyramid(long inputs, IReadOnlyList<int> rates) : base(nameof(AtrousPyramid))
    {
        nn.Module<Tensor, Tensor>[] Normed(Conv2d conv) => [conv, nn.BatchNorm2d(Width), nn.ReLU()];
        convs = nn.ModuleList<Sequential>([
            nn.Sequential(Normed(nn.Conv2d(inputs, Width, kernel_size: 1, bias: false))),
            .. rates.Select(rate => nn.Sequential(Normed(nn.Conv2d(inputs, Width, kernel_size: 3, padding: rate, dilation: rate, bias: false)))),
            nn.Sequential([nn.AdaptiveAvgPool2d(1), .. Normed(nn.Conv2d(inputs, Width, kernel_size: 1, bias: false))])]);
        project = nn.Sequential([.. Normed(nn.Conv2d(convs.Count * Width, Width, kernel_size: 1, bias: false)), nn.Dropout(0.5)]);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => project.call(cat([.. convs.Select(conv => MapResize.Like(conv.call(x), x))], 1));
}
