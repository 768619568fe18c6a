using Attention.Engine;
using Attention.Engine.Configuration;
using Attention.Engine.Reporting;
using Attention.Engine.Training;
using Attention.Models;
using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Examples;

/// <summary>An MLP-Mixer; the fields are the keys of <c>model:</c> in a config.</summary>
public sealed record MlpMixerConfig : ImageModelConfig
{
    public int patch_size { get; init; } = 16;
    public int embed_dim { get; init; } = 768;
    public int num_blocks { get; init; } = 12;
    /// <summary>Widths of the MLPs over tokens and over channels, in units of embed_dim.</summary>
    public (double, double) mlp_ratio { get; init; } = (0.5, 4);
}

/// <summary>An MLP over the tokens of each channel, and one over the channels of each token. (B, N, C) to the same.</summary>
public sealed class MixerBlock : Block
{
    private readonly LayerNorm norm1;
    private readonly Mlp mlp_tokens;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp_channels;

    public MixerBlock(MlpMixerConfig config, int tokens) : base(nameof(MixerBlock))
    {
        int dim = config.embed_dim;
        norm1 = nn.LayerNorm(dim, eps: 1e-6);
        mlp_tokens = new Mlp(tokens, (int)(dim * config.mlp_ratio.Item1));
        norm2 = nn.LayerNorm(dim, eps: 1e-6);
        mlp_channels = new Mlp(dim, (int)(dim * config.mlp_ratio.Item2));
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = x + mlp_tokens.call(norm1.call(x).transpose(1, 2)).transpose(1, 2);
        return x + mlp_channels.call(norm2.call(x));
    }
}

/// <summary>Tolstikhin et al., MLP-Mixer: An all-MLP Architecture for Vision, 2021 (arXiv:2105.01601); parameter names as in timm.</summary>
public sealed class MlpMixer : IsotropicModel
{
    private readonly PatchEmbed stem;
    private readonly ModuleList<MixerBlock> blocks;
    private readonly LayerNorm norm;
    private nn.Module<Tensor, Tensor> head;
    private readonly MlpMixerConfig config;
    private int classes;

    public MlpMixer(MlpMixerConfig config) : base(nameof(MlpMixer))
    {
        this.config = config;
        classes = config.num_classes;
        stem = new PatchEmbed(config.img_size, config.patch_size, config.in_chans, config.embed_dim);
        blocks = nn.ModuleList(Enumerable.Range(0, config.num_blocks).Select(_ => new MixerBlock(config, stem.num_patches)).ToArray());
        norm = nn.LayerNorm(config.embed_dim, eps: 1e-6);
        head = Linears.Classifier(config.embed_dim, classes);
        RegisterComponents();
    }

    public override int num_classes => classes;
    public override int num_features => config.embed_dim;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Blocks => [.. blocks];
    protected override nn.Module<Tensor, Tensor> FinalNorm => norm;
    protected override int PatchSize => config.patch_size;
    protected override int PrefixTokens => 0;

    protected override Tensor Embed(Tensor images) => stem.call(images);

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = x.mean([1]);
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }

    private static readonly MlpMixerConfig B16 = new() { mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] };

    public static ModelFamily<MlpMixerConfig> Family { get; } = new()
    {
        Name = "MLP-Mixer",
        Reference = "Tolstikhin et al., MLP-Mixer: An all-MLP Architecture for Vision, 2021 (arXiv:2105.01601)",
        Build = config => new MlpMixer(config),
        Table = new Dictionary<string, MlpMixerConfig>
        {
            ["mixer_s32_224"] = B16 with { patch_size = 32, num_blocks = 8, embed_dim = 512 },
            ["mixer_s16_224"] = B16 with { num_blocks = 8, embed_dim = 512 },
            ["mixer_b32_224"] = B16 with { patch_size = 32 },
            ["mixer_b16_224"] = B16,
            ["mixer_l16_224"] = B16 with { num_blocks = 24, embed_dim = 1024 },
        },
    };

    public static void Use()
    {
        ModelRegistry.Register(MlpMixer.Family);
        foreach (var model in ModelCatalogue.List("mixer"))
            Console.WriteLine($"{model.Name}: {model.Parameters / 1e6:F1} M parameters, {model.MultiplyAdds / 1e9:F1} G multiply-adds");

        var config = ConfigLoader.Parse<ExperimentConfig>("""
            name: flowers_mixer
            model: {name: mixer_s16_224, img_size: 32, patch_size: 4, embed_dim: 64, num_blocks: 3, num_classes: 10}
            data: {name: image_folder, path: data/flowers, image_size: 32, workers: 1}
            train: {epochs: 2, batch_size: 20}
            """);
        Experiment.Train(config, new TextReporter(Console.Out), CancellationToken.None);
    }
}
