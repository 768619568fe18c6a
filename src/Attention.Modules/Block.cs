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
    /// <summary>Runs <see cref="Forward"/> in a dispose scope of its own and moves its result out.</summary>
    public sealed override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Forward(input));
    }

    /// <summary>What the block computes.</summary>
    protected abstract Tensor Forward(Tensor x);
}
