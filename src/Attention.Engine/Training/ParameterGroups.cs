using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>Parameters that share a learning rate and a weight decay.</summary>
/// <param name="Name">What the group is.</param>
/// <param name="Parameters">Names and parameters.</param>
/// <param name="WeightDecay">Of the group.</param>
public sealed record ParameterGroup(string Name, IReadOnlyList<(string Name, Parameter Parameter)> Parameters, double WeightDecay)
{
    /// <summary>
    /// Two groups, one with weight decay and one without: norms, biases and everything else of one dimension, and what the
    /// model names. Frozen parameters are in neither.
    /// </summary>
    public static IReadOnlyList<ParameterGroup> Of(nn.Module model, double weightDecay, IReadOnlySet<string> noWeightDecay)
    {
        var trained = model.named_parameters().Where(p => p.parameter.requires_grad).ToArray();
        bool Decays((string name, Parameter parameter) p) => p.parameter.ndim > 1 && !noWeightDecay.Contains(p.name);
        ParameterGroup[] groups =
        [
            new("decay", [.. trained.Where(Decays)], weightDecay),
            new("no_decay", [.. trained.Where(p => !Decays(p))], 0),
        ];
        return [.. groups.Where(group => group.Parameters.Count > 0)];
    }
}
