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
    public static IReadOnlyList<FusedParameterGroup> Of(nn.Module model, double learningRate, double weightDecay, IReadOnlySet<string> noWeightDecay)
    {
        var trained = model.named_parameters().Where(p => p.parameter.requires_grad).ToArray();
        bool Decays((string name, Parameter parameter) p) => p.parameter.ndim > 1 && !noWeightDecay.Contains(p.name);
        FusedParameterGroup Group(IEnumerable<(string name, Parameter parameter)> members, double decay) =>
            new(members.Select(p => (p.name, (Tensor)p.parameter)), learningRate, decay);
        FusedParameterGroup[] groups = [Group(trained.Where(Decays), weightDecay), Group(trained.Where(p => !Decays(p)), 0)];
        return [.. groups.Where(group => group.Parameters.Count > 0)];
    }
}
