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

    // --- Mask2Former -------------------------------------------------------------------------------

    private static readonly MaskDecoderConfig decoder = new()
    {
        hidden_dim = 32,
        mask_dim = 8,
        nheads = 2,
        num_queries = 6,
        enc_layers = 1,
        enc_dim_feedforward = 16,
        dec_layers = 4,
        dim_feedforward = 16,
        num_points = 32,
        num_select = 5,
    };

    [Theory]
    [InlineData("resnet", false)]
    [InlineData("swin", true)]
    public void Mask2Former_gives_every_pixel_scores_and_every_part_a_gradient(string backbone, bool preNorm)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var model = new Mask2Former(new Mask2FormerConfig { backbone = backbones[backbone], num_classes = Classes, decoder = decoder with { pre_norm = preNorm } });
        var images = randn(2, 3, 50, 70);
        var labels = randint(0, Classes, [2, 50, 70]);
        labels[1] = SegmentationModel.Ignored; // an image without a region
        var losses = model.Losses(images, labels);
        Assert.Equal(3 * 5, losses.Count);
        losses.Values.Aggregate((sum, each) => sum + each).backward();
        foreach (var (name, parameter) in model.named_parameters())
            Assert.True(parameter.grad is not null || name.StartsWith("backbone.norm.", StringComparison.Ordinal), name);
        model.eval();
        Assert.Equal([2, Classes, 50, 70], model.call(images).shape);
    }

    [Fact]
    public void Mask2Former_finds_objects()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var model = new Mask2FormerInstances(new Mask2FormerInstancesConfig { backbone = backbones["resnet"], num_classes = Classes, decoder = decoder });
        var images = new PaddedImages(randn(2, 3, 64, 96), [new(60, 96), new(64, 40)], [new(120, 192), new(32, 20)]);
        var masks = zeros(1, 64, 96, dtype: ScalarType.Byte);
        masks[0, 10..30, 20..50] = 1;
        var target = new ObjectTargets(tensor(new[] { 20f, 10, 50, 30 }, [1, 4]), tensor(new[] { 2L })) { masks = masks };
        var nothing = new ObjectTargets(zeros(0, 4), zeros(0, dtype: ScalarType.Int64)) { masks = zeros(0, 64, 96, dtype: ScalarType.Byte) };
        Assert.All(model.Losses(images, [target, nothing]).Values, loss => Assert.True(float.IsFinite(loss.item<float>())));

        model.eval();
        var found = model.Detect(images);
        Assert.Equal([5, 120, 192], found[0].masks!.shape);
        Assert.Equal([5, 32, 20], found[1].masks!.shape);
        Assert.All(found, each => Assert.True(each.scores.diff().le(0).all().item<bool>()));
        Assert.Throws<UserError>(() => model.Losses(images, [target with { masks = null }, nothing]));
    }

    // Queries with masks of the left half, the right half, and a middle part, all sure of pixels.
    private static (Tensor Logits, Tensor Masks) Regions(params int[] labels)
    {
        var logits = full([3, Classes + 1], -20f);
        for (int i = 0; i < 3; i++)
            logits[i, labels[i]] = 20 - i; // the first is the surest
        var masks = full([3, 4, 8], -20f);
        masks[0, .., 0..4] = 20;
        masks[1, .., 4..8] = 20;
        masks[2, .., 3..5] = 20;
        return (logits, masks);
    }

    [Fact]
    public void Objects_are_told_with_the_boxes_of_their_masks()
    {
        using var scope = NewDisposeScope();
        var (logits, masks) = Regions(1, 3, Classes);
        var found = MaskResults.Instances(logits, masks, 2);
        Assert.Equal([1, 3], found.labels.data<long>().ToArray().Order());
        var right = found.labels.data<long>().ToArray()[0] == 3 ? 0 : 1;
        Assert.Equal([4, 0, 8, 4], found.boxes[right].data<float>().ToArray());
        Assert.All(found.scores.data<float>().ToArray(), score => Assert.Equal(1, score, 1e-4));
    }

    [Fact]
    public void Panoptic_segments_do_not_overlap_and_stuff_becomes_one()
    {
        using var scope = NewDisposeScope();
        var (logits, masks) = Regions(1, 1, 2);
        // Class 1 is stuff: both halves are one segment. The object in the middle lost its pixels to them.
        var (ids, segments) = MaskResults.Panoptic(logits, masks, label => label == 2, new MaskDecoderConfig());
        Assert.Equal([new PanopticSegment(1, 1, false)], segments);
        Assert.True(ids.eq(1).all().item<bool>());
        // As objects they are told apart.
        (ids, segments) = MaskResults.Panoptic(logits, masks, _ => true, new MaskDecoderConfig());
        Assert.Equal([new PanopticSegment(1, 1, true), new PanopticSegment(2, 1, true)], segments);
        Assert.Equal([1, 1, 1, 1, 2, 2, 2, 2], ids[0].data<int>().ToArray());
        // Where nothing is sure, nothing is there.
        Assert.Empty(MaskResults.Panoptic(zeros(3, Classes + 1), masks, _ => true, new MaskDecoderConfig()).Segments);
    }

    [Fact]
    public void Regions_of_a_label_map_are_its_classes()
    {
        using var scope = NewDisposeScope();
        var map = tensor(new long[] { 3, 3, 255, 0 }).view(2, 2);
        var targets = MaskTargets.OfClasses(map);
        Assert.Equal([0, 3], targets.Labels.data<long>().ToArray());
        Assert.Equal([0, 0, 0, 1, 1, 1, 0, 0], targets.Masks.data<float>().ToArray());
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
