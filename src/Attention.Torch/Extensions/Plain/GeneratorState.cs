using static TorchSharp.torch;

namespace Attention.Torch;

public static partial class GeneratorState
{
    // The official package hands out the CPU's generator alone.
    private static IEnumerable<(string Device, Generator Generator)> Generators()
    {
        yield return ("cpu", Generator.Default);
    }
}
