using Attention.Modules;
using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>A backbone under the names that DETR and its followers give it, <c>backbone.0.body</c>, and which of its maps are used.</summary>
public sealed class DetrBackbone : nn.Module
{
    private sealed class Holder : nn.Module
    {
        public readonly ImageModel body;

        public Holder(ImageModel body) : base(nameof(Holder))
        {
            this.body = body;
            RegisterComponents();
        }
    }

    [ComponentName(Name = "0")]
    private readonly Holder holder;
    private readonly int[] indices;

    /// <param name="backbone">The image model.</param>
    /// <param name="out_indices">Which of its maps are used, from fine to coarse, by how many there are.</param>
    /// <param name="frozen_stages">Stages that do not train, counted from the stem; 0 for none.</param>
    /// <exception cref="UserError">It has no such maps.</exception>
    public DetrBackbone(BackboneConfig backbone, Func<int, int[]> out_indices, int frozen_stages) : base(nameof(DetrBackbone))
    {
        holder = new Holder(backbone.Create());
        int there = Body.feature_info.Count;
        indices = out_indices(there);
        if (indices.Length == 0 || indices.Any(index => index < 0 || index >= there))
            throw new UserError($"backbone '{backbone.name}' has {there} feature maps, not those of out_indices [{string.Join(", ", indices)}]", $"choose of 0 to {there - 1}");
        RegisterComponents();
        Freeze(frozen_stages);
    }

    /// <summary>A ResNet with the norms of its pretrained weights, as the authors of DETR and its followers have it.</summary>
    public static BackboneConfig Frozen(string resnet)
    {
        var backbone = BackboneConfig.Of(resnet);
        return backbone with { config = (Vision.ResNetConfig)backbone.config with { norm_layer = "frozen_batchnorm" } };
    }

    /// <summary>That of a detector of deformable attention.</summary>
    public static DetrBackbone Of(DeformableDetectorConfig config) =>
        new(config.backbone, config.out_indices is { Length: > 0 } chosen ? _ => chosen : Coarsest(3), config.frozen_stages);

    /// <summary>The coarsest maps, that many of those there are.</summary>
    public static Func<int, int[]> Coarsest(int count) => there => [.. Enumerable.Range(Math.Max(0, there - count), Math.Min(count, there))];

    private ImageModel Body => holder.body;

    /// <summary>Channels of the maps that are used, from fine to coarse.</summary>
    public IReadOnlyList<int> Channels => [.. indices.Select(i => Body.feature_info[i].Channels)];

    /// <summary>The maps (B, C, H, W) of images, from fine to coarse.</summary>
    public Tensor[] Maps(Tensor pixels) => Body.forward_intermediates(pixels, indices);

    // The stem counts as a stage, so that two are the stem and the first stage, as in DETR.
    private void Freeze(int stages)
    {
        if (stages == 0)
            return;
        var trained = Body.feature_info.Skip(stages - 1).Select(each => each.Module + ".").ToArray();
        foreach (var (name, parameter) in Body.named_parameters())
            if (!trained.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal)))
                parameter.requires_grad = false;
    }

    /// <summary>Where a batch of images has no padding, as a map of that size sees it: (B, H, W), or (1, H, W) where nothing is padded.</summary>
    public static Tensor Inside(PaddedImages images, long height, long width)
    {
        using var scope = NewDisposeScope();
        var device = images.pixels.device;
        var (fullHeight, fullWidth) = (images.pixels.shape[2], images.pixels.shape[3]);
        if (!IsPadded(images))
            return scope.MoveToOuter(ones([1, height, width], dtype: ScalarType.Bool, device: device));
        Tensor Along(long places, long pixels, Func<ImageSize, int> side)
        {
            // Nearest: each place takes the pixel that its number falls on.
            var pixel = (arange(places, dtype: ScalarType.Float32) * ((float)pixels / places)).floor().to(ScalarType.Int64);
            return pixel.unsqueeze(0).lt(tensor(images.sizes.Select(size => (long)side(size)).ToArray()).unsqueeze(1));
        }
        var rows = Along(height, fullHeight, size => size.height);
        var columns = Along(width, fullWidth, size => size.width);
        return scope.MoveToOuter(rows.unsqueeze(2).logical_and(columns.unsqueeze(1)).to(device));
    }

    /// <summary>Whether any image is smaller than the tensor that holds it.</summary>
    public static bool IsPadded(PaddedImages images) =>
        images.sizes.Any(size => size.height != images.pixels.shape[2] || size.width != images.pixels.shape[3]);
}
