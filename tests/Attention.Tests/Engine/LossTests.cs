using Attention.Engine.Configuration;
using Attention.Engine.Training.Losses;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine;

/// <summary>Losses against their formulas in fp64 on plain arrays.</summary>
public sealed class LossTests : IDisposable
{
    private static readonly double[][] logits = [[1, -2, 0.5, 3], [0.2, 0.1, -1, -0.3], [-4, 2, 2.5, 1]];
    private static readonly long[] labels = [3, 0, 1];
    private static readonly double[][] soft = [[0, 0.3, 0, 0.7], [0.5, 0.5, 0, 0], [0, 0, 0.9, 0.1]];
    private static readonly double[] weights = [1, 2, 0.5, 3];
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static double Of(LossConfig config, bool softly, params int[] imagesPerClass)
    {
        using var loss = ClassificationLoss.Create(config, 4, imagesPerClass.Length > 0 ? imagesPerClass : [1, 1, 1, 1], CPU);
        var targets = softly ? Matrix(soft) : tensor(labels);
        return loss.Of(Matrix(logits), targets).item<float>();
    }

    private static Tensor Matrix(double[][] rows) => tensor(rows.SelectMany(row => row.Select(v => (float)v)).ToArray()).reshape(rows.Length, rows[0].Length);

    private static double[] LogSoftmax(double[] x) => [.. x.Select(v => v - Math.Log(x.Sum(Math.Exp)))];

    private static double[] Smooth(int row, double smoothing) => [.. Enumerable.Range(0, 4).Select(c => smoothing / 4 + (c == labels[row] ? 1 - smoothing : 0))];

    private static double Sum(Func<int, int, double> term) => Enumerable.Range(0, 3).Sum(row => Enumerable.Range(0, 4).Sum(c => term(row, c)));

    [Fact]
    public void Cross_entropy_smooths_weighs_and_takes_soft_targets()
    {
        Assert.Equal(-Sum((r, c) => Smooth(r, 0.2)[c] * LogSoftmax(logits[r])[c]) / 3, Of(new CrossEntropyConfig { label_smoothing = 0.2 }, false), 5);
        Assert.Equal(-Sum((r, c) => soft[r][c] * LogSoftmax(logits[r])[c]) / 3, Of(new CrossEntropyConfig(), true), 5);
        // PyTorch divides by the weights of the labels.
        double expected = -Sum((r, c) => c == labels[r] ? weights[c] * LogSoftmax(logits[r])[c] : 0) / labels.Sum(label => weights[label]);
        Assert.Equal(expected, Of(new CrossEntropyConfig { class_weights = weights }, false), 5);
    }

    [Fact]
    public void Classes_are_balanced_by_their_images()
    {
        // 8 images of 3 classes that occur: weights 8 / (3 n).
        double Weight(long c) => c switch { 0 => 8 / 9.0, 1 => 8 / 12.0, 3 => 8 / 3.0, _ => 1 };
        double expected = -Sum((r, c) => c == labels[r] ? Weight(c) * LogSoftmax(logits[r])[c] : 0) / labels.Sum(Weight);
        Assert.Equal(expected, Of(new CrossEntropyConfig { balance_classes = true }, false, 3, 4, 0, 1), 5);
        Assert.Contains("3 weights, the model 4", Assert.Throws<UserError>(() => Of(new CrossEntropyConfig { class_weights = [1, 2, 3] }, false)).Message);
    }

    [Fact]
    public void Binary_cross_entropy_is_that_of_every_class()
    {
        double Term(double x, double target) => Math.Log(1 + Math.Exp(x)) - target * x;
        Assert.Equal(Sum((r, c) => Term(logits[r][c], Smooth(r, 0.1)[c])) / 12, Of(new BinaryCrossEntropyConfig { label_smoothing = 0.1 }, false), 5);
        Assert.Equal(Sum((r, c) => Term(logits[r][c], soft[r][c])) / 3, Of(new BinaryCrossEntropyConfig { sum_classes = true }, true), 5);
        Assert.Equal(Sum((r, c) => Term(logits[r][c], soft[r][c] > 0.4 ? 1 : 0)) / 12, Of(new BinaryCrossEntropyConfig { target_threshold = 0.4 }, true), 5);
    }

    [Fact]
    public void Focal_loss_counts_less_what_is_certain()
    {
        double Term(double log, double target, double gamma) => -target * Math.Pow(1 - Math.Exp(log), gamma) * log;
        Assert.Equal(Sum((r, c) => Term(LogSoftmax(logits[r])[c], c == labels[r] ? 1 : 0, 2)) / 3, Of(new FocalConfig(), false), 5);
        Assert.Equal(Sum((r, c) => Term(LogSoftmax(logits[r])[c], soft[r][c], 1.5)) / 3, Of(new FocalConfig { gamma = 1.5 }, true), 5);
        Assert.Equal(Of(new CrossEntropyConfig(), false), Of(new FocalConfig { gamma = 0 }, false), 5);
    }

    [Fact]
    public void A_teacher_is_followed_by_its_class_or_its_probabilities()
    {
        double[][] taught = [[0, 1, 2, 3], [3, 0, 0, 0], [0, 0, 4, 1]];
        const double temperature = 3;
        double[] Cool(double[] x) => LogSoftmax([.. x.Select(v => v / temperature)]);
        double softly = Sum((r, c) => Math.Exp(Cool(taught[r])[c]) * (Cool(taught[r])[c] - Cool(logits[r])[c])) * temperature * temperature / 3;
        Assert.Equal(softly, Distillation.Distance(Matrix(logits), Matrix(taught), DistillationKind.Soft, temperature).item<float>(), 4);
        double hardly = -(LogSoftmax(logits[0])[3] + LogSoftmax(logits[1])[0] + LogSoftmax(logits[2])[2]) / 3;
        Assert.Equal(hardly, Distillation.Distance(Matrix(logits), Matrix(taught), DistillationKind.Hard, temperature).item<float>(), 5);
    }

    [Fact]
    public void A_teacher_counts_as_much_as_it_should_and_learns_nothing()
    {
        manual_seed(1);
        var (teacher, student) = (nn.Linear(5, 4), nn.Linear(5, 4));
        using var distillation = new Distillation(nn.Sequential(teacher), new DistillationConfig { teacher = "x", checkpoint = "x", weight = 0.25 });
        var images = randn(3, 5);
        var given = student.call(images);
        var mixed = distillation.Mix(tensor(2f), given, images);
        double distance = Distillation.Distance(given, teacher.call(images), DistillationKind.Soft, 1).item<float>();
        Assert.Equal(0.75 * 2 + 0.25 * distance, mixed.item<float>(), 5);
        mixed.backward();
        Assert.Null(teacher.weight.grad);
        Assert.NotNull(student.weight.grad);
    }
}
