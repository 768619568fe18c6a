using Attention.Engine.Evaluation;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Evaluation;

public sealed class ClassificationScoresTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static ClassificationScores Scores(RealLabels? real = null)
    {
        using var scope = NewDisposeScope();
        var scores = new ClassificationScores(["a", "b", "c"]);
        // Probabilities of a half and a quarter each; the guesses are a, b, b, c.
        var logits = tensor(new double[,] { { 2, 1, 1 }, { 1, 2, 1 }, { 1, 2, 1 }, { 1, 1, 2 } }, ScalarType.Float32).log();
        string[] files = ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG", "ILSVRC2012_val_00000003.JPEG", "ILSVRC2012_val_00000004.JPEG"];
        scores.Add(logits, [0, 1, 0, 1], files, real);
        return scores;
    }

    [Fact]
    public void Accuracy_is_counted_overall_and_by_class()
    {
        var scores = Scores();
        Assert.Equal((4, 0.5, 1.0), (scores.Images, scores.Top1, scores.Top5));
        Assert.Null(scores.Real);
        var classes = scores.Classes();
        Assert.Equal(new ClassScore("a", 2, 1, 1), classes[0]);
        Assert.Equal(new ClassScore("b", 2, 1, 2), classes[1]);
        Assert.Equal(new ClassScore("c", 0, 0, 1), classes[2]);
        Assert.Equal((0.5, 0.5, 1.0), (classes[0].Recall, classes[1].Precision, classes[0].Precision));
        Assert.True(double.IsNaN(classes[2].Recall));
        Assert.Equal(0.5, scores.MeanPerClass);
    }

    [Fact]
    public void Loss_and_calibration_are_those_of_the_definition()
    {
        var scores = Scores();
        Assert.Equal((2 * Math.Log(2) + 2 * Math.Log(4)) / 4, scores.Loss, 5);
        // All have confidence 1/2, and half are right.
        Assert.Equal(0, scores.CalibrationError, 5);
        using var sure = tensor(new float[,] { { 100, 0, 0 } });
        var wrong = new ClassificationScores(["a", "b", "c"]);
        wrong.Add(sure, [1], ["x"]);
        Assert.Equal(1, wrong.CalibrationError, 5);
    }

    [Fact]
    public void Confusion_has_a_row_for_each_label_and_a_column_for_other_classes()
    {
        Assert.Equal(new[,] { { 1, 1, 0, 0 }, { 0, 1, 1, 0 }, { 0, 0, 0, 0 } }, Scores().Confusion());
        var few = new ClassificationScores(["a"]);
        using var logits = tensor(new float[,] { { 0, 9 } });
        few.Add(logits, [0], ["x"]);
        Assert.Equal(new[,] { { 0, 1 } }, few.Confusion());
    }

    [Fact]
    public void Reassessed_labels_count_any_of_them_and_leave_out_images_without()
    {
        var scores = Scores(RealLabels.Load(folder.Write("real.json", "[[1, 0], [2], [], [0, 1, 2]]")));
        Assert.Equal(2.0 / 3, scores.Real!.Value, 6);
    }

    [Fact]
    public void Wrong_reassessed_labels_are_errors()
    {
        Assert.Contains("cannot be read as ReaL labels", Assert.Throws<UserError>(() => RealLabels.Load(folder.Write("x.json", "[1]"))).Message);
        Assert.Contains("cannot be read as ReaL labels", Assert.Throws<UserError>(() => RealLabels.Load(folder.File("none.json"))).Message);
        var real = RealLabels.Load(folder.Write("real.json", "[[1]]"));
        Assert.Equal([1], real.Of("/x/ILSVRC2012_val_00000001.JPEG"));
        Assert.Contains("has no place", Assert.Throws<UserError>(() => real.Of("ILSVRC2012_val_00000002.JPEG")).Message);
        Assert.Contains("has no place", Assert.Throws<UserError>(() => real.Of("cat.jpg")).Message);
    }

    [Fact]
    public void Files_hold_all_of_it()
    {
        EvaluationFiles.Write(folder.File("out"), Scores(), ["a", "b", "c"]);
        Assert.Contains("\"top1\": 0.5", File.ReadAllText(folder.File("out/metrics.json")));
        Assert.Equal(["class,images,correct,guessed,recall,precision", "a,2,1,1,0.5,1", "b,2,1,2,0.5,0.5", "c,0,0,1,,0"], File.ReadAllLines(folder.File("out/classes.csv")));
        Assert.Equal(["label,a,b,c,other", "a,1,1,0,0", "b,0,1,1,0", "c,0,0,0,0"], File.ReadAllLines(folder.File("out/confusion.csv")));
        Assert.Equal(5, File.ReadAllLines(folder.File("out/guesses.csv")).Length);
    }

    [Fact]
    public void Cells_with_commas_are_quoted()
    {
        var text = new StringWriter();
        CsvFile.Write(text, [["a,b", "c\"d", 0.5, null, double.NaN]]);
        Assert.Equal("\"a,b\",\"c\"\"d\",0.5,,", text.ToString().TrimEnd());
    }
}
