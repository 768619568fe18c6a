using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>
/// Gives every proposal the object that it overlaps most: an object's index, <see cref="Background"/> or <see cref="Between"/>. Ren et
/// al., Faster R-CNN, 2015 (arXiv:1506.01497), with the details of torchvision.
/// </summary>
/// <param name="high">The least overlap with an object.</param>
/// <param name="low">Below this it is background.</param>
/// <param name="keepBest">Whether the proposals that overlap an object most get back their own best match, however low.</param>
public sealed class BoxMatcher(double high, double low, bool keepBest)
{
    public const long Background = -1;

    /// <summary>Neither one nor the other: it does not train.</summary>
    public const long Between = -2;

    /// <summary>The matches (N) of N proposals.</summary>
    /// <param name="overlaps">(objects, N), at least one object.</param>
    public Tensor Match(Tensor overlaps)
    {
        using var scope = NewDisposeScope();
        // The limits are rounded to the overlaps' precision, as a comparison of a tensor with a number does.
        var (best, own) = overlaps.max(0);
        var matches = own.masked_fill(best.lt(low), Background).masked_fill(best.ge(low).logical_and(best.lt(high)), Between);
        if (keepBest)
        {
            var most = overlaps.max(1, keepdim: true).values;
            matches = where(overlaps.eq(most).any(0), own, matches);
        }
        return scope.MoveToOuter(matches);
    }
}
