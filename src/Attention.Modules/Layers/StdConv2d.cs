using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// A convolution without bias whose kernels have mean 0 and variance 1 whenever they are used, however they are stored.
/// (B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride)). Qiao et al., Weight Standardization, 2019 (arXiv:1903.10520).
/// </summary>
public sealed class StdConv2d : Block
{
    private readonly Parameter weight;

    private readonly long kernel_size;
    private readonly long stride;
    private readonly bool same;
    private readonly double eps;

    /// <param name="inputs">C.</param>
    /// <param name="outputs">C'.</param>
    /// <param name="kernel_size">Side of the kernel; odd.</param>
    /// <param name="stride">Step of the kernel.</param>
    /// <param name="same">Padding as TensorFlow has it, with more at the bottom and right where it is odd, rather than the same on all sides.</param>
    /// <param name="eps">What is added to the variance.</param>
    public StdConv2d(long inputs, long outputs, long kernel_size = 1, long stride = 1, bool same = false, double eps = 1e-6) : base(nameof(StdConv2d))
    {
        (this.kernel_size, this.stride, this.same, this.eps) = (kernel_size, stride, same, eps);
        weight = new Parameter(empty(outputs, inputs, kernel_size, kernel_size));
        using (no_grad())
            nn.init.kaiming_normal_(weight, mode: nn.init.FanInOut.FanOut, nonlinearity: nn.init.NonlinearityType.ReLU);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        var kernels = weight.flatten(1);
        var centred = kernels - kernels.mean([1], keepdim: true);
        var standard = (centred * (centred.square().mean([1], keepdim: true) + eps).rsqrt()).reshape(weight.shape);
        // At stride 1 both paddings are one.
        bool uneven = same && stride > 1;
        long border = uneven ? 0 : kernel_size / 2;
        x = nn.functional.conv2d(uneven ? Convolutions.PadSame(x, kernel_size, stride) : x, standard,
            strides: [stride, stride], padding: [border, border]);
        FlopCounter.Add(x.numel() * kernels.shape[1]);
        return x;
    }
}
