using Attention.Engine.Verification;
using Attention.Models;
using Attention.Models.Dense;
using Attention.Models.Vision;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Models;

/// <summary>DETR, Deformable DETR with the ways of DINO, and Group Pose.</summary>
public sealed class DetrTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public DetrTests() => random.manual_seed(0);

    public void Dispose() => scope.Dispose();

    private static readonly BackboneConfig small = BackboneConfig.Of("resnet18") with
    {
        config = (ResNetConfig)BackboneConfig.Of("resnet18").config with { layers = [1, 1, 1, 1], channels = [8, 8, 16, 16] },
    };

    private static DeformableDetrConfig Deformable(string variant) => (DeformableDetrConfig)ModelRegistry.Family(variant).Config(variant) with
    {
        backbone = small,
        frozen_stages = 0,
        num_classes = 3,
        first_category = null,
        hidden_dim = 32,
        nheads = 4,
        enc_layers = 1,
        dec_layers = 2,
        dim_feedforward = 32,
        num_queries = 8,
        num_select = 5,
        dropout = 0,
    };

    private static readonly GroupPoseConfig pose = (GroupPoseConfig)ModelRegistry.Family("group_pose").Config("group_pose") with
    {
        backbone = small,
        hidden_dim = 32,
        nheads = 4,
        enc_layers = 1,
        dec_layers = 2,
        dim_feedforward = 32,
        num_queries = 4,
        num_select = 4,
    };

    private static readonly DetrConfig plain = new()
    {
        backbone = small,
        num_classes = 3,
        hidden_dim = 128,
        nheads = 8,
        enc_layers = 1,
        dec_layers = 2,
        dim_feedforward = 32,
        num_queries = 6,
        dropout = 0,
    };

    private static DetectionModel Create(string name) => name switch
    {
        "detr" => new Detr(plain),
        "detr with masks" => new Detr(plain with { masks = true }),
        "group_pose" => new GroupPose(pose),
        "group_pose in minutes" => new GroupPose(pose with { num_denoising = 3, num_proposals = 8, interm_repeats = 2, heatmap_loss_coef = 1 }),
        _ => new DeformableDetr(Deformable(name)),
    };

    // Two images, of which the second is smaller, with boxes, masks and poses.
    private static (PaddedImages Images, ObjectTargets[] Targets) Batch(int[] counts)
    {
        var pixels = randn(counts.Length, 3, 64, 96);
        var sizes = counts.Select((_, i) => i == 0 ? new ImageSize(64, 96) : new ImageSize(48, 64)).ToArray();
        pixels[1].narrow(1, 48, 16).zero_();
        pixels[1].narrow(2, 64, 32).zero_();
        var targets = counts.Select((count, i) =>
        {
            var corner = rand(count, 2) * 20;
            var boxes = cat([corner, corner + 10 + rand(count, 2) * 10], 1);
            var keypoints = cat([boxes.narrow(1, 0, 2).unsqueeze(1) + rand(count, 17, 2) * 10, full([count, 17, 1], 2f)], 2);
            return new ObjectTargets(boxes, zeros(count, dtype: ScalarType.Int64))
            {
                keypoints = keypoints,
                areas = full([count], 150f),
                masks = rand(count, sizes[i].height, sizes[i].width).gt(0.5).to(ScalarType.Byte),
            };
        }).ToArray();
        return (new PaddedImages(pixels, sizes, sizes), targets);
    }

    [SkippableTheory]
    [InlineData("detr_tiny")]
    [InlineData("deformable_detr_tiny")]
    [InlineData("deformable_detr_two_stage_tiny")]
    [InlineData("grouppose_tiny")]
    public void The_model_agrees_with_its_recording(string recording)
    {
        var result = Verifier.Run(SharedFiles.Require($"parity/dense/{recording}.json"));
        Assert.True(result.Agrees, string.Join("\n", result.Problems.Take(10)));
        Assert.True(result.OutputError < 1e-4 && result.FeatureError < 1e-4, $"{result.OutputError} {result.FeatureError}");
    }

    [Theory]
    [InlineData("detr")]
    [InlineData("detr with masks")]
    [InlineData("deformable_detr")]
    [InlineData("deformable_detr_resnet50")]
    [InlineData("deformable_detr_refine_resnet50")]
    [InlineData("dino")]
    [InlineData("group_pose")]
    [InlineData("group_pose in minutes")]
    public void Everything_learns_and_finds(string name)
    {
        using var model = Create(name);
        foreach (var counts in new int[][] { [3, 1], [0, 2], [0, 0] })
        {
            var (images, targets) = Batch(counts);
            var losses = model.Losses(images, targets);
            Assert.All(losses, loss => Assert.True(float.IsFinite(loss.Value.item<float>()), $"{loss.Key} of {string.Join(" and ", counts)} objects"));
            losses.Values.Aggregate((sum, loss) => sum + loss).backward();
        }
        // Classifiers of backbones and positions that no query is given have none.
        var untouched = model.named_parameters().Where(each => each.parameter.grad is null).Select(each => each.name).ToArray();
        Assert.True(untouched.Length == 0, string.Join(", ", untouched));

        model.eval();
        var (asked, _) = Batch([1, 1]);
        var found = model.Detect(asked with { originals = [new(640, 960), new(480, 640)] });
        Assert.Equal(2, found.Count);
        Assert.All(found, each =>
        {
            Assert.Equal([each.scores.shape[0], 4], each.boxes.shape);
            var scores = each.scores.data<float>().ToArray();
            Assert.Equal(scores.OrderDescending(), scores);
            Assert.True(each.labels.numel() == 0 || each.labels.max().item<long>() < 3);
        });
        if (model.Finds.HasFlag(DetectionKinds.Keypoints))
            Assert.Equal([17, 3], found[0].keypoints!.shape[1..]);
        if (model.Finds.HasFlag(DetectionKinds.Masks))
            Assert.Equal([640, 960], found[0].masks!.shape[1..]);
    }

    [Theory]
    [InlineData("dino")]
    [InlineData("group_pose in minutes")]
    public void Queries_with_noise_are_not_seen_by_true_ones(string name)
    {
        using var model = Create(name);
        model.eval();
        var (images, targets) = Batch([2, 1]);
        // The noise differs, the rest must not.
        var (first, second) = (model.Losses(images, targets), model.Losses(images, targets));
        Assert.All(first.Keys.Where(key => !key.Contains("_dn")), key => Assert.Equal(first[key].item<float>(), second[key].item<float>(), 1e-4f));
        Assert.NotEqual(first.Where(each => each.Key.Contains("_dn")).Sum(each => each.Value.item<float>()), second.Where(each => each.Key.Contains("_dn")).Sum(each => each.Value.item<float>()));
    }

    [Theory]
    [InlineData("deformable_detr")]
    [InlineData("group_pose in minutes")]
    public void A_few_steps_make_it_better(string name)
    {
        using var model = Create(name);
        var (images, targets) = Batch([1, 1]);
        var optimizer = optim.AdamW(model.parameters(), lr: 1e-3);
        double Step()
        {
            using var step = NewDisposeScope();
            var loss = model.Losses(images, targets).Values.Aggregate((sum, each) => sum + each);
            optimizer.zero_grad();
            loss.backward();
            optimizer.step();
            return loss.item<float>();
        }
        double first = Step(), last = first;
        for (int i = 0; i < 40; i++)
            last = Step();
        Assert.True(last < 0.6 * first, $"{first} to {last}");
    }

    [Fact]
    public void Any_backbone_gives_the_maps()
    {
        var pvt = BackboneConfig.Of("pvt_v2_b0");
        using var model = new DeformableDetr(Deformable("deformable_detr") with { backbone = pvt, out_indices = [2, 3], num_feature_levels = 2 });
        var (images, targets) = Batch([1, 1]);
        Assert.All(model.Losses(images, targets).Values, loss => Assert.True(float.IsFinite(loss.item<float>())));
        var error = Assert.Throws<UserError>(() => new GroupPose(pose with { out_indices = [4] }));
        Assert.Equal("backbone 'resnet18' has 4 feature maps, not those of out_indices [4]", error.Message);
    }

    [Fact]
    public void Frozen_stages_do_not_train()
    {
        using var model = new GroupPose(pose with { frozen_stages = 2 });
        var trained = model.named_parameters().Where(each => each.parameter.requires_grad).Select(each => each.name).ToArray();
        Assert.DoesNotContain(trained, name => name.StartsWith("backbone.0.body.layer1.", StringComparison.Ordinal) || name.StartsWith("backbone.0.body.conv1.", StringComparison.Ordinal));
        Assert.Contains("backbone.0.body.layer2.0.conv1.weight", trained);
    }

    [Fact]
    public void Data_without_poses_are_refused()
    {
        using var model = Create("group_pose");
        var (images, targets) = Batch([1, 1]);
        var error = Assert.Throws<UserError>(() => model.Losses(images, [.. targets.Select(target => target with { keypoints = null })]));
        Assert.Equal("the data have no keypoints", error.Message);
    }
}
