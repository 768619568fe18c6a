using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>
/// Chooses at random which anchors or proposals train: a set number, of which a set share at most are objects. The choice is that of
/// torchvision for the same state of torch's generator.
/// </summary>
/// <param name="size">How many of an image.</param>
/// <param name="share">The largest share of objects.</param>
public sealed class BalancedSampler(int size, double share)
{
    /// <summary>The indices, in order, of the objects and of the background that train.</summary>
    /// <param name="labels">(N): 1 and above for objects, 0 for background, -1 for what never trains.</param>
    public (Tensor Objects, Tensor Background) Choose(Tensor labels)
    {
        using var scope = NewDisposeScope();
        var objects = labels.ge(1).nonzero().squeeze(1);
        var background = labels.eq(0).nonzero().squeeze(1);
        long most = Math.Min(objects.shape[0], (int)(size * share));
        var chosen = Some(objects, most);
        return (scope.MoveToOuter(chosen), scope.MoveToOuter(Some(background, Math.Min(background.shape[0], size - most))));
    }

    // Numbers are drawn even where all are taken, as torchvision does.
    private static Tensor Some(Tensor indices, long count) =>
        indices.index_select(0, randperm(indices.shape[0], device: indices.device).narrow(0, 0, count)).sort().Values;
}
