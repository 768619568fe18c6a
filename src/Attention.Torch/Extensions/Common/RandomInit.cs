namespace Attention.Torch;

/// <summary>Random first values, left out where a model's weights are about to be replaced.</summary>
public static partial class RandomInit
{
    /// <summary>
    /// Until the result is disposed, the random fills of <c>nn.init</c> on this thread leave tensors as they are: whatever a
    /// model's weights are then, they have to be overwritten. Where the official package is used, nothing is left out.
    /// </summary>
    public static IDisposable Skip() => new Skipping();

    private static partial void Count(int change);

    private sealed class Skipping : IDisposable
    {
        private bool ended;

        public Skipping() => Count(1);

        public void Dispose()
        {
            if (!ended)
                Count(-1);
            ended = true;
        }
    }
}
