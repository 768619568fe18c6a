using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Batch norm whose statistics and weights stay as they are, as detectors have it in a pretrained backbone: all four are buffers
/// under the names of nn.BatchNorm2d. (B, C, H, W) to the same.
/// </summary>
public sealed class FrozenBatchNorm2d : Block
{
    private readonly Tensor weight;
    private readonly Tensor bias;
    private readonly Tensor running_mean;
    private readonly Tensor running_var;
    private readonly double eps;

    /// <param name="features">C.</param>
    /// <param name="eps">Added to the variance.</param>
    public FrozenBatchNorm2d(long features, double eps = 1e-5) : base(nameof(FrozenBatchNorm2d))
    {
        this.eps = eps;
        register_buffer(nameof(weight), weight = ones(features));
        register_buffer(nameof(bias), bias = zeros(features));
        register_buffer(nameof(running_mean), running_mean = zeros(features));
        register_buffer(nameof(running_var), running_var = ones(features));
    }

    protected override Tensor Forward(Tensor x) => nn.functional.batch_norm(x, running_mean, running_var, weight, bias, training: false, eps: eps);
}
