using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>A rule that moves parameters against their gradients.</summary>
public interface IOptimizer : IDisposable
{
    /// <summary>The learning rate of all groups.</summary>
    double LearningRate { get; set; }

    /// <summary>Norm of all gradients together.</summary>
    double GradientNorm();

    /// <summary>One step with gradients times <paramref name="gradientScale"/>.</summary>
    void Step(double gradientScale = 1);

    /// <summary>Forgets all gradients.</summary>
    void ZeroGradients();

    /// <summary>What the next step depends on, by name.</summary>
    IReadOnlyDictionary<string, Tensor> State();

    /// <summary>Puts a saved state back.</summary>
    void LoadState(IReadOnlyDictionary<string, Tensor> state);
}
