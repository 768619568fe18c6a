using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>The official package has no autocast: enabling it is an error, a region that is not enabled does nothing.</summary>
public sealed class Autocast : IDisposable
{
    /// <exception cref="UserError">It is enabled.</exception>
    public Autocast(DeviceType device, ScalarType dtype, bool enabled = true, bool cache = true)
    {
        if (enabled)
            throw new UserError($"autocast on {device} to {dtype} needs the system flavour: TorchSharp's package has no autocast",
                "train in float32, or build with -p:Torch=system (scripts/setup.sh --flavour system)");
    }

    /// <summary>Whether operators on this device are being cast: never.</summary>
    public static bool IsEnabled(DeviceType device) => false;

    public void Dispose()
    {
    }

    internal static Func<bool, IDisposable> Capture() => _ => new Autocast(DeviceType.CPU, ScalarType.BFloat16, enabled: false);
}
