using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// An MLP with a depthwise 3x3 convolution in its hidden layer. (B, H, W, C) to the same; parameter names as in PVT v2's
/// repository (fc1, dwconv.dwconv, fc2), which many followers took over. Wang et al., 2022 (arXiv:2106.13797).
/// </summary>
public sealed class DepthwiseMlp : Block
{
    private readonly Linear fc1;
    private readonly DepthwiseConvolution dwconv;
    private readonly GELU act;
    private readonly Linear fc2;
    private readonly Dropout drop;
    private readonly bool residual;

    /// <param name="in_features">C.</param>
    /// <param name="hidden_features">Width of the hidden layer.</param>
    /// <param name="drop_rate">Dropout rate after each half.</param>
    /// <param name="residual">Whether the convolution adds to what it takes rather than replacing it.</param>
    public DepthwiseMlp(long in_features, long hidden_features, double drop_rate = 0, bool residual = false) : base(nameof(DepthwiseMlp))
    {
        this.residual = residual;
        fc1 = nn.Linear(in_features, hidden_features);
        dwconv = new DepthwiseConvolution(hidden_features);
        act = nn.GELU();
        fc2 = nn.Linear(hidden_features, in_features);
        drop = nn.Dropout(drop_rate);
        RegisterComponents();
    }

    protected override Tensor Forward(Tensor x)
    {
        x = fc1.call(x);
        x = residual ? x + dwconv.call(x) : dwconv.call(x);
        return drop.call(fc2.call(drop.call(act.call(x))));
    }
}
