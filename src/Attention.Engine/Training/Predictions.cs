using Attention.Data;
using Attention.Engine.Runs;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>What a model said of each held-out image in one measurement.</summary>
/// <param name="images">The images.</param>
internal sealed class Predictions(IImageDataset images)
{
    private const int MostMistakes = 24, PictureSide = 96;
    private readonly List<(int Index, int Actual, int Predicted, float Confidence)> rows = [];

    /// <summary>Takes a batch in.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="logits">(B, classes).</param>
    public void Add(ImageBatch batch, Tensor logits)
    {
        using var scope = NewDisposeScope();
        var (values, indexes) = logits.to(ScalarType.Float32).softmax(1).max(1);
        var confidence = values.cpu().data<float>().ToArray();
        var predicted = indexes.cpu().data<long>().ToArray();
        for (int i = 0; i < batch.Samples; i++)
            rows.Add((batch.Indices[i], (int)batch.Labels[i], (int)predicted[i], confidence[i]));
    }

    /// <summary>The confusions and the worst mistakes, with their pictures.</summary>
    public EvaluationDetails Details() => new()
    {
        class_names = images.ClassNames,
        confusion = [.. rows.GroupBy(row => (row.Actual, row.Predicted)).OrderBy(group => group.Key)
            .Select(group => new Confusion(group.Key.Actual, group.Key.Predicted, group.Count()))],
        mistakes = [.. rows.Where(row => row.Predicted != row.Actual).OrderByDescending(row => row.Confidence).ThenBy(row => row.Index).Take(MostMistakes)
            .Select(row => new Mistake(images.NameOf(row.Index), row.Actual, row.Predicted, row.Confidence, Picture(row.Index)))],
    };

    private byte[]? Picture(int index)
    {
        try
        {
            var image = images.Load(index, new ImageScratch(), static (width, height) => ImageNeed.All(width, height) with { MinSide = PictureSide });
            return ImageCodec.EncodeJpeg(Thumbnails.Shrink(image, PictureSide), quality: 85);
        }
        catch (ImageError)
        {
            return null;
        }
    }
}
