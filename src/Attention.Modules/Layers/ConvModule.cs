using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// A convolution (conv), a batch norm (bn) and a ReLU, the latter two where asked for. (B, C, H, W) to (B, C', H, W) for odd
/// kernels; parameter names and first values as in OpenMMLab's ConvModule.
/// </summary>
public sealed class ConvModule : Block
{
    private readonly Conv2d conv;
    private readonly BatchNorm2d? bn;
    private readonly bool activated;

    /// <param name="inputs">C.</param>
    /// <param name="outputs">C'.</param>
    /// <param name="kernel_size">Side of the kernel.</param>
    /// <param name="dilation">Distance of the kernel's taps.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="norm">Whether a batch norm follows; the convolution has a bias where none does.</param>
    /// <param name="activated">Whether a ReLU ends it.</param>
    public ConvModule(long inputs, long outputs, long kernel_size, long dilation = 1, long groups = 1, bool norm = true, bool activated = true) : base(nameof(ConvModule))
    {
        conv = nn.Conv2d(inputs, outputs, kernel_size: kernel_size, padding: kernel_size / 2 * dilation, dilation: dilation, groups: groups, bias: !norm);
        bn = norm ? nn.BatchNorm2d(outputs) : null;
        this.activated = activated;
        nn.init.kaiming_normal_(conv.weight, mode: nn.init.FanInOut.FanOut, nonlinearity: nn.init.NonlinearityType.ReLU);
        if (conv.bias is not null)
            nn.init.zeros_(conv.bias);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = conv.call(x);
        if (bn is not null)
            x = bn.call(x);
        return activated ? x.relu_() : x;
    }
}

/// <summary>
/// A <see cref="ConvModule"/> for each channel and one of 1x1 over all (Chollet, Xception, arXiv:1610.02357). (B, C, H, W) to
/// (B, C', H, W); parameter names as in OpenMMLab's DepthwiseSeparableConvModule.
/// </summary>
public sealed class SeparableConvModule : Block
{
    private readonly ConvModule depthwise_conv;
    private readonly ConvModule pointwise_conv;

    /// <param name="inputs">C.</param>
    /// <param name="outputs">C'.</param>
    /// <param name="kernel_size">Side of the kernel.</param>
    /// <param name="dilation">Distance of the kernel's taps.</param>
    public SeparableConvModule(long inputs, long outputs, long kernel_size, long dilation = 1) : base(nameof(SeparableConvModule))
    {
        depthwise_conv = new ConvModule(inputs, inputs, kernel_size, dilation, groups: inputs);
        pointwise_conv = new ConvModule(inputs, outputs, 1);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => pointwise_conv.call(depthwise_conv.call(x));
}
