using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models;

/// <summary>
/// A backbone that keeps one resolution: patches and prefix tokens (B, N, C) through a row of blocks. A family gives the
/// parts; this class makes the contract of <see cref="ImageModel"/> from them.
/// </summary>
public abstract class IsotropicModel(string name) : ImageModel(name)
{
    /// <summary>Images (B, in_chans, H, W) to tokens (B, prefix + patches, C) with their positions.</summary>
    protected abstract Tensor Embed(Tensor images);

    protected abstract IReadOnlyList<nn.Module<Tensor, Tensor>> Blocks { get; }

    /// <summary>The norm after the blocks; the identity where pooling comes first.</summary>
    protected abstract nn.Module<Tensor, Tensor> FinalNorm { get; }

    /// <summary>Side of a patch, in pixels.</summary>
    protected abstract int PatchSize { get; }

    /// <summary>Patches along a side of so many pixels.</summary>
    protected virtual long TokensAlong(long pixels) => pixels / PatchSize;

    /// <summary>Tokens before the patches: class, distillation, registers.</summary>
    protected abstract int PrefixTokens { get; }

    /// <summary>The same after a block, in families whose class token joins on the way.</summary>
    protected virtual int PrefixTokensAfter(int block) => PrefixTokens;

    /// <summary>What a block takes, from what came before it: the place for a token that joins there.</summary>
    protected virtual Tensor Enter(int block, Tensor x) => x;

    /// <summary>What comes between the blocks and the final norm.</summary>
    protected virtual Tensor AfterBlocks(Tensor x) => x;

    public override bool fixed_input_size => true;
    public override int num_layers => Blocks.Count + 2;

    public override IReadOnlyList<FeatureInfo> feature_info =>
        [.. Enumerable.Range(0, Blocks.Count).Select(i => new FeatureInfo($"blocks.{i}", num_features, PatchSize))];

    public override int layer_of(string parameter)
    {
        if (parameter.StartsWith("blocks.", StringComparison.Ordinal))
            return int.Parse(parameter.Split('.')[1]) + 1;
        string[] last = ["norm.", "fc_norm.", "attn_pool.", "head.", "head_dist."];
        return last.Any(prefix => parameter.StartsWith(prefix, StringComparison.Ordinal)) ? num_layers - 1 : 0;
    }

    /// <summary>Tokens (B, prefix + patches, C).</summary>
    public override Tensor forward_features(Tensor x)
    {
        using var scope = NewDisposeScope();
        x = Embed(x);
        for (int i = 0; i < Blocks.Count; i++)
            x = Next(i, x);
        return scope.MoveToOuter(FinalNorm.call(AfterBlocks(x)));
    }

    // Frees each block's input as soon as the next is there.
    private Tensor Next(int block, Tensor x)
    {
        using (x)
        using (var entered = Enter(block, x))
            return Blocks[block].call(entered);
    }

    public override Tensor[] forward_intermediates(Tensor x, IReadOnlyList<int>? indices = null)
    {
        using var scope = NewDisposeScope();
        var (height, width) = (TokensAlong(x.shape[2]), TokensAlong(x.shape[3]));
        var wanted = indices ?? [.. Enumerable.Range(0, Blocks.Count)];
        var features = new Tensor[wanted.Count];
        x = Embed(x);
        for (int i = 0; i <= wanted.Max(); i++)
        {
            x = Blocks[i].call(Enter(i, x));
            for (int j = 0; j < wanted.Count; j++)
                if (wanted[j] == i)
                    features[j] = scope.MoveToOuter(ToMap(x, PrefixTokensAfter(i), height, width));
        }
        return features;
    }

    /// <summary>A block's output as a feature map (B, C, H, W).</summary>
    protected virtual Tensor ToMap(Tensor tokens, int prefix, long height, long width) =>
        FinalNorm.call(tokens).slice(1, prefix, tokens.shape[1], 1).transpose(1, 2).reshape(tokens.shape[0], num_features, height, width);
}
