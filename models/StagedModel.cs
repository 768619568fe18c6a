using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models;

/// <summary>
/// A backbone of stages, each coarser than the one before: a stem, the stages, a norm, a head. A family gives the parts;
/// this class makes the contract of <see cref="ImageModel"/> from them.
/// </summary>
public abstract class StagedModel(string name) : ImageModel(name)
{
    /// <summary>Images (B, in_chans, H, W) to what the first stage takes.</summary>
    protected abstract Tensor Stem(Tensor images);

    /// <summary>The stages in order.</summary>
    protected abstract IReadOnlyList<nn.Module<Tensor, Tensor>> Stages { get; }

    /// <summary>Blocks of each stage.</summary>
    protected abstract IReadOnlyList<int> Depths { get; }

    /// <summary>Channels of each stage.</summary>
    protected abstract IReadOnlyList<int> Channels { get; }

    /// <summary>Input pixels per feature after the first stage; it doubles with each further one.</summary>
    protected virtual int FirstStride => 4;

    /// <summary>What comes between the last stage and the head.</summary>
    protected virtual Tensor AfterStages(Tensor x) => x.alias();

    /// <summary>Whether stages give (B, H, W, C) rather than (B, C, H, W).</summary>
    protected virtual bool ChannelsLast => false;

    /// <summary>The state dict's name of a stage.</summary>
    protected virtual string StageName(int stage) => $"stages.{stage}";

    public override int num_features => Channels[^1];

    public override IReadOnlyList<FeatureInfo> feature_info =>
        [.. Channels.Select((channels, i) => new FeatureInfo(StageName(i), channels, FirstStride << i))];

    public override Tensor forward_features(Tensor x)
    {
        using var scope = NewDisposeScope();
        x = Stem(x);
        foreach (var stage in Stages)
            x = Next(stage, x);
        return scope.MoveToOuter(AfterStages(x));
    }

    // Frees each stage's input as soon as the next is there.
    private static Tensor Next(nn.Module<Tensor, Tensor> stage, Tensor x)
    {
        using (x)
            return stage.call(x);
    }

    public override Tensor[] forward_intermediates(Tensor x, IReadOnlyList<int>? indices = null)
    {
        using var scope = NewDisposeScope();
        var wanted = indices ?? [.. Enumerable.Range(0, Stages.Count)];
        var features = new Tensor[wanted.Count];
        x = Stem(x);
        for (int i = 0; i <= wanted.Max(); i++)
        {
            x = Stages[i].call(x);
            for (int j = 0; j < wanted.Count; j++)
                if (wanted[j] == i)
                    features[j] = scope.MoveToOuter(ChannelsLast ? x.permute(0, 3, 1, 2).contiguous() : x.alias());
        }
        return features;
    }

    public override int num_layers => Depths.Sum() + 2;

    public override int layer_of(string parameter)
    {
        for (int stage = 0; stage < Depths.Count; stage++)
        {
            if (!parameter.StartsWith(StageName(stage) + ".", StringComparison.Ordinal))
                continue;
            // What a stage has beside its blocks, such as the step down, goes with its first block, its last norm with the last.
            var block = Regex.Match(parameter[StageName(stage).Length..], @"^\.(?:blocks\.)?(\d+)\.");
            int inside = block.Success ? int.Parse(block.Groups[1].Value)
                : parameter.StartsWith($"{StageName(stage)}.norm.", StringComparison.Ordinal) ? Depths[stage] - 1 : 0;
            return 1 + Depths.Take(stage).Sum() + inside;
        }
        return Regex.IsMatch(parameter, @"^(norm|head|fc|classifier)\w*\.") ? num_layers - 1 : 0;
    }
}
