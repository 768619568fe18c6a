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
    public static void InitializeDeviceType(DeviceType deviceType)
    {
        if (deviceType == DeviceType.CUDA && !cuda.is_available())
            throw new InvalidOperationException("this libtorch has no CUDA device");
    }

    /// <summary>The device itself, or the CPU for null, once it is known to be usable.</summary>
    public static Device InitializeDevice(Device? device)
    {
        device ??= get_default_device();
        InitializeDeviceType(device.type);
        return device;
    }
}
