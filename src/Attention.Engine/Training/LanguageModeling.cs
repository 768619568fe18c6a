using Attention.Data.Text;
using Attention.Engine.Data;
using Attention.Models.Language;
using Attention.Modules;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>
/// The next token of every place that asks for one. What parts of the model add to the loss, such as the balance of a router,
/// is logged under its own name, before its weight.
/// </summary>
/// <param name="model">Tokens (B, T) to logits (B, T, vocabulary).</param>
/// <param name="data">What is trained on and measured.</param>
/// <param name="device">Where the model is.</param>
/// <param name="smoothing">The share of a target that is spread over all tokens; not when measuring.</param>
public sealed class LanguageModeling(LanguageModel model, TokenData data, Device device, double smoothing = 0) : TrainingTask
{
    private sealed class Batch : IBatch
    {
        public Batch(TokenBatch batch, Device device)
        {
            Samples = batch.Samples * (int)batch.tokens.shape[1];
            if (device.type == DeviceType.CPU)
                (Tokens, Targets) = (batch.tokens, batch.targets);
            else
                using (batch)
                    (Tokens, Targets) = (batch.tokens.to(device), batch.targets.to(device));
        }

        public Tensor Tokens { get; }
        public Tensor Targets { get; }

        /// <summary>Tokens that are read.</summary>
        public int Samples { get; }

        public void Dispose()
        {
            Tokens.Dispose();
            Targets.Dispose();
        }
    }

    public override nn.Module Model => model;
    public override string SampleUnit => "tokens";
    public override int BatchesPerEpoch => data.Train.StepsPerEpoch;
    public override string PrimaryMetric => data.IsRecall ? "accuracy" : "loss";
    public override bool SmallerIsBetter => !data.IsRecall;

    public override IEnumerable<IBatch> Batches(int epoch, int first)
    {
        for (int step = first; step < data.Train.StepsPerEpoch; step++)
            yield return new Batch(data.Train.Batch(epoch, step), device);
    }

    public override Tensor Loss(IBatch batch, IDictionary<string, double> metrics)
    {
        using var scope = NewDisposeScope();
        using var auxiliary = AuxiliaryLosses.Collect();
        var logits = model.call(((Batch)batch).Tokens);
        foreach (var (name, value) in auxiliary.Means())
            metrics[name] = value;
        var targets = ((Batch)batch).Targets.flatten();
        var sum = nn.functional.cross_entropy(logits.flatten(0, 1), targets, ignore_index: TokenBatch.Ignored, reduction: nn.Reduction.Sum, label_smoothing: smoothing);
        // A batch that asks for nothing has no loss, where a mean would be 0 / 0.
        return scope.MoveToOuter(sum / targets.ne(TokenBatch.Ignored).sum().clamp_min(1) + auxiliary.Total());
    }

    /// <summary>
    /// <c>loss</c> (nats for each target), <c>perplexity</c>, <c>accuracy</c> of the likeliest token, and <c>bits_per_byte</c>
    /// where the length of the text is known.
    /// </summary>
    public override IReadOnlyDictionary<string, double> Evaluate(Action<int, int>? progress, CancellationToken cancellation)
    {
        double asked = 0, hits = 0, total = 0;
        int steps = Math.Min(data.Held.StepsPerEpoch, data.EvaluationSteps ?? int.MaxValue);
        using var _ = inference_mode();
        for (int step = 0; step < steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using var batch = new Batch(data.Held.Batch(0, step), device);
            var logits = model.call(batch.Tokens).to(ScalarType.Float32).flatten(0, 1);
            var targets = batch.Targets.flatten();
            total += nn.functional.cross_entropy(logits, targets, ignore_index: TokenBatch.Ignored, reduction: nn.Reduction.Sum).item<float>();
            hits += logits.argmax(-1).eq(targets).sum().item<long>();
            asked += targets.ne(TokenBatch.Ignored).sum().item<long>();
            progress?.Invoke(step + 1, steps);
        }
        double loss = total / asked;
        var measured = new Dictionary<string, double> { ["loss"] = loss, ["perplexity"] = Math.Exp(loss), ["accuracy"] = hits / asked };
        if (data.BytesPerToken is { } bytes)
            measured["bits_per_byte"] = loss / Math.Log(2) / bytes;
        return measured;
    }

    public override void Dispose()
    {
        model.Dispose();
        base.Dispose();
    }
}
