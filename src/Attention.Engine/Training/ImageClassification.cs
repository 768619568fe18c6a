using Attention.Data;
using Attention.Engine.Configuration;
using Attention.Models;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>
/// One label for each image: cross-entropy, measured by top-1 and top-5 accuracy. What parts of the model add to the loss, such
/// as the balance of a router, is logged under its own name, before its weight.
/// </summary>
/// <param name="model">Images (B, C, H, W) to logits (B, classes).</param>
/// <param name="train">The training images.</param>
/// <param name="held">The images on which the model is measured.</param>
/// <param name="loss">What is minimised.</param>
/// <param name="device">Where the model is.</param>
public sealed class ImageClassification(ImageModel model, DataLoader train, DataLoader held, CrossEntropyConfig loss, Device device) : TrainingTask
{
    private sealed class Batch(ImageBatch batch, Device device) : IBatch
    {
        public Tensor Images { get; } = batch.images.to(device);
        public Tensor Labels { get; } = batch.labels.to(device);
        public int Samples => batch.Samples;

        public void Dispose()
        {
            Images.Dispose();
            Labels.Dispose();
            batch.Dispose();
        }
    }

    public override nn.Module Model => model;
    public override IReadOnlySet<string> NoWeightDecay => model.no_weight_decay;
    public override int StepsPerEpoch => train.StepsPerEpoch;
    public override string PrimaryMetric => "top1";

    public override IEnumerable<IBatch> Batches(int epoch) => train.Epoch(epoch).Select(batch => new Batch(batch, device));

    public override Tensor Loss(IBatch batch, IDictionary<string, double> metrics)
    {
        var (images, labels) = (((Batch)batch).Images, ((Batch)batch).Labels);
        using var auxiliary = AuxiliaryLosses.Collect();
        var logits = model.call(images);
        metrics["top1"] = Hits(logits, labels, 1) / batch.Samples;
        foreach (var (name, value) in auxiliary.Means())
            metrics[name] = value;
        return nn.functional.cross_entropy(logits, labels, label_smoothing: loss.label_smoothing) + auxiliary.Total();
    }

    public override IReadOnlyDictionary<string, double> Evaluate(Action<int, int>? progress, CancellationToken cancellation)
    {
        double samples = 0, top1 = 0, top5 = 0, total = 0;
        int step = 0;
        using var _ = inference_mode();
        foreach (var each in held.Epoch(0))
        {
            cancellation.ThrowIfCancellationRequested();
            using var batch = new Batch(each, device);
            using var scope = NewDisposeScope();
            var logits = model.call(batch.Images);
            top1 += Hits(logits, batch.Labels, 1);
            top5 += Hits(logits, batch.Labels, Math.Min(5, (int)logits.shape[1]));
            total += nn.functional.cross_entropy(logits, batch.Labels, reduction: nn.Reduction.Sum).item<float>();
            samples += batch.Samples;
            progress?.Invoke(++step, held.StepsPerEpoch);
        }
        return new Dictionary<string, double> { ["top1"] = top1 / samples, ["top5"] = top5 / samples, ["loss"] = total / samples };
    }

    // How many labels are among the k likeliest classes.
    private static double Hits(Tensor logits, Tensor labels, int k)
    {
        using var scope = NewDisposeScope();
        var likeliest = logits.detach().topk(k, 1).indexes;
        return likeliest.eq(labels.unsqueeze(1)).sum().item<long>();
    }

    public override void Dispose()
    {
        train.Dispose();
        held.Dispose();
        model.Dispose();
        base.Dispose();
    }
}
