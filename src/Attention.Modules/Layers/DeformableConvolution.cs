using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// A convolution whose taps are moved by offsets that another convolution computes; taps between positions are interpolated,
/// those outside are 0. (B, C, H, W) to (B, C', H/stride, W/stride), the stride being the kernel's side. Parameter names as in
/// the DCN packages. Dai et al., Deformable Convolutional Networks, 2017 (arXiv:1703.06211).
/// </summary>
public sealed class DeformableConvolution : Block
{
    private readonly Parameter weight;
    private readonly Parameter bias;
    private readonly Conv2d conv_offset;
    private readonly int kernel;

    /// <param name="inputs">C.</param>
    /// <param name="outputs">C'.</param>
    /// <param name="kernel_size">Side of the kernel, and its step.</param>
    public DeformableConvolution(long inputs, long outputs, int kernel_size) : base(nameof(DeformableConvolution))
    {
        kernel = kernel_size;
        weight = new Parameter(empty(outputs, inputs, kernel, kernel));
        bias = new Parameter(zeros(outputs));
        conv_offset = nn.Conv2d(inputs, 2 * kernel * kernel, kernel_size: kernel, stride: kernel);
        RegisterComponents();
        using var _ = no_grad();
        double reach = 1 / Math.Sqrt(inputs * kernel * kernel);
        nn.init.uniform_(weight, -reach, reach);
        ResetOffsets();
    }

    /// <summary>Starts as an ordinary convolution.</summary>
    public void ResetOffsets()
    {
        using var _ = no_grad();
        nn.init.zeros_(conv_offset.weight);
        nn.init.zeros_(conv_offset.bias!);
    }

    protected override Tensor Forward(Tensor x)
    {
        // (B, k * k * 2, h, w), rows before columns, to the place of each tap, (B, h * k, w * k, 2).
        var offsets = conv_offset.call(x);
        var (batch, height, width) = (offsets.shape[0], offsets.shape[2], offsets.shape[3]);
        offsets = offsets.reshape(batch, kernel, kernel, 2, height, width).permute(0, 4, 1, 5, 2, 3).reshape(batch, height * kernel, width * kernel, 2);
        var rows = offsets.select(3, 0) + arange(height * kernel, x.dtype, x.device).view(-1, 1);
        var columns = offsets.select(3, 1) + arange(width * kernel, x.dtype, x.device);
        var places = stack([Spread(columns, x.shape[3]), Spread(rows, x.shape[2])], -1);
        // libtorch 1.13 samples no tensors without data.
        var sampled = x.device_type == DeviceType.META ? empty([batch, x.shape[1], height * kernel, width * kernel], x.dtype, x.device)
            : nn.functional.grid_sample(x, places, GridSampleMode.Bilinear, GridSamplePaddingMode.Zeros, align_corners: false);
        FlopCounter.Add(batch * height * width * weight.numel());
        return nn.functional.conv2d(sampled, weight, bias, strides: [kernel, kernel]);
    }

    // Positions to grid_sample's coordinates, where the map reaches from -1 to 1.
    private static Tensor Spread(Tensor positions, long size) => (2 * positions + 1) / size - 1;
}
