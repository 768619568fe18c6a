using Attention.Data;
using Attention.Engine.Runs;
using Attention.Engine.Training.Losses;
using Attention.Models;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>
/// One label for each image, measured by top-1 and top-5 accuracy. What parts of the model add to the loss, such as the balance
/// of a router, is logged under its own name, before its weight.
/// </summary>
/// <param name="model">Images (B, C, H, W) to logits (B, classes).</param>
/// <param name="train">The training images.</param>
/// <param name="held">The images on which the model is measured.</param>
/// <param name="loss">What is minimised.</param>
/// <param name="device">Where the model is.</param>
/// <param name="normalize">How training images were normalised, to show them.</param>
/// <param name="mixup">Mixes the images of a batch; null for none.</param>
/// <param name="distillation">A teacher; null for none.</param>
public sealed class ImageClassification(
    ImageModel model, DataLoader train, DataLoader held, ClassificationLoss loss, Device device, Normalize normalize,
    Mixup? mixup = null, Distillation? distillation = null) : TrainingTask
{
    private sealed class Batch : IBatch
    {
        private readonly ImageBatch batch;

        public Batch(ImageBatch batch, Device device)
        {
            this.batch = batch;
            Images = batch.images.to(device);
            Targets = batch.labels.to(device);
        }

        public Tensor Images { get; private set; }

        /// <summary>Labels (B), or the share of each class (B, classes).</summary>
        public Tensor Targets { get; private set; }

        public int Samples => batch.Samples;

        /// <summary>Mixes the images with each other.</summary>
        public Batch Mixed(Mixup? mixup, int epoch, int step)
        {
            if (mixup is null)
                return this;
            using var mode = no_grad();
            var (images, labels) = (Images, Targets);
            using (images)
            using (labels)
                (Images, Targets) = mixup.Apply(images, labels, epoch, step);
            return this;
        }

        public void Dispose()
        {
            Images.Dispose();
            Targets.Dispose();
            batch.Dispose();
        }
    }

    private Predictions? predictions;

    public override nn.Module Model => model;
    public override IReadOnlySet<string> NoWeightDecay => model.no_weight_decay;
    public override int BatchesPerEpoch => train.StepsPerEpoch;
    public override string PrimaryMetric => "top1";
    public override int Broken => train.BrokenCount + held.BrokenCount;
    public override EvaluationDetails? Details => predictions?.Details();

    public override IEnumerable<IBatch> Batches(int epoch, int first) =>
        train.Epoch(epoch, first).Select((batch, i) => new Batch(batch, device).Mixed(mixup, epoch, first + i));

    public override IEnumerable<(byte[] Png, string Caption)> Pictures(IBatch batch, int most) =>
        [(ImageCodec.EncodePng(Thumbnails.Grid(((Batch)batch).Images, normalize, most)), "training images as the model sees them")];

    public override Tensor Loss(IBatch batch, IDictionary<string, double> metrics)
    {
        using var scope = NewDisposeScope();
        using var auxiliary = AuxiliaryLosses.Collect();
        var (images, targets) = (((Batch)batch).Images, ((Batch)batch).Targets);
        var logits = model.call(images);
        metrics["top1"] = Hits(logits, targets.ndim == 2 ? targets.argmax(1) : targets, 1) / batch.Samples;
        foreach (var (name, value) in auxiliary.Means())
            metrics[name] = value;
        var total = loss.Of(logits, targets);
        if (distillation is not null)
            total = distillation.Mix(total, logits, images);
        return scope.MoveToOuter(total + auxiliary.Total());
    }

    public override IReadOnlyDictionary<string, double> Evaluate(Action<int, int>? progress, CancellationToken cancellation)
    {
        double samples = 0, top1 = 0, top5 = 0, total = 0;
        int step = 0;
        var found = new Predictions(held.Dataset);
        using var _ = inference_mode();
        foreach (var each in held.Epoch(0))
        {
            using var batch = new Batch(each, device);
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var logits = model.call(batch.Images).to(ScalarType.Float32);
            top1 += Hits(logits, batch.Targets, 1);
            top5 += Hits(logits, batch.Targets, Math.Min(5, (int)logits.shape[1]));
            total += nn.functional.cross_entropy(logits, batch.Targets, reduction: nn.Reduction.Sum).item<float>();
            samples += batch.Samples;
            found.Add(each, logits);
            progress?.Invoke(++step, held.StepsPerEpoch);
        }
        predictions = found;
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
        loss.Dispose();
        distillation?.Dispose();
        model.Dispose();
        base.Dispose();
    }
}
