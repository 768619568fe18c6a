using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// A part of a model that maps a tensor to a tensor. Whatever its <see cref="Forward"/> makes on the way is freed when it
/// returns (or when backward has used it): a model holds one block's intermediates at a time, and its author writes no
/// dispose code.
/// </summary>
public abstract class Block(string name) : nn.Module<Tensor, Tensor>(name)
{
    private bool checkpointed;

    /// <summary>Runs <see cref="Forward"/> in a dispose scope of its own and moves its result out.</summary>
    public sealed override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(checkpointed && training ? ActivationCheckpoint.Run(Forward, input) : Forward(input));
    }

    /// <summary>
    /// Lets the numbered blocks of a model (<c>blocks.3</c>, <c>stages.1.blocks.0</c>) forget their intermediates in training and
    /// compute them again in backward (see <see cref="ActivationCheckpoint"/>). Of nested ones, the innermost.
    /// </summary>
    /// <returns>How many blocks.</returns>
    public static int Checkpoint(nn.Module model)
    {
        var numbered = model.named_modules().Where(each => each.module is Block && int.TryParse(each.name.Split('.')[^1], out _)).ToArray();
        var innermost = numbered.Where(each => !numbered.Any(other => other.name.StartsWith($"{each.name}.", StringComparison.Ordinal))).ToArray();
        foreach (var (_, module) in innermost)
            ((Block)module).checkpointed = true;
        return innermost.Length;
    }

    /// <summary>What the block computes.</summary>
    protected abstract Tensor Forward(Tensor x);
}

/// <summary>A part of a model that maps several tensors to several, as <see cref="Block"/> does with one.</summary>
public abstract class MultiBlock(string name) : nn.Module<Tensor[], Tensor[]>(name)
{
    /// <summary>Runs <see cref="Forward"/> in a dispose scope of its own and moves its results out.</summary>
    public sealed override Tensor[] forward(Tensor[] input)
    {
        using var scope = NewDisposeScope();
        var result = Forward(input);
        foreach (var tensor in result)
            scope.MoveToOuter(tensor);
        return result;
    }

    /// <summary>What the block computes.</summary>
    protected abstract Tensor[] Forward(Tensor[] x);
}
