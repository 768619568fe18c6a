namespace Attention.Torch;

/// <summary>
/// Whether our own kernels compute what they can, which is the rule. Without them libtorch's operators do: the plain form, on which
/// they are tested.
/// </summary>
public static class Kernels
{
    [ThreadStatic]
    private static int off;

    public static bool AreOn => off == 0;

    /// <summary>Turns them off on this thread until the result is disposed of.</summary>
    public static IDisposable Off() => new Pause();

    private sealed class Pause : IDisposable
    {
        private bool isOver;

        public Pause() => off++;

        public void Dispose()
        {
            if (!isOver)
                off--;
            isOver = true;
        }
    }
}
