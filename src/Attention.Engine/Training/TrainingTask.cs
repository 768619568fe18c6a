using Attention.Engine.Runs;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>One portion of the training data, on the device where the model is.</summary>
public interface IBatch : IDisposable
{
    /// <summary>Samples in it.</summary>
    int Samples { get; }
}

/// <summary>What is learnt: the data, how a batch becomes a loss, and how the model is measured.</summary>
public abstract class TrainingTask : IDisposable
{
    /// <summary>The model that is trained.</summary>
    public abstract nn.Module Model { get; }

    /// <summary>Parameters, beside norms and biases, that take no weight decay.</summary>
    public virtual IReadOnlySet<string> NoWeightDecay => new HashSet<string>();

    /// <summary>Batches of one epoch.</summary>
    public abstract int BatchesPerEpoch { get; }

    /// <summary>The batches of an epoch, which decide themselves from (seed, epoch).</summary>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="first">The batch to begin with, where a run goes on in the middle of an epoch.</param>
    public abstract IEnumerable<IBatch> Batches(int epoch, int first);

    /// <summary>The mean loss of a batch, a scalar with a graph behind it.</summary>
    /// <param name="batch">One of <see cref="Batches"/>.</param>
    /// <param name="metrics">Takes what else is measured on the way, such as <c>top1</c> as a fraction.</param>
    public abstract Tensor Loss(IBatch batch, IDictionary<string, double> metrics);

    /// <summary>What the samples are, for people and for the name of the throughput: <c>images</c>, <c>tokens</c>.</summary>
    public virtual string SampleUnit => "images";

    /// <summary>The metric by which the best checkpoint is chosen, such as <c>top1</c>.</summary>
    public abstract string PrimaryMetric { get; }

    /// <summary>Whether smaller values of it are better, as of a loss.</summary>
    public virtual bool SmallerIsBetter => false;

    /// <summary>Measures the model on the held-out data.</summary>
    /// <param name="progress">Is told steps done, of how many.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>Metrics by name, <see cref="PrimaryMetric"/> among them.</returns>
    public abstract IReadOnlyDictionary<string, double> Evaluate(Action<int, int>? progress, CancellationToken cancellation);

    /// <summary>Samples that could not be read so far, and were replaced or left out.</summary>
    public virtual int Broken => 0;

    /// <summary>What the last measurement found beside its metrics, for the report; null where there is nothing.</summary>
    public virtual EvaluationDetails? Details => null;

    /// <summary>Pictures of a batch as the model sees it, each as an encoded image with a caption, for logs; none by default.</summary>
    public virtual IEnumerable<(byte[] Png, string Caption)> Pictures(IBatch batch, int most) => [];

    public virtual void Dispose() => GC.SuppressFinalize(this);
}
