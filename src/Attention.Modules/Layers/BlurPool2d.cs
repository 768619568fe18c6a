using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Halves a map after a fixed binomial blur of 3x3, so that a shift of the input moves the output. (B, C, H, W) to
/// (B, C, ceil(H/2), ceil(W/2)). Zhang, Making Convolutional Networks Shift-Invariant Again, 2019 (arXiv:1904.11486).
/// </summary>
public sealed class BlurPool2d : Block
{
    private readonly Tensor filt;

    public BlurPool2d(long channels) : base(nameof(BlurPool2d))
    {
        using var scope = NewDisposeScope();
        var row = tensor(new[] { 0.25f, 0.5f, 0.25f });
        filt = scope.MoveToOuter((row.unsqueeze(1) * row).expand(channels, 1, 3, 3).contiguous());
        register_buffer(nameof(filt), filt, persistent: false);
        RegisterComponents();
    }

    // By concatenation, since libtorch 1.13 has no reflection padding for tensors without data.
    private static Tensor Mirror(Tensor x, int dim) => cat([x.narrow(dim, 1, 1), x, x.narrow(dim, x.shape[dim] - 2, 1)], dim);

    protected override Tensor Forward(Tensor x) =>
        nn.functional.conv2d(Mirror(Mirror(x, 2), 3), filt.to(x.dtype), strides: [2, 2], groups: x.shape[1]);
}
