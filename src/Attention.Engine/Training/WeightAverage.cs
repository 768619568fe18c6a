using Attention.Engine.Configuration;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>
/// An exponential running average of a model's parameters and buffers, with timm's warm-up (ModelEmaV3). Measured models are
/// the average: <see cref="Borrow"/> puts it in the place of the weights for a while.
/// </summary>
public sealed class WeightAverage : IDisposable
{
    private readonly EmaConfig config;
    private readonly IReadOnlyDictionary<string, Tensor> weights;
    private readonly Dictionary<string, Tensor> average;

    /// <summary>An average that begins with the model's weights as they are.</summary>
    public WeightAverage(nn.Module model, EmaConfig config)
    {
        this.config = config;
        using var mode = no_grad();
        weights = model.state_dict();
        average = weights.ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone().DetachFromDisposeScope());
    }

    /// <summary>The averages by the names of the state dict.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => average;

    /// <summary>How much of the average stays at a step, counted from 1.</summary>
    public double DecayAt(long step)
    {
        if (step <= 1)
            return 0;
        return config.warmup ? Math.Min(config.decay, 1 - Math.Pow(step, -config.warmup_power)) : config.decay;
    }

    /// <summary>Takes the weights of a step in. Counters among the buffers are copied.</summary>
    /// <param name="step">Counted from 1.</param>
    public void Update(long step)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        double fresh = 1 - DecayAt(step);
        foreach (var (name, mean) in average)
        {
            if (mean.is_floating_point())
                mean.mul_(1 - fresh).add_(weights[name].detach(), fresh);
            else
                mean.copy_(weights[name]);
        }
    }

    /// <summary>Lets the model have the averages until the result is disposed.</summary>
    public IDisposable Borrow()
    {
        Swap();
        return new Return(this);
    }

    private void Swap()
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        foreach (var (name, mean) in average)
        {
            var weight = weights[name];
            var kept = weight.detach().clone();
            weight.copy_(mean);
            mean.copy_(kept);
        }
    }

    public void Dispose()
    {
        foreach (var tensor in average.Values)
            tensor.Dispose();
        GC.SuppressFinalize(this);
    }

    private sealed class Return(WeightAverage owner) : IDisposable
    {
        public void Dispose() => owner.Swap();
    }
}
