using Attention.Cli;
using Attention.Engine.Conversion;
using Attention.Engine.Evaluation;
using Attention.Engine.Generation;
using Attention.Tests.Engine.Conversion;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Evaluation;

public sealed class HeadStatisticsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Mixture()
    {
        MixtureOfHeadConversion.Run(TinyLlama.Write(folder.File("dense")), folder.File("moh"));
        return folder.File("moh");
    }

    [Fact]
    public void Shares_are_given_for_each_layer_and_class_of_tokens()
    {
        using var model = TextModel.Load(Mixture(), CPU);
        var text = string.Concat(Enumerable.Repeat(TinyLlama.Text, 4));
        var statistics = HeadStatistics.OfText(model, text, window: 50);
        // Four times 13 lazy dogs: letters, digits, commas and stops, spaces.
        Assert.Equal(["letters", "digits", "punctuation", "space", "other"], statistics.Classes);
        Assert.Equal([.. new Func<char, bool>[] { char.IsLetter, char.IsDigit, char.IsPunctuation, char.IsWhiteSpace }.Select(kind => (long)text.Count(kind)), 0], statistics.Tokens);
        Assert.Equal(["model.layers.0.self_attn", "model.layers.1.self_attn"], statistics.Layers.Select(layer => layer.Layer));
        foreach (var layer in statistics.Layers)
        {
            Assert.Equal(3, layer.Shares.Sum(), 6);
            for (int head = 0; head < 4; head++)
                Assert.Equal(layer.Shares[head], Enumerable.Range(0, 4).Sum(kind => layer.SharesByClass[kind][head] * statistics.Tokens[kind]) / text.Length, 6);
        }
    }

    [Fact]
    public void The_command_draws_a_page()
    {
        var (page, text) = (folder.File("page/heads.html"), folder.Write("text.txt", TinyLlama.Text));
        var output = new StringWriter();
        Assert.Equal(0, CommandLine.Run(["heads", Mixture(), "--text", text, "--out", page], output, output));
        var html = File.ReadAllText(page);
        Assert.Contains("Letters: ", html);
        Assert.DoesNotContain("NaN", html);
        Assert.DoesNotContain("http", html);
        Assert.Contains("model.layers.1.self_attn", output.ToString());
    }

    [Fact]
    public void A_dense_model_is_refused()
    {
        var dense = TinyLlama.Write(folder.File("dense"));
        var output = new StringWriter();
        Assert.Equal(2, CommandLine.Run(["heads", dense, "--text", folder.Write("text.txt", "the fox")], output, output));
        Assert.Contains("the model's heads are no mixture", output.ToString());
    }
}
