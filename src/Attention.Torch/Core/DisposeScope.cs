using System.Runtime.CompilerServices;

namespace TorchSharp;

/// <summary>
/// Owns every tensor that its thread makes until it is disposed, but for those that are moved or detached. Scopes nest.
/// </summary>
public sealed class DisposeScope : IDisposable
{
    private readonly DisposeScopeManager manager;
    private readonly List<IDisposable?> items = [];
    private int count;
    private bool emptying;
    private bool disposed;

    internal DisposeScope(DisposeScopeManager manager)
    {
        this.manager = manager;
        OuterScope = manager.Current;
        manager.Current = this;
    }

    internal DisposeScope? OuterScope { get; }
    internal ThreadDisposeScopeStatistics Statistics => manager.Counts;

    /// <summary>What the scope owns now, as a copy.</summary>
    public IReadOnlyList<IDisposable> DisposablesView
    {
        get
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            return items.OfType<IDisposable>().ToArray();
        }
    }

    public int DisposablesCount
    {
        get
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            return count;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Add(torch.Tensor tensor)
    {
        tensor.scope = this;
        tensor.scopeIndex = items.Count;
        items.Add(tensor);
        count++;
    }

    private void AddAny(IDisposable item)
    {
        if (item is torch.Tensor tensor)
        {
            Add(tensor);
            return;
        }
        items.Add(item);
        count++;
    }

    private bool RemoveAny(IDisposable item)
    {
        if (item is torch.Tensor tensor)
        {
            if (tensor.scope != this)
                return false;
            Remove(tensor);
            return true;
        }
        int index = items.FindIndex(other => ReferenceEquals(other, item));
        if (index < 0)
            return false;
        items[index] = null;
        count--;
        return true;
    }

    // The slot of a tensor is emptied, not closed: the others keep their places.
    internal void Remove(torch.Tensor tensor)
    {
        tensor.scope = null;
        if (emptying)
            return;
        int index = tensor.scopeIndex;
        if (index == items.Count - 1)
            items.RemoveAt(index);
        else
            items[index] = null;
        count--;
        if (items.Count > 64 && count < items.Count / 4)
            Compact();
    }

    private void Compact()
    {
        int next = 0;
        for (int i = 0; i < items.Count; i++)
        {
            if (items[i] is not { } item)
                continue;
            if (item is torch.Tensor tensor)
                tensor.scopeIndex = next;
            items[next++] = item;
        }
        items.RemoveRange(next, items.Count - next);
    }

    /// <summary>Hands the item to the outer scope, or to nobody where there is none.</summary>
    public T MoveToOuter<T>(T disposable) where T : IDisposable => MoveToOther(OuterScope, disposable);

    public (T1 first, T2 second) MoveToOuter<T1, T2>(T1 first, T2 second) where T1 : IDisposable where T2 : IDisposable =>
        (MoveToOuter(first), MoveToOuter(second));

    public (T1 first, T2 second, T3 third) MoveToOuter<T1, T2, T3>(T1 first, T2 second, T3 third)
        where T1 : IDisposable where T2 : IDisposable where T3 : IDisposable =>
        (MoveToOuter(first), MoveToOuter(second), MoveToOuter(third));

    public void MoveToOuter(params IDisposable[] disposables) => MoveToOther(OuterScope, (IEnumerable<IDisposable>)disposables);
    public void MoveToOuter(IEnumerable<IDisposable> disposables) => MoveToOther(OuterScope, disposables);

    public T MoveToOther<T>(DisposeScope? scope, T disposable) where T : IDisposable
    {
        if (!RemoveAny(disposable))
            return disposable;
        if (scope is not null)
            scope.AddAny(disposable);
        else
            manager.Count(disposable, s => s.DetachedFromScopeCount++);
        return disposable;
    }

    public (T1 first, T2 second) MoveToOther<T1, T2>(DisposeScope? scope, T1 first, T2 second)
        where T1 : IDisposable where T2 : IDisposable =>
        (MoveToOther(scope, first), MoveToOther(scope, second));

    public (T1 first, T2 second, T3 third) MoveToOther<T1, T2, T3>(DisposeScope? scope, T1 first, T2 second, T3 third)
        where T1 : IDisposable where T2 : IDisposable where T3 : IDisposable =>
        (MoveToOther(scope, first), MoveToOther(scope, second), MoveToOther(scope, third));

    public void MoveToOther(DisposeScope? scope, params IDisposable[] disposables) =>
        MoveToOther(scope, (IEnumerable<IDisposable>)disposables);

    public void MoveToOther(DisposeScope? scope, IEnumerable<IDisposable> disposables)
    {
        foreach (var disposable in disposables)
            MoveToOther<IDisposable>(scope, disposable);
    }

    /// <summary>Takes the item out of all scopes: from now on its holder disposes it.</summary>
    public T Detach<T>(T disposable) where T : IDisposable => MoveToOther(null, disposable);

    public (T1 first, T2 second) Detach<T1, T2>(T1 first, T2 second) where T1 : IDisposable where T2 : IDisposable =>
        (Detach(first), Detach(second));

    public (T1 first, T2 second, T3 third) Detach<T1, T2, T3>(T1 first, T2 second, T3 third)
        where T1 : IDisposable where T2 : IDisposable where T3 : IDisposable =>
        (Detach(first), Detach(second), Detach(third));

    public void Detach(params IDisposable[] disposables) => Detach((IEnumerable<IDisposable>)disposables);
    public void Detach(IEnumerable<IDisposable> disposables) => MoveToOther(null, disposables);

    /// <summary>Takes the item into this scope, from whatever scope it is in.</summary>
    public void Attach(IDisposable disposable)
    {
        if (disposable is torch.Tensor { scope: { } other } tensor)
        {
            if (other == this)
                return;
            other.Remove(tensor);
        }
        AddAny(disposable);
        manager.Count(disposable, s => s.AttachedToScopeCount++);
    }

    public void Attach(params IDisposable[] disposables) => Attach((IEnumerable<IDisposable>)disposables);

    public IReadOnlyList<IDisposable> Attach(IEnumerable<IDisposable> disposables)
    {
        var list = disposables.ToArray();
        foreach (var disposable in list)
            Attach(disposable);
        return list;
    }

    /// <summary>Disposes all that the scope owns and stays open.</summary>
    public void DisposeEverything() => DisposeEverythingBut(Array.Empty<IDisposable>());

    public void DisposeEverythingBut(params IDisposable[] keep) => DisposeEverythingBut((IEnumerable<IDisposable>)keep);

    public void DisposeEverythingBut(IEnumerable<IDisposable> inKeep)
    {
        var keep = new HashSet<IDisposable>(inKeep, ReferenceEqualityComparer.Instance);
        var owned = items.ToArray();
        items.Clear();
        count = 0;
        foreach (var item in owned)
            if (item is not null && keep.Contains(item))
                AddAny(item);
        emptying = true;
        foreach (var item in owned)
            if (item is not null && !keep.Contains(item))
                item.Dispose();
        emptying = false;
    }

    public T DisposeEverythingBut<T>(T keep) where T : IDisposable
    {
        DisposeEverythingBut([keep]);
        return keep;
    }

    public (T1 first, T2 second) DisposeEverythingBut<T1, T2>(T1 first, T2 second) where T1 : IDisposable where T2 : IDisposable
    {
        DisposeEverythingBut([first, second]);
        return (first, second);
    }

    public (T1 first, T2 second, T3 third) DisposeEverythingBut<T1, T2, T3>(T1 first, T2 second, T3 third)
        where T1 : IDisposable where T2 : IDisposable where T3 : IDisposable
    {
        DisposeEverythingBut([first, second, third]);
        return (first, second, third);
    }

    public bool Contains(IDisposable disposable) =>
        disposable is torch.Tensor tensor ? tensor.scope == this : items.Any(item => ReferenceEquals(item, disposable));

    /// <summary>For an item that was disposed elsewhere: the scope forgets it.</summary>
    public void MarkAsDisposed(IDisposable disposable) => RemoveAny(disposable);

    public void Dispose()
    {
        if (disposed)
            return;
        // The common end of a scope, without the bookkeeping of DisposeEverythingBut; the last made goes first.
        emptying = true;
        for (int i = items.Count - 1; i >= 0; i--)
            items[i]?.Dispose();
        items.Clear();
        count = 0;
        disposed = true;
        manager.Close(this);
    }
}

/// <summary>The scopes of one thread.</summary>
public class DisposeScopeManager
{
    [ThreadStatic]
    private static DisposeScopeManager? ofThread;

    internal static DisposeScopeManager OfThread => ofThread ??= new DisposeScopeManager();

    internal DisposeScope? Current { get; set; }

    internal ThreadDisposeScopeStatistics Counts { get; } = new();

    /// <summary>What this thread's tensors and scopes have been doing.</summary>
    public static ThreadDisposeScopeStatistics Statistics => OfThread.Counts;

    internal void Created(torch.Tensor tensor)
    {
        if (Current is { } scope)
        {
            scope.Add(tensor);
            Counts.TensorStatistics.CreatedInScopeCount++;
        }
        else
            Counts.TensorStatistics.CreatedOutsideScopeCount++;
    }

    internal void Count(IDisposable item, Action<LifetimeStatistics> change) =>
        change(item is torch.Tensor ? Counts.TensorStatistics : Counts.PackedSequenceStatistics);

    internal void Close(DisposeScope scope)
    {
        // A scope that was left open inside this one ends with it.
        for (var open = Current; open is not null; open = open.OuterScope)
        {
            if (open != scope)
                continue;
            while (Current != scope)
            {
                var inner = Current!;
                Current = inner.OuterScope;
                inner.DisposeEverything();
            }
            Current = scope.OuterScope;
            return;
        }
    }
}

/// <summary>How many objects of one kind were made and disposed, in scopes and outside.</summary>
public class LifetimeStatistics
{
    public long CreatedOutsideScopeCount { get; internal set; }
    public long DisposedOutsideScopeCount { get; internal set; }
    public long CreatedInScopeCount { get; internal set; }
    public long DisposedInScopeCount { get; internal set; }
    public long AttachedToScopeCount { get; internal set; }
    public long DetachedFromScopeCount { get; internal set; }

    public long ThreadTotalLiveCount =>
        CreatedOutsideScopeCount + CreatedInScopeCount - DisposedOutsideScopeCount - DisposedInScopeCount;

    public void Reset() =>
        CreatedOutsideScopeCount = DisposedOutsideScopeCount = CreatedInScopeCount = DisposedInScopeCount =
            AttachedToScopeCount = DetachedFromScopeCount = 0;

    public override string ToString() => Text(ThreadTotalLiveCount, CreatedOutsideScopeCount, DisposedOutsideScopeCount,
        CreatedInScopeCount, DisposedInScopeCount, AttachedToScopeCount, DetachedFromScopeCount);

    internal static string Text(long live, long createdOutside, long disposedOutside, long createdIn, long disposedIn, long attached, long detached) =>
        $"ThreadTotalLiveCount: {live}; CreatedOutsideScopeCount: {createdOutside}; DisposedOutsideScopeCount: {disposedOutside}; "
        + $"CreatedInScopeCount: {createdIn}; DisposedInScopeCount: {disposedIn}; "
        + $"AttachedToScopeCount: {attached}; DetachedFromScopeCount: {detached}";
}

/// <summary>The statistics of a thread: tensors and packed sequences.</summary>
public class ThreadDisposeScopeStatistics
{
    public LifetimeStatistics TensorStatistics { get; } = new();
    public LifetimeStatistics PackedSequenceStatistics { get; } = new();

    public long CreatedOutsideScopeCount => TensorStatistics.CreatedOutsideScopeCount + PackedSequenceStatistics.CreatedOutsideScopeCount;
    public long DisposedOutsideScopeCount => TensorStatistics.DisposedOutsideScopeCount + PackedSequenceStatistics.DisposedOutsideScopeCount;
    public long CreatedInScopeCount => TensorStatistics.CreatedInScopeCount + PackedSequenceStatistics.CreatedInScopeCount;
    public long DisposedInScopeCount => TensorStatistics.DisposedInScopeCount + PackedSequenceStatistics.DisposedInScopeCount;
    public long AttachedToScopeCount => TensorStatistics.AttachedToScopeCount + PackedSequenceStatistics.AttachedToScopeCount;
    public long DetachedFromScopeCount => TensorStatistics.DetachedFromScopeCount + PackedSequenceStatistics.DetachedFromScopeCount;
    public long ThreadTotalLiveCount => TensorStatistics.ThreadTotalLiveCount + PackedSequenceStatistics.ThreadTotalLiveCount;

    public void Reset()
    {
        TensorStatistics.Reset();
        PackedSequenceStatistics.Reset();
    }

    public override string ToString() => LifetimeStatistics.Text(ThreadTotalLiveCount, CreatedOutsideScopeCount, DisposedOutsideScopeCount,
        CreatedInScopeCount, DisposedInScopeCount, AttachedToScopeCount, DetachedFromScopeCount);
}

public static partial class torch
{
    /// <summary>Opens a scope that disposes every tensor made on this thread until it ends.</summary>
    public static DisposeScope NewDisposeScope() => new(DisposeScopeManager.OfThread);

    /// <summary>The innermost open scope of this thread.</summary>
    public static DisposeScope? CurrentDisposeScope => DisposeScopeManager.OfThread.Current;

    /// <summary>Evaluates an expression in a scope of its own and keeps only its result.</summary>
    public static Tensor WrappedTensorDisposeScope(Func<Tensor> expr)
    {
        using var scope = NewDisposeScope();
        return expr().MoveToOuterDisposeScope();
    }
}
