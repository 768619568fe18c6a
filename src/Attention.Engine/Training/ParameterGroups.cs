using Attention.Models;
using Attention.Torch;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>Which parameters of a model share a learning rate and a weight decay.</summary>
public static class ParameterGroups
{
    /// <summary>
    /// Two groups, one with weight decay and one without: norms, biases and everything else of one dimension, and what the
    /// model names. Frozen parameters are in neither.
    /// </summary>
    public static IReadOnlyList<FusedParameterGroup> Of(nn.Module model, double learningRate, double weightDecay, IReadOnlySet<string> noWeightDecay) =>
        Of(model, learningRate, weightDecay, noWeightDecay.Contains, _ => 1);

    /// <summary>
    /// The same for every layer, whose learning rate is <paramref name="layerDecay"/> times that of the layer above it. The head
    /// has the whole rate (Clark et al., ELECTRA, 2020; Bao et al., BEiT, 2021).
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="learningRate">Of the head.</param>
    /// <param name="weightDecay">Where there is any.</param>
    /// <param name="noWeightDecay">Names, with wildcards, that take none besides norms, biases and what the model names.</param>
    /// <param name="layerDecay">1 or null for the same rate everywhere.</param>
    public static IReadOnlyList<FusedParameterGroup> Of(
        nn.Module model, double learningRate, double weightDecay, IReadOnlyCollection<string> noWeightDecay, double? layerDecay = null)
    {
        var spared = NamePatterns.Choose([.. model.named_parameters().Select(p => p.name)], noWeightDecay, "optimizer.no_decay");
        var layered = model as ILayeredModel;
        if (layerDecay is not null && layered is null)
            throw new UserError($"optimizer.layer_decay: {model.GetType().Name} does not say which layer a parameter belongs to", "leave layer_decay out");
        return Of(model, learningRate, weightDecay, name => layered?.no_weight_decay.Contains(name) == true || spared.Contains(name),
            name => layerDecay is { } decay ? Math.Pow(decay, layered!.num_layers - 1 - layered.layer_of(name)) : 1);
    }

    private static IReadOnlyList<FusedParameterGroup> Of(
        nn.Module model, double learningRate, double weightDecay, Func<string, bool> spared, Func<string, double> scale)
    {
        bool Decays((string name, Parameter parameter) p) => p.parameter.ndim > 1 && !spared(p.name);
        var groups = model.named_parameters().Where(p => p.parameter.requires_grad)
            .GroupBy(p => (Scale: scale(p.name), Decays: Decays(p)))
            .OrderByDescending(group => group.Key);
        return [.. groups.Select(group => new FusedParameterGroup(
            group.Select(p => (p.name, (Tensor)p.parameter)), learningRate * group.Key.Scale, group.Key.Decays ? weightDecay : 0, group.Key.Scale))];
    }
}
