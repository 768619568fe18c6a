using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// A convolution without bias (c) and a batch norm (bn). (B, C, H, W) to (B, C', H/stride, W/stride); parameter names as in
/// LeViT and its followers.
/// </summary>
public sealed class ConvNorm : Block
{
    private readonly Conv2d c;
    private readonly BatchNorm2d bn;

    /// <param name="inputs">C.</param>
    /// <param name="outputs">C'.</param>
    /// <param name="kernel_size">Side of the kernel; padding keeps the map's size where the stride is 1.</param>
    /// <param name="stride">Step of the kernel.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="zero">Start the norm's factor at 0, so that a residual branch which ends here starts as nothing.</param>
    public ConvNorm(long inputs, long outputs, long kernel_size = 1, long stride = 1, long groups = 1, bool zero = false) : base(nameof(ConvNorm))
    {
        c = nn.Conv2d(inputs, outputs, kernel_size: kernel_size, stride: stride, padding: kernel_size / 2, groups: groups, bias: false);
        bn = nn.BatchNorm2d(outputs);
        if (zero)
            nn.init.zeros_(bn.weight!);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x) => bn.call(c.call(x));
}
