using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// The mean over a map, a norm where the model has it here, dropout, and a linear classifier (fc). (B, H, W, C) or
/// (B, C, H, W) to (B, num_classes); parameter names as in timm's heads.
/// </summary>
public sealed class ClassifierHead : Block
{
    private readonly nn.Module<Tensor, Tensor> norm;
    private readonly Sequential? pre_logits;
    private readonly Dropout drop;
    private nn.Module<Tensor, Tensor> fc;
    private readonly long in_features;
    private readonly bool channelsLast;

    /// <param name="in_features">C.</param>
    /// <param name="num_classes">Classes; 0 for none.</param>
    /// <param name="drop_rate">Dropout before the classifier.</param>
    /// <param name="channels_last">Whether maps are (B, H, W, C).</param>
    /// <param name="norm_eps">Epsilon of a layer norm after the mean; null for no norm.</param>
    /// <param name="hidden_size">Width of a layer before the classifier; null for none.</param>
    /// <param name="act_layer">Activation of that layer.</param>
    /// <param name="norm">Another norm after the mean, (B, C) to the same.</param>
    public ClassifierHead(long in_features, int num_classes, double drop_rate, bool channels_last, double? norm_eps = null, int? hidden_size = null, string act_layer = "gelu",
        nn.Module<Tensor, Tensor>? norm = null) : base(nameof(ClassifierHead))
    {
        this.in_features = hidden_size ?? in_features;
        channelsLast = channels_last;
        this.norm = norm ?? (norm_eps is { } eps ? nn.LayerNorm(in_features, eps) : nn.Identity());
        pre_logits = hidden_size is { } hidden ? nn.Sequential(("fc", nn.Linear(in_features, hidden)), ("act", Activations.Create(act_layer))) : null;
        drop = nn.Dropout(drop_rate);
        fc = Linears.Classifier(this.in_features, num_classes);
        RegisterComponents();
    }

    /// <summary>Another classifier, freshly initialised.</summary>
    public void Reset(int num_classes) => this.Replace(nameof(fc), ref fc, Linears.Classifier(in_features, num_classes));

    /// <summary>The pooled features (B, C).</summary>
    public Tensor Pool(Tensor x)
    {
        using var scope = NewDisposeScope();
        x = norm.call(x.mean(channelsLast ? [1, 2] : [2, 3]));
        return scope.MoveToOuter(drop.call(pre_logits is null ? x : pre_logits.call(x)));
    }

    protected override Tensor Forward(Tensor x) => fc.call(Pool(x));
}
