using Attention.Data;
using Attention.Engine.Evaluation.Dense;
using Attention.Engine.Runs;
using Attention.Models.Dense;
using Attention.Modules;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>The class of each pixel, measured by mean intersection over union at the images' original sizes.</summary>
/// <param name="model">Images to logits of each pixel.</param>
/// <param name="train">The training images with their maps.</param>
/// <param name="held">Those on which the model is measured.</param>
/// <param name="inference">How the model looks at these.</param>
/// <param name="device">Where the model is.</param>
/// <param name="normalize">How training images were normalised, to show them.</param>
public sealed class SemanticSegmentation(
    SegmentationModel model, DenseLoader train, DenseLoader held, SegmentationInference inference, Device device, Normalize normalize) : TrainingTask
{
    private const int ShownImages = 8;

    private sealed class Batch : IBatch
    {
        private readonly DenseBatch batch;

        public Batch(DenseBatch batch, Device device)
        {
            this.batch = batch;
            (Images, Labels) = (batch.images.to(device), batch.classes.to(device));
        }

        public Tensor Images { get; }

        /// <summary>(B, H, W).</summary>
        public Tensor Labels { get; }

        public int Samples => batch.Samples.Count;

        public void Dispose()
        {
            Images.Dispose();
            Labels.Dispose();
            batch.Dispose();
        }
    }

    private EvaluationDetails? details;

    public override nn.Module Model => model;
    public override IReadOnlySet<string> NoWeightDecay => model.no_weight_decay;
    public override int BatchesPerEpoch => train.StepsPerEpoch;
    public override string PrimaryMetric => "miou";
    public override int Broken => train.BrokenCount + held.BrokenCount;
    public override EvaluationDetails? Details => details;

    public override IEnumerable<IBatch> Batches(int epoch, int first) => train.Epoch(epoch, first).Select(batch => new Batch(batch, device));

    public override IEnumerable<(byte[] Png, string Caption)> Pictures(IBatch batch, int most) =>
        [(ImageCodec.EncodePng(Thumbnails.Grid(((Batch)batch).Images, normalize, most)), "training images as the model sees them")];

    public override Tensor Loss(IBatch batch, IDictionary<string, double> metrics)
    {
        using var scope = NewDisposeScope();
        using var auxiliary = AuxiliaryLosses.Collect();
        var losses = model.Losses(((Batch)batch).Images, ((Batch)batch).Labels);
        foreach (var (name, loss) in losses)
            metrics[name] = loss.item<float>();
        foreach (var (name, value) in auxiliary.Means())
            metrics[name] = value;
        return scope.MoveToOuter(losses.Values.Aggregate((sum, loss) => sum + loss) + auxiliary.Total());
    }

    public override IReadOnlyDictionary<string, double> Evaluate(Action<int, int>? progress, CancellationToken cancellation)
    {
        var scores = new SegmentationScores(held.Dataset.ClassNames);
        var pictures = new List<Picture>();
        int step = 0;
        foreach (var batch in held.Epoch(0, cancellation: cancellation))
            using (batch)
            {
                foreach (var (sample, found) in batch.Samples.Zip(inference.Classes(batch, device)))
                {
                    scores.Add(Segmenter.Truth(held.Dataset, sample), found.Values);
                    if (pictures.Count < ShownImages)
                        pictures.Add(new Picture(held.Dataset.NameOf(sample.Index), Picture(sample.Index, found)));
                }
                progress?.Invoke(++step, held.StepsPerEpoch);
            }
        details = new EvaluationDetails { class_names = held.Dataset.ClassNames, pictures = pictures };
        return scores.Metrics();
    }

    private byte[] Picture(int index, LabelMap found)
    {
        var image = held.Dataset.Load(index, new ImageScratch(), ImageNeed.All);
        return ImageCodec.EncodeJpeg(SegmentationPicture.Draw(image, found), quality: 85);
    }

    public override void Dispose()
    {
        train.Dispose();
        held.Dispose();
        model.Dispose();
        base.Dispose();
    }
}
