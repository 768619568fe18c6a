namespace Attention.Torch;

public static partial class RandomInit
{
    [ThreadStatic]
    private static int depth;

    internal static bool IsSkipped => depth > 0;

    private static partial void Count(int change) => depth += change;
}
