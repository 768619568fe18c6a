namespace Attention.Torch;

public static partial class RandomInit
{
    // The package fills its layers inside libtorch.
    private static partial void Count(int change)
    {
    }
}
