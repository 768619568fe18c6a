using System.Text;

namespace Attention.Data.Text;

/// <summary>Reads Hugging Face's <c>tokenizer.json</c>.</summary>
internal static class TokenizerJson
{
    /// <exception cref="UserError">The file is broken, or has a step that is not known.</exception>
    public static Tokenizer Load(string path, TokenizerSettings settings) => Read(JsonPart.Load(path), settings);

    public static Tokenizer Read(JsonPart file, TokenizerSettings settings)
    {
        var added = file.Items("added_tokens").Select(Added).ToList();
        var model = file.Require("model");
        if (model.FindText("type") == CharacterTokenizer.ModelType)
            return CharacterTokenizer.Read(model, settings);
        if (FastByteLevel(file, model, added, settings) is { } fast)
            return fast;

        var wordModel = WordModel.Of(model);
        int? Id(string token) => added.FirstOrDefault(each => each.Content == token)?.Id ?? (wordModel.Vocabulary.TryGetValue(token, out int id) ? id : null);
        return new PipelineTokenizer(wordModel, added, settings, Normalizers.Of(file.Find("normalizer")), Frame(file.Find("post_processor"), Id))
        {
            Split = PreTokenizers.Of(file.Find("pre_tokenizer")),
            Join = TokenDecoders.Of(file.Find("decoder")),
        };
    }

    private static AddedToken Added(JsonPart part) => new(part.Require("id").Id(), part.Text("content"), part.Flag("special"),
        part.Flag("single_word"), part.Flag("lstrip"), part.Flag("rstrip"), part.Flag("normalized"));

    /// <summary>
    /// Byte-level BPE works on bytes directly where the steps are the common ones: at most one split, then ByteLevel, and
    /// no token that would have to be found in normalised text after more than Unicode's normalisation.
    /// </summary>
    private static BytePairTokenizer? FastByteLevel(JsonPart file, JsonPart model, List<AddedToken> added, TokenizerSettings settings)
    {
        if (model.FindText("type") is not (null or "BPE") || model.Find("merges") is null || model.Flag("byte_fallback")
            || model.FindText("continuing_subword_prefix") is { Length: > 0 } || model.FindText("end_of_word_suffix") is { Length: > 0 }
            || file.Find("decoder")?.FindText("type") != "ByteLevel" || Splitter(file.Find("pre_tokenizer")) is not var (splitter, addsSpace))
            return null;
        var normalizer = file.Find("normalizer");
        if (normalizer is not null && added.Any(token => token.Normalized))
            return null;

        var vocabulary = WordModel.ReadVocabulary(model);
        int? unknown = model.FindText("unk_token") is { } token && vocabulary.TryGetValue(token, out int unknownId) ? unknownId : null;
        var pieces = new byte[]?[vocabulary.Values.Max() + 1];
        // A token in another alphabet is never made by merging; an added token stands there.
        foreach (var (text, id) in vocabulary)
            pieces[id] = ByteAlphabet.ToBytes(text) ?? Encoding.UTF8.GetBytes(text);
        var pairs = SymbolPairModel.Pairs(model, vocabulary, prefixLength: 0);
        var byteModel = BytePairModel.OfMerges(pieces, pairs, model.Flag("ignore_merges"), unknown);
        int? Id(string content) => added.FirstOrDefault(each => each.Content == content)?.Id ?? (vocabulary.TryGetValue(content, out int id) ? id : null);
        var raw = added.Select(each => each with { Normalized = false }).ToList();
        return new(byteModel, splitter, raw, settings, Frame(file.Find("post_processor"), Id)) { AddsSpace = addsSpace, Normalize = Normalizers.Of(normalizer) };
    }

    private static (WordSplitter, bool AddsSpace)? Splitter(JsonPart? preTokenizer)
    {
        if (preTokenizer is not { } part)
            return null;
        var steps = part.Type == "Sequence" ? part.Items("pretokenizers").ToArray() : [part];
        if (steps is not [.. var before, { Type: "ByteLevel" } last] || before.Length > 1)
            return null;
        bool addsSpace = last.Flag("add_prefix_space", true), splits = last.Flag("use_regex", true);
        if (before.Length == 0)
            return (splits ? new Gpt2Scanner() : new WholeText(), addsSpace);
        if (splits || addsSpace || before[0].Type != "Split" || before[0].Flag("invert") && before[0].Text("behavior") != "Removed"
            || before[0].Find("pattern")?.FindText("Regex") is not { } pattern)
            return null;
        // A pattern of words, kept, is the same as a pattern of everything, isolated, if it leaves nothing out.
        return before[0].Text("behavior") == "Isolated" || before[0].Flag("invert") && SplitPatterns.Scanner(pattern) is not null
            ? (WordSplitter.For(pattern), false) : null;
    }

    /// <summary>The ids before and after a single sequence; null where the file has no say.</summary>
    private static (int[], int[])? Frame(JsonPart? processor, Func<string, int?> find)
    {
        if (processor is not { } part)
            return null;
        switch (part.Type)
        {
            case "ByteLevel": return null;
            case "BertProcessing" or "RobertaProcessing":
                return ([Pair(part.Require("cls"))], [Pair(part.Require("sep"))]);
            case "Sequence":
                (int[], int[])? frame = null;
                foreach (var step in part.Items("processors"))
                    if (Frame(step, find) is var (before, after))
                        frame = frame is var (first, last) ? ([.. before, .. first], [.. last, .. after]) : (before, after);
                return frame;
            case "TemplateProcessing": return Template(part, find);
            default: throw part.Unsupported("post-processor");
        }

        static int Pair(JsonPart pair) => pair.Items().ToArray() is [_, var id] ? id.Id() : throw pair.Wrong("is no pair of a token and its id");
    }

    private static (int[], int[]) Template(JsonPart part, Func<string, int?> find)
    {
        var (before, after) = (new List<int>(), new List<int>());
        var current = before;
        foreach (var piece in part.Items("single"))
        {
            if (piece.Find("Sequence") is not null)
            {
                current = after;
                continue;
            }
            var name = piece.Require("SpecialToken").Text("id");
            var listed = part.Find("special_tokens")?.Find(name)?.Items("ids").Select(each => each.Id()).ToArray();
            current.AddRange(listed ?? (find(name) is { } id ? [id] : throw piece.Wrong($"names '{name}', which is no token")));
        }
        return ([.. before], [.. after]);
    }
}
