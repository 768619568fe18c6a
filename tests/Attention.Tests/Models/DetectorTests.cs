using Attention.Engine.Checkpoints;
using Attention.Engine.Verification;
using Attention.Models;
using Attention.Models.Dense;
using Attention.Models.Vision;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Models;

/// <summary>Detectors on a feature pyramid: against recordings of torchvision's, and what holds with any backbone.</summary>
public sealed class DetectorTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [SkippableTheory]
    [InlineData("det_stages")]
    [InlineData("maskrcnn_resnet50_fpn")]
    [InlineData("retinanet_resnet50_fpn")]
    public void Stages_detections_losses_and_gradients_agree_with_the_recording(string file) =>
        RequireAgreement(SharedFiles.Require($"parity/dense/{file}.json"));

    /// <summary>Recorded by scripts/record_detector.py from torchvision 0.14.1.</summary>
    [Theory]
    [InlineData("fasterrcnn_resnet50_fpn")]
    [InlineData("fasterrcnn_resnet50_fpn_v2")]
    [InlineData("maskrcnn_resnet50_fpn_v2")]
    [InlineData("retinanet_resnet50_fpn_v2")]
    public void Other_variants_agree_with_their_recording(string file) =>
        RequireAgreement(Path.Combine(AppContext.BaseDirectory, "Models", "Files", "dense", $"{file}.json"));

    private static void RequireAgreement(string path)
    {
        var result = Verifier.Run(path);
        Assert.True(result.Agrees, string.Join("\n", result.Problems.Take(10)));
        Assert.True(result.OutputError < 1e-5, $"{result.OutputError}");
    }

    [SkippableFact]
    public void A_recording_that_does_not_fit_is_told_row_by_row()
    {
        using var folder = new TemporaryFolder();
        var text = File.ReadAllText(SharedFiles.Require("parity/dense/det_stages.json"));
        File.WriteAllText(folder.File("changed.json"), text.Replace("\"loss_mask\"", "\"loss_masks\"").Replace("\"score_thresh\":0.05", "\"score_thresh\":0.5"));
        var result = Verifier.Run(folder.File("changed.json"));
        Assert.Contains("nothing to compare with 'mask_head.loss_masks'", result.Problems);
        Assert.Contains(result.Problems, problem => problem.StartsWith("roi_heads.boxes.0", StringComparison.Ordinal));
        Assert.DoesNotContain(result.Problems, problem => problem.StartsWith("rpn", StringComparison.Ordinal));

        File.WriteAllText(folder.File("unknown.json"), """{"format": "parity-lab-dense/1", "factory": "somewhere.else"}""");
        Assert.False(Verifier.Run(folder.File("unknown.json")).IsCompared);
    }

    [Fact]
    public void Samples_are_those_of_torchvision_for_the_same_seed()
    {
        var labels = tensor(Enumerable.Range(0, 60).Select(i => i % 7 == 0 ? 1L : i % 5 == 0 ? -1 : 0).ToArray());
        manual_seed(3);
        var sampler = new BalancedSampler(12, 0.25);
        var (objects, background) = sampler.Choose(labels);
        Assert.Equal(SampledObjects, objects.data<long>().ToArray());
        Assert.Equal(SampledBackground, background.data<long>().ToArray());
        // Fewer than are wanted.
        (objects, background) = sampler.Choose(labels[..6]);
        Assert.Equal([0L], objects.data<long>().ToArray());
        Assert.Equal([1L, 2, 3, 4], background.data<long>().ToArray());
    }

    private static readonly long[] SampledObjects = [7, 28, 35];
    private static readonly long[] SampledBackground = [17, 18, 19, 23, 27, 31, 47, 48, 51];

    // --- any backbone ----------------------------------------------------------------------------

    private static readonly BackboneConfig swin = BackboneConfig.Of("swin_tiny_patch4_window7_224") with
    {
        config = (SwinConfig)BackboneConfig.Of("swin_tiny_patch4_window7_224").config with { embed_dim = 8, depths = [1, 1, 1, 1], num_heads = [1, 1, 2, 2], window_size = [4], img_size = 64 },
    };

    private static readonly BackboneConfig resnet = BackboneConfig.Of("resnet18") with
    {
        config = (ResNetConfig)BackboneConfig.Of("resnet18").config with { layers = [1, 1, 1, 1], channels = [8, 8, 16, 16] },
    };

    private static readonly RcnnConfig smallRcnn = new()
    {
        backbone = resnet,
        num_classes = 3,
        out_channels = 16,
        representation_size = 32,
        mask_layers = [16],
        mask_dim_reduced = 16,
        box_score_thresh = 0,
        box_detections_per_img = 5,
        rpn_post_nms_top_n_train = 50,
        rpn_post_nms_top_n_test = 20,
        anchor_sizes = [8, 16, 32, 64, 128],
    };

    private static readonly RetinaNetConfig smallRetina = new()
    {
        backbone = resnet,
        num_classes = 3,
        out_channels = 16,
        head_depth = 1,
        anchor_sizes = [8, 16, 32, 64, 128],
        score_thresh = 0,
        detections_per_img = 5,
    };

    public static TheoryData<string> Detectors => ["mask", "faster", "swin", "retina", "retina with other parts"];

    private static DetectionModel Build(string detector)
    {
        manual_seed(1);
        return detector switch
        {
            "mask" => new Rcnn(smallRcnn),
            "faster" => new Rcnn(smallRcnn with { masks = false, rpn_conv_depth = 2, box_conv_layers = [16, 16], fpn_norm = "batchnorm", head_norm = "batchnorm" }),
            "swin" => new Rcnn(smallRcnn with { backbone = swin, norm_maps = true, maps = 3, anchor_sizes = [8, 16, 32, 64] }),
            "retina" => new RetinaNet(smallRetina),
            _ => new RetinaNet(smallRetina with { coarser_maps = CoarserMaps.FromBackbone, box_loss = "giou", scales_per_octave = 1, out_channels = 32, head_norm = "groupnorm" }),
        };
    }

    // The second image is smaller, was twice as large, and has no objects.
    private static (PaddedImages, ObjectTargets[]) Batch()
    {
        var pixels = FormulaFill.Input("pixels", [2, 3, 64, 96]);
        pixels[1].narrow(1, 48, 16).zero_();
        var masks = zeros([2, 64, 96], ScalarType.Byte);
        masks[0].narrow(0, 8, 30).narrow(1, 10, 20).fill_(1);
        masks[1].narrow(0, 20, 40).narrow(1, 40, 50).fill_(1);
        return (new PaddedImages(pixels, [new(64, 96), new(48, 96)], [new(64, 96), new(96, 192)]),
        [
            new ObjectTargets(tensor(new float[] { 10, 8, 30, 38, 40, 20, 90, 60 }, 2, 4), tensor(new long[] { 0, 2 })) { masks = masks },
            new ObjectTargets(zeros(0, 4), zeros(0, ScalarType.Int64)) { masks = zeros([0, 64, 96], ScalarType.Byte) },
        ]);
    }

    [Theory]
    [MemberData(nameof(Detectors))]
    public void Losses_reach_every_parameter_that_is_used(string detector)
    {
        using var model = Build(detector);
        model.train();
        var (images, targets) = Batch();
        var losses = model.Losses(images, targets);
        Assert.All(losses.Values, loss => Assert.True(loss.item<float>() is > 0 and < 1000, $"{loss.item<float>()}"));
        losses.Values.Aggregate((a, b) => a + b).backward();
        // The backbone's last norm serves its classifier.
        var without = model.named_parameters().Where(p => !p.name.StartsWith("backbone.body.norm", StringComparison.Ordinal) && p.parameter.grad is not { } grad);
        Assert.Empty(without.Select(p => p.name));
    }

    [Theory]
    [MemberData(nameof(Detectors))]
    public void Images_without_objects_train_the_background(string detector)
    {
        using var model = Build(detector);
        model.train();
        var (images, targets) = Batch();
        var losses = model.Losses(images, [targets[1], targets[1]]);
        Assert.All(losses.Values, loss => Assert.True(float.IsFinite(loss.item<float>())));
        losses.Values.Aggregate((a, b) => a + b).backward();
        Assert.All(model.parameters().Select(p => p.grad).OfType<Tensor>(), grad => Assert.True(grad.isfinite().all().item<bool>()));
    }

    [Theory]
    [MemberData(nameof(Detectors))]
    public void Detections_are_in_pixels_of_the_original_images(string detector)
    {
        using var model = Build(detector);
        model.eval();
        var (images, _) = Batch();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var found = model.Detect(images);
        // Nothing is left on the way.
        Assert.Equal(found.Sum(each => each.masks is null ? 3 : 4), DisposeScopeManager.Statistics.ThreadTotalLiveCount - before);
        Assert.Equal(2, found.Count);
        foreach (var (each, size) in found.Zip(images.originals))
        {
            Assert.Equal(5, each.boxes.shape[0]);
            Assert.True(each.boxes.ge(0).all().item<bool>() && each.boxes[.., 2].le(size.width).all().item<bool>() && each.boxes[.., 3].le(size.height).all().item<bool>());
            Assert.True(each.labels.ge(0).all().item<bool>() && each.labels.lt(3).all().item<bool>());
            Assert.Equal(each.scores.data<float>().ToArray().OrderDescending(), each.scores.data<float>().ToArray());
            Assert.Equal(model.Finds.HasFlag(DetectionKinds.Masks), each.masks is not null);
            if (each.masks is { } masks)
                Assert.Equal([5, size.height, size.width], masks.shape);
        }
        // Boxes of the second image reach beyond its size in the batch, since it was twice as large.
        Assert.True(found[1].boxes.max().item<float>() > 96);
    }

    [Fact]
    public void Frozen_norms_keep_their_statistics_and_weights()
    {
        using var model = new Rcnn(smallRcnn with { freeze_norms = true });
        model.train();
        var norms = model.Backbone.modules().OfType<BatchNorm2d>().ToArray();
        Assert.NotEmpty(norms);
        Assert.All(norms, norm => Assert.False(norm.training || norm.weight!.requires_grad));
        var before = norms[0].running_mean!.clone();
        var (images, targets) = Batch();
        model.Losses(images, targets);
        Assert.True(before.equal(norms[0].running_mean!).all().item<bool>());
        Assert.True(model.training);
    }

    [Theory]
    [InlineData("backbone.fpn.inner_blocks.3.weight", "backbone.fpn.inner_blocks.3.0.weight")]
    [InlineData("backbone.fpn.layer_blocks.0.bias", "backbone.fpn.layer_blocks.0.0.bias")]
    [InlineData("backbone.fpn.layer_blocks.0.0.bias", "backbone.fpn.layer_blocks.0.0.bias")]
    [InlineData("rpn.head.conv.weight", "rpn.head.conv.0.0.weight")]
    [InlineData("rpn.head.conv.0.0.weight", "rpn.head.conv.0.0.weight")]
    [InlineData("roi_heads.mask_head.mask_fcn4.bias", "roi_heads.mask_head.3.0.bias")]
    [InlineData("head.classification_head.conv.6.weight", "head.classification_head.conv.3.0.weight")]
    [InlineData("head.regression_head.conv.2.bias", "head.regression_head.conv.1.0.bias")]
    [InlineData("head.regression_head.conv.2.0.bias", "head.regression_head.conv.2.0.bias")]
    [InlineData("backbone.body.layer1.0.conv1.weight", "backbone.body.layer1.0.conv1.weight")]
    public void Older_checkpoints_of_torchvision_load(string published, string name)
    {
        using var model = new RetinaNet(smallRetina);
        Assert.Equal(name, model.Rename(published));
    }

    [Fact]
    public void A_checkpoint_of_the_backbone_alone_gives_it_its_weights()
    {
        using var folder = new TemporaryFolder();
        var config = smallRcnn with { backbone = resnet with { config = resnet.config with { num_classes = 10 } } };
        manual_seed(4);
        using var classifier = new ResNet((ResNetConfig)config.backbone.config);
        Write(folder.File("resnet.safetensors"), classifier);
        manual_seed(5);
        using var model = new Rcnn(config);
        var head = model.get_parameter("rpn.head.conv.0.0.weight")!.clone();
        var report = WeightLoader.Load(model, folder.File("resnet.safetensors"));
        Assert.Empty(report.Missing);
        Assert.True(classifier.get_parameter("layer2.0.conv1.weight")!.equal(model.get_parameter("backbone.body.layer2.0.conv1.weight")!).all().item<bool>());
        Assert.True(head.equal(model.get_parameter("rpn.head.conv.0.0.weight")!).all().item<bool>());

        // A checkpoint of the whole is one of the whole.
        Write(folder.File("rcnn.safetensors"), model);
        manual_seed(6);
        using var other = new Rcnn(config);
        WeightLoader.Load(other, folder.File("rcnn.safetensors"));
        Assert.True(head.equal(other.get_parameter("rpn.head.conv.0.0.weight")!).all().item<bool>());
    }

    private static void Write(string path, nn.Module model)
    {
        using var stream = File.Create(path);
        SafeTensors.Write(stream, model.state_dict());
    }

    [Fact]
    public void Images_are_resized_as_torchvision_does()
    {
        var input = new DetectorInput(800, 1333, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);
        Assert.Equal(new ImageSize(799, 1201), input.Fit(new ImageSize(333, 500)));
        Assert.Equal(new ImageSize(800, 1066), input.Fit(new ImageSize(480, 640)));
        var batch = new DetectorInput(32, 64, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]).Prepare([ones(3, 20, 40), ones(3, 30, 20)]);
        Assert.Equal([2, 3, 64, 64], batch.pixels.shape);
        Assert.Equal([new ImageSize(32, 64), new ImageSize(48, 32)], batch.sizes);
        Assert.Equal(1, batch.pixels[0, 0, 31, 63].item<float>());
        Assert.Equal(0, batch.pixels[0, 0, 32, 0].item<float>());
    }

    [Fact]
    public void What_does_not_fit_is_told_with_advice()
    {
        Assert.Contains("has 4 maps, not 5", Assert.Throws<UserError>(() => new Rcnn(smallRcnn with { maps = 5 })).Message);
        Assert.Contains("anchor_sizes has 5 sizes for 4 maps", Assert.Throws<UserError>(() => new Rcnn(smallRcnn with { maps = 3 })).Message);
        Assert.Contains("norm 'none'", Assert.Throws<UserError>(() => new Rcnn(smallRcnn with { fpn_norm = "none" })).Message);
        Assert.Contains("box_loss 'l2'", Assert.Throws<UserError>(() => new RetinaNet(smallRetina with { box_loss = "l2" })).Message);
        Assert.Contains("coarser_maps is pool", Assert.Throws<UserError>(() => new RetinaNet(smallRetina with { coarser_maps = CoarserMaps.Pool })).Message);
    }
}
