using Attention.Data;
using Attention.Engine.Evaluation.Dense;
using Attention.Engine.Runs;
using Attention.Models.Dense;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>Objects in images, by boxes and, where the model tells them, masks or keypoints; measured as COCO does.</summary>
/// <param name="model">The detector.</param>
/// <param name="firstCategory">See <see cref="DetectionModelConfig.first_category"/>.</param>
/// <param name="train">The training images.</param>
/// <param name="held">The images on which the model is measured: all of <paramref name="truth"/>.</param>
/// <param name="truth">What is in those.</param>
/// <param name="device">Where the model is.</param>
/// <param name="normalize">How training images were normalised, to show them.</param>
public sealed class ObjectDetection(
    DetectionModel model, int? firstCategory, DenseLoader train, DenseLoader held, CocoAnnotations truth, Device device, Normalize normalize) : TrainingTask
{
    private sealed class Batch : IBatch
    {
        private readonly DenseBatch batch;

        public Batch(DenseBatch batch, Device device)
        {
            this.batch = batch;
            Images = DenseTensors.Images(batch, device);
            Targets = [.. batch.Samples.Select(sample => DenseTensors.Targets(sample, device))];
        }

        public PaddedImages Images { get; }

        /// <summary>The objects of each image.</summary>
        public IReadOnlyList<ObjectTargets> Targets { get; }

        public int Samples => batch.Samples.Count;

        public void Dispose()
        {
            Images.pixels.Dispose();
            foreach (var target in Targets)
                DenseTensors.Dispose(target);
            batch.Dispose();
        }
    }

    // Pictures for the report, and what is sure enough to be drawn into them.
    private const int MostPictures = 12;
    private const double LeastScore = 0.5;

    private readonly List<ImageObjects> shown = [];

    public override nn.Module Model => model;
    public override IReadOnlySet<string> NoWeightDecay => model.no_weight_decay;
    public override int BatchesPerEpoch => train.StepsPerEpoch;
    public override string PrimaryMetric => DetectionScorer.PrimaryMetric(model.Finds);
    public override EvaluationDetails? Details => shown.Count == 0 ? null : new EvaluationDetails
    {
        class_names = held.Dataset.ClassNames,
        pictures = [.. shown.Select(Drawn)],
    };

    public override int Broken => train.BrokenCount + held.BrokenCount;

    public override IEnumerable<IBatch> Batches(int epoch, int first) => train.Epoch(epoch, first).Select(batch => new Batch(batch, device));

    public override IEnumerable<(byte[] Png, string Caption)> Pictures(IBatch batch, int most) =>
        [(ImageCodec.EncodePng(Thumbnails.Grid(((Batch)batch).Images.pixels, normalize, most)), "training images as the model sees them")];

    public override Tensor Loss(IBatch batch, IDictionary<string, double> metrics)
    {
        using var scope = NewDisposeScope();
        using var auxiliary = AuxiliaryLosses.Collect();
        var losses = model.Losses(((Batch)batch).Images, ((Batch)batch).Targets);
        foreach (var (name, loss) in losses)
            metrics[name] = loss.item<float>();
        foreach (var (name, value) in auxiliary.Means())
            metrics[name] = value;
        return scope.MoveToOuter(losses.Values.Aggregate((sum, loss) => sum + loss) + auxiliary.Total());
    }

    public override IReadOnlyDictionary<string, double> Evaluate(Action<int, int>? progress, CancellationToken cancellation)
    {
        var scorer = new DetectionScorer(truth, model.Finds, firstCategory);
        int step = 0;
        shown.Clear();
        using var _ = inference_mode();
        foreach (var each in held.Epoch(0, cancellation: cancellation))
        {
            using var batch = new Batch(each, device);
            using var scope = NewDisposeScope();
            foreach (var (sample, detections) in each.Samples.Zip(model.Detect(batch.Images)))
            {
                var found = ImageObjects.Of(sample.Index, detections);
                scorer.Add(found);
                if (shown.Count < MostPictures)
                    shown.Add(found with { Objects = [.. found.Objects.Where(each => each.Score >= LeastScore)] });
            }
            progress?.Invoke(++step, held.StepsPerEpoch);
        }
        return DetectionScorer.Metrics(scorer.Scores());
    }

    private Picture Drawn(ImageObjects found) =>
        new($"{Path.GetFileName(held.Dataset.NameOf(found.Image))}: {found.Objects.Count} found", new DetectionDrawing(truth.Categories).Jpeg(held.Dataset, found));

    public override void Dispose()
    {
        train.Dispose();
        held.Dispose();
        model.Dispose();
        base.Dispose();
    }
}
