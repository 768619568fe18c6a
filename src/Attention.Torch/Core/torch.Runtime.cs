using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>Restores what it was given when it is disposed.</summary>
    private sealed class Restore(Action action) : IDisposable
    {
        private Action? action = action;

        public void Dispose()
        {
            action?.Invoke();
            action = null;
        }
    }

    // --- grad mode -------------------------------------------------------------------------------

    /// <summary>Until it is disposed, nothing on this thread is recorded for gradients.</summary>
    public static IDisposable no_grad() => set_grad_enabled(false);
    public static IDisposable enable_grad(bool enabled = true) => set_grad_enabled(enabled);

    public static IDisposable set_grad_enabled(bool mode = true)
    {
        int before = NativeMethods.att_grad_enabled();
        NativeMethods.att_set_grad_enabled(mode ? 1 : 0);
        return new Restore(() => NativeMethods.att_set_grad_enabled(before));
    }

    public static bool is_grad_enabled() => NativeMethods.att_grad_enabled() != 0;

    /// <summary>No gradients and no view or version counting: the fastest mode, whose tensors cannot be trained on later.</summary>
    public static IDisposable inference_mode(bool mode = true)
    {
        var guard = NativeMethods.att_inference_mode(mode ? 1 : 0);
        return new Restore(() => NativeMethods.att_inference_mode_end(guard));
    }

    public static bool is_inference_mode_enabled() => NativeMethods.att_inference_mode_enabled() != 0;

    // --- threads ---------------------------------------------------------------------------------

    public static int get_num_threads() => NativeMethods.att_get_num_threads();
    public static void set_num_threads(int num) => NativeMethods.Check(NativeMethods.att_set_num_threads(num), "set_num_threads");
    public static int get_num_interop_threads() => NativeMethods.att_get_num_interop_threads();
    public static void set_num_interop_threads(int num) => NativeMethods.Check(NativeMethods.att_set_num_interop_threads(num), "set_num_interop_threads");

    // --- random numbers --------------------------------------------------------------------------

    /// <summary>A source of random numbers with a state of its own.</summary>
    public class Generator : IDisposable
    {
        private nint handle;

        public Generator(ulong seed = 0, Device? device = null)
        {
            if (device is not null && device.type != DeviceType.CPU)
                throw new NotSupportedException($"a generator of its own on {device} is not supported: use Generator.Default");
            this.device = CPU;
            handle = NativeMethods.Check(NativeMethods.att_generator_create(seed), "Generator");
        }

        private Generator(nint handle, Device device)
        {
            this.handle = handle;
            this.device = device;
        }

        internal static Generator OfDevice(Device device) =>
            new(NativeMethods.Check(NativeMethods.att_generator_default((int)device.type, device.index), "Generator"), device);

        /// <summary>The generator that the CPU's operators use when they are given none.</summary>
        public static Generator Default => OfDevice(CPU);

        public IntPtr Handle => handle != 0 ? handle : throw new ObjectDisposedException(nameof(Generator));
        public Device device { get; }

        public Tensor get_state() => Tensor.FromHandle(NativeMethods.Check(NativeMethods.att_generator_get_state(Handle), "get_state"));
        public void set_state(Tensor value) => NativeMethods.Check(NativeMethods.att_generator_set_state(Handle, value.Handle), "set_state");

        public Generator manual_seed(long seed)
        {
            NativeMethods.Check(NativeMethods.att_generator_manual_seed(Handle, (ulong)seed), "manual_seed");
            return this;
        }

        /// <summary>Seeds from the system's entropy, and gives the seed.</summary>
        public long seed() => (long)NativeMethods.att_generator_seed(Handle);
        public long initial_seed() => (long)NativeMethods.att_generator_current_seed(Handle);

        ~Generator() => Dispose(false);

        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            var old = Interlocked.Exchange(ref handle, 0);
            if (old != 0)
                NativeMethods.att_generator_release(old);
        }
    }

    /// <summary>Seeds every device's default generator, and gives the CPU's.</summary>
    public static Generator manual_seed(long seed)
    {
        NativeMethods.Check(NativeMethods.att_manual_seed((ulong)seed), "manual_seed");
        return Generator.Default;
    }

    public static long seed() => random.seed();
    public static long initial_seed() => random.initial_seed();
    public static Tensor get_rng_state() => random.get_rng_state();
    public static void set_rng_state(Tensor new_state) => random.set_rng_state(new_state);

    public static class random
    {
        public static Generator manual_seed(long seed) => torch.manual_seed(seed);

        public static long seed()
        {
            using var generator = Generator.Default;
            return generator.seed();
        }

        public static long initial_seed()
        {
            using var generator = Generator.Default;
            return generator.initial_seed();
        }

        public static Tensor get_rng_state()
        {
            using var generator = Generator.Default;
            return generator.get_state();
        }

        public static void set_rng_state(Tensor new_state)
        {
            using var generator = Generator.Default;
            generator.set_state(new_state);
        }
    }

    // --- devices and switches --------------------------------------------------------------------

    public static bool cuda_is_available() => cuda.is_available();
    public static bool mps_is_available() => NativeMethods.att_device_count((int)DeviceType.MPS) > 0;

    /// <summary>The version of libtorch, such as "1.13.1".</summary>
    public static string __version__ => NativeMethods.TorchVersion;

    public static class cuda
    {
        public static bool is_available() => device_count() > 0;
        public static bool is_cudnn_available() => NativeMethods.att_has_cudnn() != 0;
        public static int device_count() => NativeMethods.att_device_count((int)DeviceType.CUDA);

        /// <summary>Waits for all work that was given to the device.</summary>
        public static void synchronize(Device? device = null) =>
            NativeMethods.Check(NativeMethods.att_device_synchronize((int)DeviceType.CUDA, device?.index ?? -1), "cuda.synchronize");

        public static void manual_seed(long seed)
        {
            using var generator = Generator.OfDevice(CUDA);
            generator.manual_seed(seed);
        }

        public static void manual_seed_all(long seed)
        {
            for (int i = 0; i < device_count(); i++)
            {
                using var generator = Generator.OfDevice(new Device(DeviceType.CUDA, i));
                generator.manual_seed(seed);
            }
        }
    }

    private static unsafe bool GetFlag(string name)
    {
        fixed (byte* n = Aten.Utf8(name))
            return NativeMethods.Check(NativeMethods.att_get_flag(n), name) != 0;
    }

    private static unsafe void SetFlag(string name, bool value)
    {
        fixed (byte* n = Aten.Utf8(name))
            NativeMethods.Check(NativeMethods.att_set_flag(n, value ? 1 : 0), name);
    }

    public static class backends
    {
        public static class cuda
        {
            public static class matmul
            {
                public static bool allow_tf32
                {
                    get => GetFlag("tf32_cublas");
                    set => SetFlag("tf32_cublas", value);
                }
            }
        }

        public static class cudnn
        {
            public static bool allow_tf32
            {
                get => GetFlag("tf32_cudnn");
                set => SetFlag("tf32_cudnn", value);
            }
        }
    }
}
