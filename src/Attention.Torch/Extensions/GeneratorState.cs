using static TorchSharp.torch;

namespace Attention.Torch;

public static partial class GeneratorState
{
    private static IEnumerable<(string Device, Generator Generator)> Generators()
    {
        yield return ("cpu", Generator.Default);
        for (int i = 0; i < cuda.device_count(); i++)
            yield return ($"cuda:{i}", Generator.OfDevice(new Device(TorchSharp.DeviceType.CUDA, i)));
    }
}
