using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation;

/// <summary>One class of a data set.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Images">Images with its label.</param>
/// <param name="Correct">Those of them that were recognised.</param>
/// <param name="Guessed">Images that were taken for it.</param>
public sealed record ClassScore(string Name, int Images, int Correct, int Guessed)
{
    /// <summary>Share of its images that were recognised.</summary>
    public double Recall => Images == 0 ? double.NaN : (double)Correct / Images;

    /// <summary>Share of the guesses of it that were right.</summary>
    public double Precision => Guessed == 0 ? double.NaN : (double)Correct / Guessed;
}

/// <summary>How well a classifier does on images with one label each. Fed batch by batch.</summary>
/// <param name="names">The classes' names, one for each label.</param>
public sealed class ClassificationScores(IReadOnlyList<string> names)
{
    /// <summary>Bins of confidence over which <see cref="CalibrationError"/> is taken.</summary>
    public const int CalibrationBins = 15;

    private readonly (int Count, double Confidence, int Correct)[] bins = new (int, double, int)[CalibrationBins];
    private readonly List<Guess> guesses = [];
    private double loss;
    private int top1, top5, realImages, realHits;

    /// <summary>What became of one image.</summary>
    /// <param name="File">Its name.</param>
    /// <param name="Label">What it shows.</param>
    /// <param name="Class">What it was taken for.</param>
    /// <param name="Confidence">The probability of that.</param>
    public sealed record Guess(string File, int Label, int Class, double Confidence);

    /// <summary>Adds a batch.</summary>
    /// <param name="logits">(B, classes) on the CPU; at least as many classes as names.</param>
    /// <param name="labels">The label of each image.</param>
    /// <param name="files">The name of each image.</param>
    /// <param name="real">The images' reassessed labels; null where there are none.</param>
    public void Add(Tensor logits, long[] labels, IReadOnlyList<string> files, RealLabels? real = null)
    {
        using var scope = NewDisposeScope();
        var likeliest = logits.softmax(1).topk((int)Math.Min(5, logits.shape[1]), 1);
        var (confidences, classes) = (likeliest.values, likeliest.indexes);
        long width = classes.shape[1];
        var (confidence, guess) = (confidences.contiguous().data<float>().ToArray(), classes.contiguous().data<long>().ToArray());
        loss += nn.functional.cross_entropy(logits, tensor(labels), reduction: nn.Reduction.Sum).item<float>();
        for (int i = 0; i < labels.Length; i++)
        {
            var row = guess.AsSpan((int)(i * width), (int)width);
            bool isRight = row[0] == labels[i];
            top1 += isRight ? 1 : 0;
            top5 += row.Contains(labels[i]) ? 1 : 0;
            double sure = confidence[i * width];
            ref var bin = ref bins[Math.Clamp((int)Math.Ceiling(sure * CalibrationBins) - 1, 0, CalibrationBins - 1)];
            bin = (bin.Count + 1, bin.Confidence + sure, bin.Correct + (isRight ? 1 : 0));
            if (real?.Of(files[i]) is { Count: > 0 } all)
            {
                realImages++;
                realHits += all.Contains(row[0]) ? 1 : 0;
            }
            guesses.Add(new Guess(files[i], (int)labels[i], (int)row[0], sure));
        }
    }

    public int Images => guesses.Count;

    /// <summary>Share of images whose likeliest class is theirs.</summary>
    public double Top1 => (double)top1 / Images;

    /// <summary>Share of images whose class is among the five likeliest.</summary>
    public double Top5 => (double)top5 / Images;

    /// <summary>Share of images whose likeliest class is one of the reassessed labels; null without those.</summary>
    public double? Real => realImages == 0 ? null : (double)realHits / realImages;

    /// <summary>Mean cross-entropy, in nats.</summary>
    public double Loss => loss / Images;

    /// <summary>
    /// How far confidence is from accuracy: the mean gap over bins of equal width, weighted by their images. Guo et al., On
    /// Calibration of Modern Neural Networks, 2017 (arXiv:1706.04599).
    /// </summary>
    public double CalibrationError => bins.Sum(bin => Math.Abs(bin.Confidence - bin.Correct)) / Images;

    /// <summary>Mean recall of the classes that have images.</summary>
    public double MeanPerClass => Classes().Where(each => each.Images > 0).Average(each => each.Recall);

    /// <summary>Every image, in the order in which they came.</summary>
    public IReadOnlyList<Guess> Guesses => guesses;

    /// <summary>Every class with a name.</summary>
    public IReadOnlyList<ClassScore> Classes()
    {
        var counts = new (int Images, int Correct, int Guessed)[names.Count];
        foreach (var guess in guesses)
        {
            counts[guess.Label].Images++;
            if (guess.Class < names.Count)
                counts[guess.Class].Guessed++;
            if (guess.Class == guess.Label)
                counts[guess.Label].Correct++;
        }
        return [.. names.Zip(counts, (name, count) => new ClassScore(name, count.Images, count.Correct, count.Guessed))];
    }

    /// <summary>Images by label (row) and guess (column); the last column counts guesses of classes without a name.</summary>
    public int[,] Confusion()
    {
        var counts = new int[names.Count, names.Count + 1];
        foreach (var guess in guesses)
            counts[guess.Label, Math.Min(guess.Class, names.Count)]++;
        return counts;
    }
}
