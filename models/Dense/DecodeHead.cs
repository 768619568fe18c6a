using Attention.Modules.Dense;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Models.Dense;

/// <summary>What every segmentation head is made from.</summary>
/// <param name="channels">Of the maps that it takes, from fine to coarse.</param>
/// <param name="width">Channels before its classifier.</param>
/// <param name="num_classes">Classes of pixels.</param>
/// <param name="align_corners">How it resizes maps: see <see cref="MapResize"/>.</param>
/// <param name="dropout_ratio">Share of the channels that are dropped before the classifier.</param>
public sealed record DecodeHeadOptions(IReadOnlyList<int> channels, int width, int num_classes, bool align_corners = false, double dropout_ratio = 0.1);

/// <summary>
/// Feature maps (B, C_i, H_i, W_i), from fine to coarse, to the logits of each place (B, num_classes, H, W). The classifier is
/// called conv_seg, as in mmseg's heads.
/// </summary>
public abstract class DecodeHead : nn.Module<Tensor[], Tensor>
{
    private protected readonly Dropout2d? dropout;
    private protected readonly Conv2d conv_seg;

    private protected DecodeHead(string name, DecodeHeadOptions options) : base(name)
    {
        Options = options;
        dropout = options.dropout_ratio > 0 ? nn.Dropout2d(options.dropout_ratio) : null;
        conv_seg = nn.Conv2d(options.width, options.num_classes, kernel_size: 1);
        nn.init.normal_(conv_seg.weight, std: 0.01);
        nn.init.zeros_(conv_seg.bias!);
    }

    protected DecodeHeadOptions Options { get; }

    /// <summary>What the classifier takes, (B, width, H, W).</summary>
    protected abstract Tensor Features(Tensor[] maps);

    public sealed override Tensor forward(Tensor[] maps)
    {
        using var scope = NewDisposeScope();
        var features = Features(maps);
        return scope.MoveToOuter(conv_seg.call(dropout is null ? features : dropout.call(features)));
    }

    /// <summary>A map at the size of another, as the head's options say.</summary>
    protected Tensor ResizeLike(Tensor x, Tensor other) => MapResize.Like(x, other, Options.align_corners);
}
