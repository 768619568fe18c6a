using Attention.Torch.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>
/// Until it is disposed, operators on this thread that gain by it compute in a lower precision, and those that need it
/// in fp32, whatever their inputs are. Regions nest; the inner one counts.
/// </summary>
/// <example><c>using (new Autocast(DeviceType.CPU, ScalarType.BFloat16)) loss = criterion(model.forward(x), y);</c></example>
public sealed class Autocast : IDisposable
{
    private readonly State before;
    private bool disposed;

    /// <param name="device">The device whose operators are cast: CPU or CUDA.</param>
    /// <param name="dtype">The lower precision: BFloat16, on CUDA also Float16.</param>
    /// <param name="enabled">False switches casting off inside an outer region.</param>
    /// <param name="cache">Keeps the cast copy of a weight until the outermost region ends.</param>
    /// <exception cref="UserError">The device cannot compute in this type.</exception>
    public Autocast(DeviceType device, ScalarType dtype, bool enabled = true, bool cache = true)
        : this(new State(device, enabled, Supported(device, dtype, enabled), cache))
    {
    }

    private Autocast(State state)
    {
        before = State.Current(state.Device);
        state.Set();
        NativeMethods.att_autocast_enter();
    }

    /// <summary>Whether operators on this device are being cast.</summary>
    public static bool IsEnabled(DeviceType device) => NativeMethods.att_autocast_enabled((int)device) != 0;

    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        NativeMethods.att_autocast_leave();
        before.Set();
    }

    /// <summary>What the thread does now: gives a function that opens a region which does the same, with or without the cache.</summary>
    internal static Func<bool, IDisposable> Capture()
    {
        var (cpu, gpu) = (State.Current(DeviceType.CPU), State.Current(DeviceType.CUDA));
        return cache => new Pair(new Autocast(cpu with { Cache = cache && cpu.Cache }), new Autocast(gpu with { Cache = cache && gpu.Cache }));
    }

    private static ScalarType Supported(DeviceType device, ScalarType dtype, bool enabled)
    {
        if (!enabled || dtype == ScalarType.BFloat16 || (dtype == ScalarType.Float16 && device == DeviceType.CUDA))
            return dtype;
        throw new UserError($"autocast on {device} to {dtype} is not supported", $"use BFloat16{(device == DeviceType.CUDA ? " or Float16" : "")}");
    }

    private sealed class Pair(IDisposable first, IDisposable second) : IDisposable
    {
        public void Dispose()
        {
            second.Dispose();
            first.Dispose();
        }
    }

    private readonly record struct State(DeviceType Device, bool Enabled, ScalarType Dtype, bool Cache)
    {
        public static State Current(DeviceType device) =>
            new(device, IsEnabled(device), (ScalarType)NativeMethods.att_autocast_dtype((int)device), NativeMethods.att_autocast_cache_enabled() != 0);

        public void Set()
        {
            NativeMethods.att_set_autocast((int)Device, Enabled ? 1 : 0, (int)Dtype);
            NativeMethods.att_set_autocast_cache_enabled(Cache ? 1 : 0);
        }
    }
}
