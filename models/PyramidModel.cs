using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models;

/// <summary>One stage of a <see cref="PyramidModel"/>; its parts belong to the model, under the state dict's names.</summary>
internal sealed class PyramidStage(nn.Module<Tensor, Tensor> embed, ModuleList<nn.Module<Tensor, Tensor>> blocks, nn.Module<Tensor, Tensor> norm, bool norms)
    : Block(nameof(PyramidStage))
{
    public nn.Module<Tensor, Tensor> Norm => norm;

    protected override Tensor Forward(Tensor x)
    {
        x = embed.call(x);
        foreach (var block in blocks)
            x = block.call(x);
        return (norms ? norm.call(x) : x).permute(0, 3, 1, 2);
    }
}

/// <summary>
/// A backbone whose state dict has its stages as patch_embed1, block1, norm1, patch_embed2 and so on, as the first PVT and its
/// followers do. An embedding takes (B, C, H, W) and gives (B, H, W, C), which blocks and norms keep.
/// </summary>
public abstract class PyramidModel : StagedModel
{
    private readonly PyramidStage[] stages;
    private readonly int[] depths, dims;
    private readonly Dropout head_drop;
    private nn.Module<Tensor, Tensor> head;
    private int classes;

    /// <param name="name">The model's name.</param>
    /// <param name="config">Its config.</param>
    /// <param name="depths">Blocks of each stage.</param>
    /// <param name="dims">Channels of each stage.</param>
    /// <param name="embed">The embedding of a stage.</param>
    /// <param name="block">A block, by stage, number in it, and rate of stochastic depth.</param>
    /// <param name="norm">The norm at the end of a stage.</param>
    /// <param name="normsLast">Whether the last stage ends with its norm; else the model calls <see cref="LastNorm"/> where it comes.</param>
    protected PyramidModel(string name, ImageModelConfig config, int[] depths, int[] dims, Func<int, nn.Module<Tensor, Tensor>> embed,
        Func<int, int, double, nn.Module<Tensor, Tensor>> block, Func<int, nn.Module<Tensor, Tensor>> norm, bool normsLast = true) : base(name)
    {
        (this.depths, this.dims) = (depths, dims);
        if (depths.Length != dims.Length)
            throw new UserError($"depths has {depths.Length} stages, embed_dims {dims.Length}", "give each one number for each stage");
        var rates = DropPath.StageRates(config.drop_path_rate, depths);
        stages = new PyramidStage[depths.Length];
        for (int stage = 0; stage < depths.Length; stage++)
        {
            var (embedding, last) = (embed(stage), norm(stage));
            var blocks = nn.ModuleList(rates[stage].Select((rate, i) => block(stage, i, rate)).ToArray());
            register_module($"patch_embed{stage + 1}", embedding);
            register_module($"block{stage + 1}", blocks);
            register_module($"norm{stage + 1}", last);
            stages[stage] = new PyramidStage(embedding, blocks, last, normsLast || stage < depths.Length - 1);
        }
        head_drop = nn.Dropout(config.drop_rate);
        register_module(nameof(head_drop), head_drop);
        classes = config.num_classes;
        head = Linears.Classifier(dims[^1], classes);
        register_module(nameof(head), head);
        Linears.Initialise(this);
        Convolutions.Initialise(this);
    }

    /// <summary>The last stage's norm.</summary>
    protected nn.Module<Tensor, Tensor> LastNorm => stages[^1].Norm;

    /// <summary>The classifier, (..., C) to (..., num_classes).</summary>
    protected Tensor Classify(Tensor x) => head.call(x);

    public override int num_classes => classes;
    protected override IReadOnlyList<nn.Module<Tensor, Tensor>> Stages => stages;
    protected override IReadOnlyList<int> Depths => depths;
    protected override IReadOnlyList<int> Channels => dims;
    protected override string StageName(int stage) => $"block{stage + 1}";

    public override IReadOnlyList<FeatureInfo> feature_info =>
        [.. dims.Select((channels, i) => new FeatureInfo($"norm{i + 1}", channels, FirstStride << i))];

    public override int layer_of(string parameter)
    {
        // What embeds a stage's map goes with its first block, its norm with the last.
        int stage = parameter[Math.Max(parameter.IndexOf('.') - 1, 0)] - '1';
        if (parameter.StartsWith("patch_embed", StringComparison.Ordinal) && stage > 0)
            return base.layer_of($"block{stage + 1}.0.");
        return parameter.StartsWith("norm", StringComparison.Ordinal) && stage < depths.Length - 1
            ? base.layer_of($"block{stage + 1}.{depths[stage] - 1}.") : base.layer_of(parameter);
    }

    protected override Tensor Stem(Tensor images) => images.alias();

    public override Tensor forward_head(Tensor x, bool pre_logits = false)
    {
        using var scope = NewDisposeScope();
        x = head_drop.call(x.mean([2, 3]));
        return scope.MoveToOuter(pre_logits ? x : head.call(x));
    }

    public override void reset_classifier(int num_classes)
    {
        classes = num_classes;
        this.Replace(nameof(head), ref head, Linears.Classifier(num_features, num_classes));
    }
}
