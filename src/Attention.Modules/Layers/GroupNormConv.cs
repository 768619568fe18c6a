using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// A convolution that has its group norm within it (<c>weight</c> and <c>norm.weight</c>), as detectron2's wrapper of Conv2d; then a
/// ReLU where asked for. (B, C, H, W) to (B, C', H, W).
/// </summary>
public sealed class GroupNormConv : Block
{
    private readonly Parameter weight;
    private readonly GroupNorm norm;
    private readonly long padding;
    private readonly bool activated;

    /// <param name="inputs">C.</param>
    /// <param name="outputs">C', a multiple of 32.</param>
    /// <param name="kernel_size">Side of the kernel.</param>
    /// <param name="activated">Whether a ReLU ends it.</param>
    public GroupNormConv(long inputs, long outputs, long kernel_size, bool activated) : base(nameof(GroupNormConv))
    {
        weight = new Parameter(empty(outputs, inputs, kernel_size, kernel_size));
        nn.init.kaiming_normal_(weight, mode: nn.init.FanInOut.FanOut, nonlinearity: nn.init.NonlinearityType.ReLU);
        norm = nn.GroupNorm(32, outputs);
        padding = kernel_size / 2;
        this.activated = activated;
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = norm.call(nn.functional.conv2d(x, weight, padding: [padding, padding]));
        return activated ? x.relu_() : x;
    }
}
