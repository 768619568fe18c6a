using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>
/// Takes the losses that parts of a model add beside their results, such as the balance of a router, while it is open on this
/// thread:
/// <code>
/// using var losses = AuxiliaryLosses.Collect();
/// var loss = Task(model.call(x)) + losses.Total();
/// </code>
/// The collector keeps what it takes alive whatever dispose scopes end, and frees it at its own end. Where a part runs under
/// <see cref="ActivationCheckpoint"/>, its losses count once and their gradients arrive all the same.
/// </summary>
public sealed class AuxiliaryLosses : IDisposable
{
    [ThreadStatic]
    private static AuxiliaryLosses? open;

    private readonly AuxiliaryLosses? outer;
    private readonly List<AuxiliaryLoss> losses = [];

    private AuxiliaryLosses()
    {
        outer = open;
        open = this;
    }

    /// <summary>Takes all losses of this thread until it is disposed; an outer collector takes none meanwhile.</summary>
    public static AuxiliaryLosses Collect() => new();

    /// <summary>Whether anyone collects: a part need not compute its loss otherwise.</summary>
    public static bool Wanted => open is not null;

    /// <summary>Gives a loss to whoever collects; to nobody where no one does.</summary>
    /// <param name="name">What it is logged as. Losses of one name, as of the layers of a model, count by their mean.</param>
    /// <param name="loss">A scalar.</param>
    /// <param name="weight">Its weight in the total.</param>
    public static void Add(string name, Tensor loss, double weight = 1) =>
        open?.losses.Add(new AuxiliaryLoss(name, weight, loss.alias().DetachFromDisposeScope()));

    /// <summary>The mean of each name's losses, without their weights; for logs.</summary>
    public IReadOnlyDictionary<string, double> Means()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return losses.GroupBy(each => each.Name).ToDictionary(group => group.Key,
            group => stack(group.Select(each => each.Loss.to(ScalarType.Float32)).ToArray()).mean().item<float>() * 1.0);
    }

    /// <summary>The sum over names of the mean of their weighted losses, a scalar with a graph behind it; 0 where there are none.</summary>
    public Tensor Total()
    {
        using var scope = NewDisposeScope();
        var total = zeros([]);
        foreach (var group in losses.GroupBy(each => each.Name))
            total = total + stack(group.Select(each => each.Loss * each.Weight).ToArray()).mean();
        return scope.MoveToOuter(total);
    }

    /// <summary>Gives up what was taken so far, to the current dispose scope.</summary>
    internal IReadOnlyList<AuxiliaryLoss> Release()
    {
        AuxiliaryLoss[] released = [.. losses.Select(each => each with { Loss = each.Loss.alias() })];
        Clear();
        return released;
    }

    private void Clear()
    {
        foreach (var each in losses)
            each.Loss.Dispose();
        losses.Clear();
    }

    public void Dispose()
    {
        Clear();
        open = outer;
    }
}

/// <summary>A loss beside the task's.</summary>
internal sealed record AuxiliaryLoss(string Name, double Weight, Tensor Loss);
