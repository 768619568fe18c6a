using System.Text;
using Attention.Data.Text;
using Attention.Engine.Generation;
using Attention.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Evaluation;

/// <summary>
/// Which heads each layer and each class of tokens uses, in a model whose heads are a mixture.
/// </summary>
/// <param name="Classes">The names of the classes.</param>
/// <param name="Tokens">Tokens of each.</param>
/// <param name="Layers">The share of tokens that each head serves, of all and of each class.</param>
public sealed record HeadStatistics(IReadOnlyList<string> Classes, IReadOnlyList<long> Tokens, IReadOnlyList<LayerHeadUse> Layers)
{
    /// <summary>The classes of a text's tokens.</summary>
    public static IReadOnlyList<string> TextClasses { get; } = ["letters", "digits", "punctuation", "space", "other"];

    /// <summary>Runs batches through a model.</summary>
    /// <param name="model">A model, in evaluation mode.</param>
    /// <param name="batches">What it takes, and the class of each of its tokens: (B, T), from 0.</param>
    /// <param name="classes">The classes' names.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="UserError">The model's heads are no mixture.</exception>
    public static HeadStatistics Of(nn.Module<Tensor, Tensor> model, IEnumerable<(Tensor Input, Tensor Classes)> batches,
        IReadOnlyList<string> classes, CancellationToken cancellation = default)
    {
        using var _ = no_grad();
        using var use = HeadUse.Watch(model, classes.Count);
        var tokens = new long[classes.Count];
        foreach (var (input, kinds) in batches)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            use.TokenClasses = kinds;
            model.call(input);
            foreach (long kind in kinds.flatten().to(ScalarType.Int64).cpu().data<long>().ToArray())
                tokens[kind]++;
        }
        var layers = use.Layers;
        return layers.Count > 0 ? new(classes, tokens, layers) : throw new UserError("the model's heads are no mixture: all tokens use them all",
            "give a model with attention: {name: moh}, such as ./attention convert moh makes");
    }

    /// <summary>Runs a text through a language model, in windows of its context, and tells tokens apart by what they begin with.</summary>
    /// <param name="model">The model.</param>
    /// <param name="text">The text, at least one token long.</param>
    /// <param name="window">Tokens of a window; null for the model's context, but 1,024 at the most.</param>
    /// <param name="cancellation">Ends it.</param>
    public static HeadStatistics OfText(TextModel model, string text, int? window = null, CancellationToken cancellation = default)
    {
        var ids = model.Tokenizer.Encode(text);
        if (ids.Length == 0)
            throw new UserError("the text has no tokens", "give a longer one");
        var kinds = new Dictionary<int, long>();
        var device = model.Model.parameters().First().device;
        IEnumerable<(Tensor, Tensor)> Windows()
        {
            foreach (var part in ids.Chunk(window ?? Math.Min(1024, model.Model.max_position_embeddings)))
            {
                foreach (int id in part)
                    kinds.TryAdd(id, ClassOf(Encoding.UTF8.GetString(model.Tokenizer.DecodeBytes([id], skipSpecial: false))));
                using var input = tensor(part.Select(id => (long)id).ToArray(), [1, part.Length], device: device);
                using var classes = tensor(part.Select(id => kinds[id]).ToArray(), [1, part.Length]);
                yield return (input, classes);
            }
        }
        return Of(model.Model, Windows(), TextClasses, cancellation);
    }

    // By its first character that is no space.
    private static long ClassOf(string token)
    {
        var rune = token.EnumerateRunes().SkipWhile(Rune.IsWhiteSpace).Select(each => (Rune?)each).FirstOrDefault();
        var name = rune is not { } first ? "space" : Rune.IsLetter(first) ? "letters" : Rune.IsDigit(first) ? "digits"
            : Rune.IsPunctuation(first) || Rune.IsSymbol(first) && first != Rune.ReplacementChar ? "punctuation" : "other";
        return TextClasses.Index().First(each => each.Item == name).Index;
    }
}
