using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Attention.Torch;

/// <summary>
/// A thread that runs all tensor computation given to it, one piece after another. OpenMP keeps a pool of threads for
/// every thread that computes: work that hops between .NET's threads multiplies the pools, and they starve each other.
/// </summary>
public sealed class ComputeThread : IDisposable
{
    // Graphs are freed recursively, and checkpointed blocks run backward inside backward.
    private const int StackBytes = 64 << 20;

    private static readonly Lazy<ComputeThread> shared = new(() => new ComputeThread());

    private readonly BlockingCollection<Action> queue = [];
    private readonly Thread thread;

    public ComputeThread(string name = "compute")
    {
        thread = new Thread(Work, StackBytes) { Name = name, IsBackground = true };
        thread.Start();
    }

    /// <summary>The process's one.</summary>
    public static ComputeThread Shared => shared.Value;

    /// <summary>Whether the caller is on this thread.</summary>
    public bool IsCurrent => Thread.CurrentThread == thread;

    /// <summary>Computes on the thread and waits for the result; on the thread itself, at once. Exceptions come out as they were thrown.</summary>
    public T Run<T>(Func<T> body)
    {
        if (IsCurrent)
            return body();
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        using var done = new ManualResetEventSlim();
        queue.Add(() =>
        {
            try
            {
                result = body();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
            finally
            {
                done.Set();
            }
        });
        done.Wait();
        failure?.Throw();
        return result;
    }

    /// <inheritdoc cref="Run{T}"/>
    public void Run(Action body) => Run(() =>
    {
        body();
        return true;
    });

    /// <summary>Ends the thread after what it was given.</summary>
    public void Dispose()
    {
        queue.CompleteAdding();
        if (!IsCurrent)
            thread.Join();
    }

    private void Work()
    {
        foreach (var work in queue.GetConsumingEnumerable())
            work();
    }
}
