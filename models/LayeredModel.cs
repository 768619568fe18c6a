using System.Text.RegularExpressions;
using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models;

/// <summary>Blocks and the step down that the state dict has after them; the model calls them.</summary>
internal sealed class ModelLayer : nn.Module
{
    private readonly Sequential blocks;
    private readonly nn.Module<Tensor, Tensor>? downsample;

    public ModelLayer(IEnumerable<nn.Module<Tensor, Tensor>> blocks, nn.Module<Tensor, Tensor>? downsample) : base(nameof(ModelLayer))
    {
        this.blocks = nn.Sequential(blocks);
        this.downsample = downsample;
        RegisterComponents();
    }

    public Sequential Blocks => blocks;
    public nn.Module<Tensor, Tensor>? Downsample => downsample;
}

/// <summary>The step down from the layer before, if any, and a layer's blocks.</summary>
internal sealed class LayerStep(nn.Module<Tensor, Tensor>? down, nn.Module<Tensor, Tensor> blocks) : Block(nameof(LayerStep))
{
    protected override Tensor Forward(Tensor x) => blocks.call(down is null ? x : down.call(x));
}

/// <summary>
/// A backbone whose state dict has patch_embed, layers of blocks each with the step down after it, and head, as the first Swin
/// and its followers do. Features are those before a step down.
/// </summary>
public abstract class LayeredModel : StagedModel
{
    private readonly nn.Module<Tensor, Tensor> patch_embed;
    private readonly LayerStep[] steps;
    private readonly int[] depths, dims;
    private readonly string layers;
    private readonly int headDim;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;
    private int classes;

    /// <param name="name">The model's name.</param>
    /// <param name="config">Its config.</param>
    /// <param name="layers">What the state dict calls the layers.</param>
    /// <param name="depths">Blocks of each layer.</param>
    /// <param name="dims">Channels of each layer.</param>
    /// <param name="embed">The stem.</param>
    /// <param name="block">A block, by layer, number in it, and rate of stochastic depth.</param>
    /// <param name="down">The step down after a layer.</param>
    /// <param name="headDim">Channels that the head takes, where they are others than the last layer's.</param>
    protected LayeredModel(string name, ImageModelConfig config, string layers, int[] depths, int[] dims, nn.Module<Tensor, Tensor> embed,
        Func<int, int, double, nn.Module<Tensor, Tensor>> block, Func<int, nn.Module<Tensor, Tensor>> down, int? headDim = null) : base(name)
    {
        (this.depths, this.dims, this.layers, this.headDim) = (depths, dims, layers, headDim ?? dims[^1]);
        patch_embed = embed;
        register_module(nameof(patch_embed), patch_embed);
        var rates = DropPath.StageRates(config.drop_path_rate, depths);
        var made = depths.Select((_, i) =>
            new ModelLayer(rates[i].Select((rate, j) => block(i, j, rate)), i < depths.Length - 1 ? down(i) : null)).ToArray();
        register_module(layers, nn.ModuleList(made));
        steps = [.. made.Select((layer, i) => new LayerStep(i > 0 ? made[i - 1].Downsample : null, layer.Blocks))];
        head_drop = nn.Dropout(config.drop_rate);
        register_module(nameof(head_drop), head_drop);
        classes = config.num_classes;
        head = Linears.Classifier(this.headDim, classes);
        register_module(nameof(head), head);
        Linears.Initialise(this);
    }

    public override int num_classes => classes;
    public override int num_features => headDim;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => steps;
    protected override IReadOnlyList<int> Depths => depths;
    protected override IReadOnlyList<int> Channels => dims;
    protected override string StageName(int stage) => $"{layers}.{stage}";

    public override IReadOnlyList<FeatureInfo> feature_info =>
        [.. dims.Select((channels, i) => new FeatureInfo($"{StageName(i)}.blocks", channels, FirstStride << i))];

    // A step down goes with the first block after it.
    public override int layer_of(string parameter) => Regex.Match(parameter, $@"^{layers}\.(\d+)\.downsample\.") is { Success: true } step
        ? base.layer_of($"{StageName(int.Parse(step.Groups[1].Value) + 1)}.blocks.0.") : base.layer_of(parameter);

    protected override Tensor Stem(Tensor images) => patch_embed.call(images);

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(x.mean(ChannelsLast ? [1, 2] : [2, 3]));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(headDim, num_classes));
    }
}
