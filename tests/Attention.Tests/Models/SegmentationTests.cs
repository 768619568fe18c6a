using System.Text.RegularExpressions;
using Attention.Models;
using Attention.Models.Dense;
using Attention.Models.Vision;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Models;

/// <summary>Segmentation frames over small backbones of every kind, and their losses.</summary>
public class SegmentationTests
{
    private const int Classes = 5;

    private static readonly Dictionary<string, BackboneConfig> backbones = new()
    {
        ["resnet"] = Of("resnet18", (ResNetConfig config) => config with { layers = [1, 1, 1, 1], channels = [8, 12, 16, 24] }),
        ["dilated"] = Of("resnet18", (ResNetConfig config) => config with { layers = [1, 1, 1, 1], channels = [8, 12, 16, 24], output_stride = 8 }),
        ["swin"] = Of("swin_tiny_patch4_window7_224", (SwinConfig config) => config with { img_size = 64, embed_dim = 12, depths = [1, 1, 1, 1], num_heads = [1, 2, 2, 2], window_size = [4] }),
        ["vit"] = Of("vit_tiny_patch16_224", (VitConfig config) => config with { img_size = 64, embed_dim = 24, depth = 4, num_heads = 2 }),
    };

    private static BackboneConfig Of<T>(string name, Func<T, T> change) where T : ImageModelConfig => new(name, change((T)ModelRegistry.Family(name).Config(name)));

    private static readonly Dictionary<string, Func<BackboneConfig, SegmentationModelConfig>> frames = new()
    {
        ["upernet"] = backbone => new UperNetConfig { backbone = backbone, num_classes = Classes, channels = 8, aux_channels = 8 },
        ["semantic_fpn"] = backbone => new SemanticFpnConfig { backbone = backbone, num_classes = Classes, channels = 8, fpn_channels = 8, aux_weight = 0 },
        ["semantic_fpn of detectron2"] = backbone => new SemanticFpnConfig { backbone = backbone, num_classes = Classes, channels = 32, fpn_channels = 8, norm_layer = "groupnorm", aux_weight = 0 },
        ["fcn"] = backbone => new FcnConfig { backbone = backbone, num_classes = Classes, channels = 8, aux_channels = 8, norm_maps = true },
        ["pspnet"] = backbone => new PspNetConfig { backbone = backbone, num_classes = Classes, channels = 8, aux_channels = 8 },
        ["deeplabv3"] = backbone => new DeepLabConfig { backbone = backbone, num_classes = Classes, channels = 8, aux_channels = 8 },
        ["deeplabv3plus"] = backbone => new DeepLabConfig { backbone = backbone, num_classes = Classes, channels = 8, c1_channels = 4, separable = true, aux_channels = 8 },
        ["torchvision"] = backbone => new TorchvisionSegmentationConfig { backbone = backbone, num_classes = Classes, head = "deeplabv3" },
    };

    private static SegmentationModel Create(SegmentationModelConfig config) =>
        config is TorchvisionSegmentationConfig own ? new TorchvisionSegmentation(own) : new EncoderDecoder((EncoderDecoderConfig)config);

    public static TheoryData<string, string> Pairs()
    {
        var pairs = new TheoryData<string, string>();
        foreach (var frame in frames.Keys)
            foreach (var backbone in backbones.Keys)
                // torchvision's has no rule for maps of one resolution or for images that patches do not divide.
                if (frame != "torchvision" || backbone is "resnet" or "dilated")
                    pairs.Add(frame, backbone);
        return pairs;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void A_frame_gives_every_pixel_logits_and_every_head_a_gradient(string frame, string backbone)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var model = Create(frames[frame](backbones[backbone]));
        // Sides that strides do not divide, where the backbone takes them.
        var (height, width) = backbone == "vit" ? (64, 64) : (50, 70);
        var images = randn(2, 3, height, width);
        var labels = randint(0, Classes, [2, height, width]);

        var losses = model.Losses(images, labels);
        losses.Values.Aggregate((sum, each) => sum + each).backward();

        Assert.All(losses.Values, loss => Assert.True(loss.item<float>() > 0));
        // The norm before a classifier that is not there has nothing to do, nor have maps that DeepLabV3+ leaves out.
        var idle = new Regex(frame == "deeplabv3plus" ? @"^(backbone\.norm|pyramid\.upsample_2x)\." : @"^backbone\.norm\.");
        foreach (var (name, parameter) in model.named_parameters())
            Assert.True(parameter.grad is not null || idle.IsMatch(name), name);
        model.eval();
        Assert.Equal([2, Classes, height, width], model.call(images).shape);
    }

    [Fact]
    public void A_dilated_backbone_has_the_stride_that_was_asked_for()
    {
        using var scope = NewDisposeScope();
        using var model = (ImageModel)backbones["dilated"].Create();
        Assert.Equal([4, 8, 8, 8], model.feature_info.Select(map => map.Stride));
        Assert.All(model.forward_intermediates(randn(1, 3, 64, 96)).Zip(model.feature_info),
            each => Assert.Equal([1, each.Second.Channels, 64 / each.Second.Stride, 96 / each.Second.Stride], each.First.shape));
    }

    [Fact]
    public void Layers_and_spared_parameters_are_those_of_the_backbone()
    {
        using var model = (EncoderDecoder)Create(frames["upernet"](backbones["swin"]));
        Assert.Equal(0, model.layer_of("backbone.patch_embed.proj.weight"));
        Assert.Equal(model.num_layers - 1, model.layer_of("decode_head.conv_seg.weight"));
        Assert.Equal(model.Backbone.layer_of("layers.2.blocks.0.norm1.weight"), model.layer_of("backbone.layers.2.blocks.0.norm1.weight"));
        Assert.All(model.no_weight_decay, name => Assert.Contains(name["backbone.".Length..], model.Backbone.no_weight_decay));
    }

    [Fact]
    public void A_map_that_the_backbone_lacks_is_refused()
    {
        var error = Assert.Throws<UserError>(() => Create(((UperNetConfig)frames["upernet"](backbones["resnet"])) with { out_indices = [0, 1, 7] }));
        Assert.Equal("out_indices is [0, 1, 7], but resnet18 has 4 maps", error.Message);
    }

    // --- losses ----------------------------------------------------------------------------------

    private static (Tensor Logits, Tensor Labels) Pixels()
    {
        manual_seed(2);
        var labels = randint(0, Classes, [2, 6, 7]);
        labels[0, TensorIndex.Slice(0, 2)] = SegmentationModel.Ignored;
        return (randn(2, Classes, 6, 7), labels);
    }

    [Fact]
    public void Cross_entropy_is_averaged_over_pixels_that_count_or_over_all()
    {
        using var scope = NewDisposeScope();
        var (logits, labels) = Pixels();
        float mean = nn.functional.cross_entropy(logits, labels, ignore_index: 255).item<float>();
        Assert.Equal(mean, new PixelLoss().Of(logits, labels).item<float>(), 1e-5);
        Assert.Equal(mean * 70 / 84, new PixelLoss { average_all = true }.Of(logits, labels).item<float>(), 1e-5);
    }

    [Fact]
    public void Classes_weigh_as_in_PyTorch()
    {
        using var scope = NewDisposeScope();
        var (logits, labels) = Pixels();
        var weights = tensor(new[] { 1f, 2, 0, 0.5f, 3 });
        float expected = nn.functional.cross_entropy(logits, labels, weights, ignore_index: 255).item<float>();
        Assert.Equal(expected, new PixelLoss { class_weights = weights }.Of(logits, labels).item<float>(), 1e-5);
    }

    [Fact]
    public void Dice_loss_is_nothing_for_the_truth_and_nearly_one_for_its_contrary()
    {
        using var scope = NewDisposeScope();
        var labels = cat([zeros(1, 40, 40, dtype: ScalarType.Int64), ones(1, 40, 40, dtype: ScalarType.Int64)], 2);
        var truth = 40 * nn.functional.one_hot(labels, 2).permute(0, 3, 1, 2).to(ScalarType.Float32) - 20;
        var dice = new PixelLoss { cross_entropy = 0, dice = 1 };
        Assert.Equal(0, dice.Of(truth, labels).item<float>(), 1e-5);
        Assert.Equal(1, dice.Of(-truth, labels).item<float>(), 1e-3);
        // What a pixel without a class was taken for does not matter.
        labels[TensorIndex.Ellipsis, TensorIndex.Slice(0, 40)] = SegmentationModel.Ignored;
        var half = truth.clone();
        half[TensorIndex.Ellipsis, TensorIndex.Slice(0, 40)] *= -1;
        Assert.Equal(0, dice.Of(half, labels).item<float>(), 1e-5);
    }

    [Fact]
    public void Where_no_pixel_counts_the_loss_is_zero()
    {
        using var scope = NewDisposeScope();
        var (logits, labels) = Pixels();
        Assert.Equal(0, new PixelLoss { dice = 1 }.Of(logits, labels.fill_(SegmentationModel.Ignored)).item<float>(), 1e-6);
    }
}
