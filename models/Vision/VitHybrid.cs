using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Vision;

/// <summary>A Vision Transformer on the features of a convolutional network; fields as in timm.</summary>
public sealed record VitHybridConfig : VitConfig
{
    /// <summary>With patches of one feature, if not said otherwise.</summary>
    public VitHybridConfig() => patch_size = 1;

    /// <summary>The network: resnetv2 (with standardised convolutions, from BiT), resnetd (ResNet-D), or conv (MobileCLIP's three convolutions).</summary>
    public string backbone { get; init; } = "resnetv2";
    /// <summary>Blocks of the network's stages, at most four; none for resnetv2's stem alone.</summary>
    public int[] layers { get; init; } = [];
}

/// <summary>The first stages of a ResNet-D, without its head. (B, in_chans, H, W) to a map of a 4th to a 32nd of the sides.</summary>
internal sealed class ResNetDBackbone : Block
{
    private readonly nn.Module<Tensor, Tensor> conv1;
    private readonly BatchNorm2d bn1;
    private readonly nn.Module<Tensor, Tensor> act1;
    private readonly nn.Module<Tensor, Tensor> maxpool;
    private readonly Sequential layer1;
    private readonly Sequential? layer2;
    private readonly Sequential? layer3;
    private readonly Sequential? layer4;

    /// <param name="in_chans">Channels of the images.</param>
    /// <param name="layers">Blocks of each stage.</param>
    public ResNetDBackbone(int in_chans, int[] layers) : base(nameof(ResNetDBackbone))
    {
        var config = new ResNetConfig { in_chans = in_chans, layers = layers, stem_width = 32, stem_type = "deep", avg_down = true };
        int planes = config.stem_width * 2;
        conv1 = ResNet.StemConvolutions(config, planes);
        bn1 = nn.BatchNorm2d(planes);
        act1 = nn.ReLU();
        maxpool = nn.MaxPool2d(3, stride: 2, padding: 1);
        Sequential Stage(int stage)
        {
            var blocks = new List<nn.Module<Tensor, Tensor>>();
            for (int i = 0; i < layers[stage]; i++)
            {
                blocks.Add(new ResNetBlock(config, planes, config.channels[stage], i == 0 && stage > 0 ? 2 : 1, dilation: (1, 1), drop: 0));
                planes = config.channels[stage] * ResNetBlock.Expansion(config);
            }
            return nn.Sequential(blocks);
        }
        layer1 = Stage(0);
        layer2 = layers.Length > 1 ? Stage(1) : null;
        layer3 = layers.Length > 2 ? Stage(2) : null;
        layer4 = layers.Length > 3 ? Stage(3) : null;
        RegisterComponents();
        ResNet.Initialise(this);
    }

    protected override Tensor Forward(Tensor x)
    {
        x = layer1.call(maxpool.call(act1.call(bn1.call(conv1.call(x)))));
        foreach (var layer in new[] { layer2, layer3, layer4 })
            if (layer is not null)
                x = layer.call(x);
        return x;
    }
}

/// <summary>A convolution whose windows do not overlap, and a batch norm and GELU after all but the last of a row of them.</summary>
internal sealed class ConvStemLayer : Block
{
    private readonly Conv2d conv;
    private readonly BatchNorm2d? bn;

    public ConvStemLayer(int inputs, int outputs, int stride, bool last) : base(nameof(ConvStemLayer))
    {
        conv = nn.Conv2d(inputs, outputs, kernel_size: stride, stride: stride, bias: last);
        bn = last ? null : nn.BatchNorm2d(outputs);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => bn is null ? conv.call(x) : nn.functional.gelu(bn.call(conv.call(x)));
}

/// <summary>
/// Makes tokens from the features of a convolutional network, as PatchEmbed does from pixels.
/// (B, in_chans, H, W) to (B, N, embed_dim), row by row. Parameter names as in timm's HybridEmbed.
/// </summary>
public sealed class HybridEmbed : Block
{
    private readonly nn.Module<Tensor, Tensor> backbone;
    private readonly nn.Module<Tensor, Tensor> proj;
    private readonly int patch_size;
    private readonly int feature_stride;
    private readonly bool pads;

    public HybridEmbed(VitHybridConfig config) : base(nameof(HybridEmbed))
    {
        patch_size = config.patch_size;
        int stages = config.layers.Length;
        if (stages > 4 || (config.backbone == "resnetd" && stages == 0))
            throw new UserError($"layers has {stages} stages", "give the number of blocks of one to four stages");
        int channels = stages == 0 ? ResNetV2Backbone.StemChannels : ResNetV2Backbone.Channels(stages - 1);
        feature_stride = ResNetV2Backbone.FirstStride << Math.Max(stages - 1, 0);
        switch (config.backbone)
        {
            case "resnetv2":
                backbone = stages == 0 ? ResNetV2Backbone.Stem(config.in_chans) : new ResNetV2Backbone(config.in_chans, config.layers);
                break;
            case "resnetd":
                backbone = new ResNetDBackbone(config.in_chans, config.layers);
                break;
            case "conv":
                (channels, feature_stride) = (config.embed_dim, 16);
                int narrow = channels / 4;
                backbone = nn.Sequential(
                    new ConvStemLayer(config.in_chans, narrow, 4, last: false),
                    new ConvStemLayer(narrow, narrow, 2, last: false),
                    new ConvStemLayer(narrow, channels, 2, last: true));
                break;
            default:
                throw new UserError($"backbone '{config.backbone}' is not known", "choose resnetv2, resnetd or conv");
        }
        pads = config.backbone != "conv";
        if (patch_size < 1 || Features(config.img_size) < patch_size || Features(config.img_size) % patch_size != 0)
            throw new UserError($"img_size {config.img_size} gives {Features(config.img_size)} features a side, which do not divide into patches of {patch_size}",
                "choose another img_size or patch_size");
        grid_size = (int)TokensAlong(config.img_size);
        proj = config.backbone == "conv" ? nn.Identity()
            : nn.Conv2d(channels, config.embed_dim, kernel_size: patch_size, stride: patch_size, bias: !config.pre_norm);
        RegisterComponents();
    }

    /// <summary>Tokens along one side of the image that the model was made for.</summary>
    public int grid_size { get; }

    /// <summary>Input pixels per token, along each side.</summary>
    public int stride => feature_stride * patch_size;

    /// <summary>Tokens along a side of so many pixels.</summary>
    public long TokensAlong(long pixels) => Features(pixels) / patch_size;

    private long Features(long pixels) => (pads ? pixels + feature_stride - 1 : pixels) / feature_stride;

    protected override Tensor Forward(Tensor x) => proj.call(backbone.call(x)).flatten(2).transpose(1, 2);
}

/// <summary>
/// Hybrids: <see cref="VisionTransformer"/> on the features of a convolutional network. Dosovitskiy et al., An Image is Worth
/// 16x16 Words, 2021 (arXiv:2010.11929), and Steiner et al., How to train your ViT?, 2021 (arXiv:2106.10270); parameter
/// names as in timm's vision_transformer_hybrid.py.
/// </summary>
public static class VitHybrid
{
    private static readonly VitHybridConfig Base = new() { crop_pct = 0.9, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] };
    private static readonly VitHybridConfig Tiny = Base with { embed_dim = 192, num_heads = 3, patch_size = 8 };
    private static readonly VitHybridConfig Small = Base with { embed_dim = 384, num_heads = 6 };
    private static readonly VitHybridConfig Large = Base with { embed_dim = 1024, depth = 24, num_heads = 16 };
    private static readonly VitHybridConfig BaseD = new() { backbone = "resnetd", crop_pct = 0.9 };
    private static readonly VitHybridConfig SmallD = BaseD with { depth = 8, num_heads = 8, mlp_ratio = 3 };
    private static readonly int[] R26 = [2, 2, 2, 2];
    private static readonly int[] R50 = [3, 4, 6, 3];
    // The last stage's blocks in the one before, so that the map keeps a 16th of the sides.
    private static readonly int[] R50S16 = [3, 4, 9];
    private static VitHybridConfig Wide(VitHybridConfig config) => config with { img_size = 384, crop_pct = 1 };

    /// <summary>The variants, by timm's names.</summary>
    public static ModelFamily<VitHybridConfig> Family { get; } = new()
    {
        Name = "ViT hybrid",
        Reference = "Dosovitskiy et al., An Image is Worth 16x16 Words, 2021 (arXiv:2010.11929)",
        Build = config => new VisionTransformer(config, new HybridEmbed(config)),
        Table = new Dictionary<string, VitHybridConfig>
        {
            ["vit_tiny_r_s16_p8_224"] = Tiny,
            ["vit_tiny_r_s16_p8_384"] = Wide(Tiny),
            ["vit_small_r26_s32_224"] = Small with { layers = R26 },
            ["vit_small_r26_s32_384"] = Wide(Small) with { layers = R26 },
            ["vit_base_r26_s32_224"] = Base with { layers = R26 },
            ["vit_base_r50_s16_224"] = Base with { layers = R50S16, num_classes = 0 },
            ["vit_base_r50_s16_384"] = Wide(Base) with { layers = R50S16 },
            ["vit_large_r50_s32_224"] = Large with { layers = R50 },
            ["vit_large_r50_s32_384"] = Wide(Large) with { layers = R50 },
            ["vit_small_resnet26d_224"] = SmallD with { layers = R26 },
            ["vit_small_resnet50d_s16_224"] = SmallD with { layers = [3, 4, 6] },
            ["vit_base_resnet26d_224"] = BaseD with { layers = R26 },
            ["vit_base_resnet50d_224"] = BaseD with { layers = R50 },
            ["vit_base_mci_224"] = Base with { backbone = "conv", no_embed_class = true, mean = [0, 0, 0], std = [1, 1, 1], num_classes = 512 },
        },
    };
}
