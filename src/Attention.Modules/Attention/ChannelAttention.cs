using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Weighs each channel of a map by a gate from the mean of all. (B, C, H, W) to the same.
/// Hu et al., Squeeze-and-Excitation Networks, 2018 (arXiv:1709.01507); parameter names as in timm.
/// </summary>
public sealed class SqueezeExcitation : Block
{
    private readonly Conv2d fc1;
    private readonly nn.Module<Tensor, Tensor> act;
    private readonly Conv2d fc2;

    /// <param name="channels">C.</param>
    /// <param name="hidden">Channels between the two layers.</param>
    /// <param name="act_layer">Activation between them.</param>
    /// <param name="bias">Whether the layers have biases.</param>
    public SqueezeExcitation(long channels, long hidden, string act_layer = "relu", bool bias = true) : base(nameof(SqueezeExcitation))
    {
        fc1 = nn.Conv2d(channels, hidden, kernel_size: 1, bias: bias);
        act = Activations.Create(act_layer);
        fc2 = nn.Conv2d(hidden, channels, kernel_size: 1, bias: bias);
        RegisterComponents();
    }

    /// <summary>The usual width between the layers: a share of the channels, rounded to a multiple of 8.</summary>
    public static long Hidden(long channels, double ratio) => Convolutions.MakeDivisible(channels * ratio, round_limit: 0);

    protected override Tensor Forward(Tensor x) => x * fc2.call(act.call(fc1.call(x.mean([2, 3], keepdim: true)))).sigmoid();
}

/// <summary>
/// Weighs each channel of a map by a gate from the means of its neighbours. (B, C, H, W) to the same.
/// Wang et al., ECA-Net: Efficient Channel Attention, 2020 (arXiv:1910.03151); parameter names as in timm.
/// </summary>
public sealed class EfficientChannelAttention : Block
{
    private readonly Conv1d conv;

    /// <param name="channels">C.</param>
    /// <param name="kernel_size">Neighbours that a gate sees, an odd number; null for the paper's rule.</param>
    public EfficientChannelAttention(long channels, int? kernel_size = null) : base(nameof(EfficientChannelAttention))
    {
        int kernel = kernel_size ?? Rule(channels);
        conv = nn.Conv1d(1, 1, kernel_size: kernel, padding: (kernel - 1) / 2, bias: false);
        RegisterComponents();
    }

    // With gamma 2 and b 1: the odd number next above (log2(C) + 1) / 2, at least 3.
    private static int Rule(long channels)
    {
        int reach = (int)(Math.Abs(Math.Log2(channels) + 1) / 2);
        return Math.Max(reach % 2 == 1 ? reach : reach + 1, 3);
    }

    protected override Tensor Forward(Tensor x)
    {
        var gate = conv.call(x.mean([2, 3]).unsqueeze(1)).sigmoid();
        return x * gate.view(x.shape[0], -1, 1, 1);
    }
}
