using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Core;

/// <summary>Dispose scopes and their statistics.</summary>
public sealed class ScopeTests : IDisposable
{
    private static LifetimeStatistics Statistics => DisposeScopeManager.Statistics.TensorStatistics;

    public ScopeTests() => DisposeScopeManager.Statistics.Reset();

    public void Dispose() => DisposeScopeManager.Statistics.Reset();

    [Fact]
    public void AScopeDisposesWhatIsMadeInIt()
    {
        Tensor inside;
        using var outside = ones(1);
        using (var scope = NewDisposeScope())
        {
            inside = ones(2);
            _ = inside + inside;
            Assert.Equal(2, scope.DisposablesCount);
            Assert.True(scope.Contains(inside));
            Assert.False(scope.Contains(outside));
            Assert.Same(scope, CurrentDisposeScope);
        }
        Assert.True(inside.IsInvalid);
        Assert.False(outside.IsInvalid);
        Assert.Null(CurrentDisposeScope);
    }

    [Fact]
    public void TensorsMove()
    {
        Tensor kept, detached, moved;
        using (var outer = NewDisposeScope())
        {
            using (var inner = NewDisposeScope())
            {
                kept = ones(1).MoveToOuterDisposeScope();
                detached = ones(1).DetachFromDisposeScope();
                moved = inner.MoveToOther(outer, ones(1));
                Assert.Equal(0, inner.DisposablesCount);
            }
            Assert.Equal(2, outer.DisposablesCount);
            Assert.False(kept.IsInvalid);
        }
        Assert.True(kept.IsInvalid);
        Assert.True(moved.IsInvalid);
        Assert.False(detached.IsInvalid);

        using (var scope = NewDisposeScope())
        {
            scope.Attach(detached);
            Assert.True(scope.Contains(detached));
        }
        Assert.True(detached.IsInvalid);
    }

    [Fact]
    public void EverythingBut()
    {
        using var scope = NewDisposeScope();
        Tensor a = ones(1), b = ones(1), c = ones(1);
        scope.DisposeEverythingBut(b);
        Assert.True(a.IsInvalid && c.IsInvalid);
        Assert.False(b.IsInvalid);
        Assert.Equal([b], scope.DisposablesView);
        var d = ones(1);
        b.Dispose();
        Assert.Equal([d], scope.DisposablesView);
        scope.DisposeEverything();
        Assert.Equal(0, scope.DisposablesCount);
        Assert.True(d.IsInvalid);
    }

    [Fact]
    public void MovingOutOfTheOutermostScopeDetaches()
    {
        Tensor result;
        using (NewDisposeScope())
            result = ones(1).MoveToOuterDisposeScope();
        Assert.False(result.IsInvalid);
        Assert.Equal(1, Statistics.DetachedFromScopeCount);
        result.Dispose();
    }

    [Fact]
    public void ExpressionsInAScope()
    {
        using var scope = NewDisposeScope();
        var sum = WrappedTensorDisposeScope(() => ones(2) + ones(2));
        Assert.Equal(1, scope.DisposablesCount);
        Assert.Equal(4, sum.sum().ToSingle());
    }

    [Fact]
    public void Counts()
    {
        using (var outside = ones(1))
        using (var scope = NewDisposeScope())
        {
            _ = ones(1);
            ones(1).Dispose();
            ones(1).DetachFromDisposeScope().Dispose();
            scope.Attach(outside);
        }
        Assert.Equal(
            "ThreadTotalLiveCount: 0; CreatedOutsideScopeCount: 1; DisposedOutsideScopeCount: 1; CreatedInScopeCount: 3; "
            + "DisposedInScopeCount: 3; AttachedToScopeCount: 1; DetachedFromScopeCount: 1", Statistics.ToString());
    }

    [Fact]
    public void EachThreadHasItsOwn()
    {
        using var scope = NewDisposeScope();
        Tensor? made = null;
        DisposeScope? seen = scope;
        var thread = new Thread(() => (seen, made) = (CurrentDisposeScope, ones(1)));
        thread.Start();
        thread.Join();
        Assert.Null(seen);
        Assert.False(scope.Contains(made!));
        Assert.Equal(0, Statistics.CreatedOutsideScopeCount);
        made!.Dispose();
    }

    [Fact]
    public void AScopeLeftOpenEndsWithTheOneAroundIt()
    {
        Tensor inside;
        using (NewDisposeScope())
        {
            NewDisposeScope();
            inside = ones(1);
        }
        Assert.True(inside.IsInvalid);
        Assert.Null(CurrentDisposeScope);
    }

    [Fact]
    public void ALongScopeStaysSmall()
    {
        using var scope = NewDisposeScope();
        long before = Tensor.TotalCount;
        var last = ones(1);
        for (int i = 0; i < 10_000; i++)
        {
            var next = last + 1;
            last.Dispose();
            last = next;
        }
        Assert.Equal(before + 1, Tensor.TotalCount);
        Assert.Equal(1, scope.DisposablesCount);
        Assert.Equal(10_001, last.ToSingle());
    }
}
