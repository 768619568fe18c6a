namespace TorchSharp;

public static partial class torch
{
    /// <summary>Where a tensor lives: "cpu", "cuda", "cuda:1".</summary>
    public class Device
    {
        public Device(DeviceType deviceType, int index = -1)
        {
            type = deviceType;
            this.index = index;
        }

        public Device(string deviceType, int index = -1) : this(Parse(deviceType).Type, index)
        {
        }

        public Device(string description)
        {
            (type, index) = Parse(description);
        }

        /// <summary>CUDA device number <paramref name="index"/>.</summary>
        public Device(int index) : this(DeviceType.CUDA, index)
        {
        }

        public DeviceType type { get; }

        /// <summary>The device's number, or -1 where the current one is meant.</summary>
        public int index { get; }

        public static implicit operator Device(string description) => new(description);

        public override string ToString() => index < 0 ? type.ToString().ToLowerInvariant() : $"{type.ToString().ToLowerInvariant()}:{index}";

        private static (DeviceType Type, int Index) Parse(string description)
        {
            var parts = description.Split(':');
            int index = -1;
            if (parts.Length > 2 || !Enum.TryParse<DeviceType>(parts[0], ignoreCase: true, out var type) || int.TryParse(parts[0], out _)
                || parts.Length == 2 && (!int.TryParse(parts[1], out index) || index < 0))
                throw new ArgumentException($"'{description}' is not a device: expected cpu, cuda or cuda:N");
            return (type, index);
        }
    }

    public static readonly Device CPU = new(DeviceType.CPU);
    public static readonly Device META = new(DeviceType.META);
    public static Device CUDA => new(DeviceType.CUDA);
    public static Device MPS => new(DeviceType.MPS);

    public static Device device(DeviceType deviceType, int index = -1) => new(deviceType, index);
    public static Device device(string deviceType, int index = -1) => new(deviceType, index);
    public static Device device(string description) => new(description);
    public static Device device(int index) => new(index);

    /// <summary>Checks that the device can be used.</summary>
    /// <exception cref="InvalidOperationException">It cannot.</exception>
    public static void InitializeDeviceType(DeviceType deviceType)
    {
        if (!TryInitializeDeviceType(deviceType))
            throw new InvalidOperationException($"this machine or this libtorch has no {deviceType} device");
    }

    public static bool TryInitializeDeviceType(DeviceType deviceType) => deviceType switch
    {
        DeviceType.CUDA => cudaAvailable.Value,
        DeviceType.MPS => mps_is_available(),
        _ => true,
    };

    private static readonly Lazy<bool> cudaAvailable = new(cuda.is_available);

    /// <summary>The device itself, or the default one for null, once it is known to be usable.</summary>
    public static Device InitializeDevice(Device? device) => On(device);

    private static Device On(Device? device)
    {
        device ??= defaultDevice;
        if (device.type is not (DeviceType.CPU or DeviceType.META))
            InitializeDeviceType(device.type);
        return device;
    }
}
