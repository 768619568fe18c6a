using System.Runtime.InteropServices;
using System.Text.Json;

namespace Attention.Data.Text;

/// <summary>What a byte-level BPE is trained to.</summary>
public sealed record BytePairTrainingOptions
{
    /// <summary>Tokens in all: 256 bytes, the special tokens, and merges for the rest.</summary>
    public int VocabularySize { get; init; } = 32000;

    /// <summary>How often a pair must be there to be merged.</summary>
    public int MinFrequency { get; init; } = 2;

    /// <summary>Tokens that stand for no text; they get the first ids.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = ["<|endoftext|>"];

    /// <summary>How text is split into words: one of <see cref="BytePairTrainer.Splits"/>.</summary>
    public string Split { get; init; } = "gpt2";
}

/// <summary>
/// Trains a byte-level BPE (Sennrich et al. 2016): again and again the most frequent pair of neighbours becomes a token. Among
/// pairs of the same frequency, the one with the smaller ids goes first, so that the same text always gives the same file.
/// </summary>
public sealed class BytePairTrainer
{
    // A longer word is no word, and would cost its length with every merge in it.
    private const int LongestWord = 1024;

    private static readonly Dictionary<string, string> patterns = new()
    {
        ["gpt2"] = SplitPatterns.Gpt2,
        ["llama3"] = SplitPatterns.Llama3,
        ["qwen2"] = SplitPatterns.Qwen2,
        ["o200k"] = SplitPatterns.O200k,
    };

    private readonly BytePairTrainingOptions options;
    private readonly WordScanner scanner;
    private readonly AddedTokens special;
    private readonly Dictionary<byte[], long> words = ByteComparer.Dictionary<long>();

    /// <exception cref="UserError">The options do not fit together.</exception>
    public BytePairTrainer(BytePairTrainingOptions options)
    {
        int least = 256 + options.SpecialTokens.Count;
        if (options.VocabularySize < least || options.VocabularySize > Tokenizers.MostTokens)
            throw new UserError($"a vocabulary of {options.VocabularySize} tokens is out of bounds",
                $"ask for {least} (256 bytes and {options.SpecialTokens.Count} special tokens) to {Tokenizers.MostTokens}");
        if (!patterns.TryGetValue(options.Split, out var pattern))
            throw new UserError($"there is no way to split text named '{options.Split}'", Spelling.Advice(options.Split, Splits));
        if (options.SpecialTokens.Distinct().Count() < options.SpecialTokens.Count || options.SpecialTokens.Contains(""))
            throw new UserError("a special token is empty or there twice", "name each once");
        this.options = options;
        scanner = SplitPatterns.Scanner(pattern)!;
        special = new(options.SpecialTokens.Select((content, id) => new AddedToken(id, content, IsSpecial: true)));
    }

    /// <summary>The ways to split text, by the vocabularies that introduced them.</summary>
    public static IReadOnlyCollection<string> Splits => patterns.Keys;

    /// <summary>Counts the words of a UTF-8 text. Special tokens in it separate words.</summary>
    public void Feed(ReadOnlySpan<byte> text)
    {
        foreach (var part in special.Split(text))
            if (part.Id < 0)
                Count(text[part.Start..part.End]);
    }

    /// <summary>Finds the merges.</summary>
    /// <exception cref="UserError">There was no text.</exception>
    public TrainedBytePairs Train(CancellationToken cancel = default)
    {
        if (words.Count == 0)
            throw new UserError("there is no text to train a tokenizer on", "give a file with text");
        var pieces = options.SpecialTokens.Concat(Enumerable.Range(0, 256).Select(value => ByteAlphabet.Character((byte)value)).Order().Select(c => c.ToString())).ToList();
        var training = new Training(words, pieces, options.SpecialTokens.Count);
        while (pieces.Count < options.VocabularySize && training.Merge(options.MinFrequency))
            cancel.ThrowIfCancellationRequested();
        return new(pieces, training.Merges, options.SpecialTokens, options.Split == "gpt2" ? null : patterns[options.Split]);
    }

    private void Count(ReadOnlySpan<byte> text)
    {
        var lookup = words.GetAlternateLookup<ReadOnlySpan<byte>>();
        for (int start = 0, end; start < text.Length; start = end)
        {
            end = scanner.Next(text, start);
            for (; end - start > LongestWord; start += LongestWord)
                CollectionsMarshal.GetValueRefOrAddDefault(lookup, text.Slice(start, LongestWord), out _)++;
            CollectionsMarshal.GetValueRefOrAddDefault(lookup, text[start..end], out _)++;
        }
    }

    /// <summary>The words as they are now, and how often each pair is in them.</summary>
    private sealed class Training
    {
        private readonly List<string> pieces;
        private readonly List<(List<int> Symbols, long Count)> words = [];
        private readonly Dictionary<string, int> known = [];
        private readonly Dictionary<long, long> counts = [];
        private readonly Dictionary<long, HashSet<int>> places = [];
        private readonly PriorityQueue<(int Left, int Right, long Count), (long, int, int)> queue = new();

        public Training(Dictionary<byte[], long> wordCounts, List<string> pieces, int firstByte)
        {
            this.pieces = pieces;
            var ids = new int[256];
            for (int id = firstByte; id < pieces.Count; id++)
                ids[ByteAlphabet.ToBytes(pieces[id])![0]] = id;
            foreach (var (word, count) in wordCounts)
            {
                words.Add(([.. word.Select(value => ids[value])], count));
                AddPairs(words.Count - 1, +1, null);
            }
            foreach (long pair in counts.Keys)
                Enqueue(pair);
        }

        public List<(int Left, int Right)> Merges { get; } = [];

        /// <summary>Merges the most frequent pair, if it is frequent enough.</summary>
        public bool Merge(int minFrequency)
        {
            while (queue.TryDequeue(out var best, out _))
            {
                long pair = PairRule.Key(best.Left, best.Right);
                if (counts.GetValueOrDefault(pair) != best.Count)
                    continue;
                if (best.Count < Math.Max(1, minFrequency))
                    return false;
                // "ab"+"c" and "a"+"bc" spell the same token; the vocabulary has it once.
                var text = pieces[best.Left] + pieces[best.Right];
                int id = known.TryGetValue(text, out int found) ? found : pieces.Count;
                if (id == pieces.Count)
                {
                    pieces.Add(text);
                    known[text] = id;
                }
                Merges.Add((best.Left, best.Right));
                Replace(pair, best.Left, best.Right, id);
                return true;
            }
            return false;
        }

        private void Replace(long pair, int left, int right, int id)
        {
            var changed = new HashSet<long>();
            places.Remove(pair, out var found);
            foreach (int word in found!)
            {
                AddPairs(word, -1, changed);
                var symbols = words[word].Symbols;
                int kept = 0;
                for (int i = 0; i < symbols.Count; i++)
                {
                    bool isPair = i + 1 < symbols.Count && symbols[i] == left && symbols[i + 1] == right;
                    symbols[kept++] = isPair ? id : symbols[i];
                    if (isPair)
                        i++;
                }
                symbols.RemoveRange(kept, symbols.Count - kept);
                AddPairs(word, +1, changed);
            }
            foreach (long other in changed)
            {
                if (counts[other] > 0)
                    Enqueue(other);
                else
                    counts.Remove(other);
            }
        }

        private void AddPairs(int word, int sign, HashSet<long>? changed)
        {
            var (symbols, count) = words[word];
            for (int i = 0; i + 1 < symbols.Count; i++)
            {
                long pair = PairRule.Key(symbols[i], symbols[i + 1]);
                CollectionsMarshal.GetValueRefOrAddDefault(counts, pair, out _) += sign * count;
                changed?.Add(pair);
                if (sign > 0)
                    (CollectionsMarshal.GetValueRefOrAddDefault(places, pair, out _) ??= []).Add(word);
            }
        }

        private void Enqueue(long pair)
        {
            var (left, right) = ((int)(pair >> 32), (int)pair);
            queue.Enqueue((left, right, counts[pair]), (-counts[pair], left, right));
        }
    }
}

/// <summary>A trained byte-level BPE, to be saved as a <c>tokenizer.json</c>.</summary>
public sealed class TrainedBytePairs
{
    private readonly IReadOnlyList<string> pieces, special;
    private readonly IReadOnlyList<(int Left, int Right)> merges;
    private readonly string? pattern;

    internal TrainedBytePairs(IReadOnlyList<string> pieces, IReadOnlyList<(int, int)> merges, IReadOnlyList<string> special, string? pattern) =>
        (this.pieces, this.merges, this.special, this.pattern) = (pieces, merges, special, pattern);

    /// <summary>Tokens in all; fewer than asked for where the text has no more pairs.</summary>
    public int VocabularySize => pieces.Count;

    /// <summary>Writes the file that <see cref="Tokenizers.Load"/> and Hugging Face's tokenizers read.</summary>
    public void Save(string path) => TokenizerFile.Write(path, json =>
    {
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        for (int id = 0; id < special.Count; id++)
        {
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", special[id]);
            foreach (var flag in new[] { "single_word", "lstrip", "rstrip", "normalized" })
                json.WriteBoolean(flag, false);
            json.WriteBoolean("special", true);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteNull("normalizer");
        WritePreTokenizer(json);
        json.WriteNull("post_processor");
        WriteByteLevel(json, "decoder", useRegex: true);
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        foreach (var absent in new[] { "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix" })
            json.WriteNull(absent);
        foreach (var flag in new[] { "fuse_unk", "byte_fallback", "ignore_merges" })
            json.WriteBoolean(flag, false);
        json.WriteStartObject("vocab");
        for (int id = 0; id < pieces.Count; id++)
            json.WriteNumber(pieces[id], id);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (var (left, right) in merges)
            json.WriteStringValue($"{pieces[left]} {pieces[right]}");
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    });

    private void WritePreTokenizer(Utf8JsonWriter json)
    {
        if (pattern is null)
        {
            WriteByteLevel(json, "pre_tokenizer", useRegex: true);
            return;
        }
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        json.WriteStartObject();
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", pattern);
        json.WriteEndObject();
        json.WriteString("behavior", "Isolated");
        json.WriteBoolean("invert", false);
        json.WriteEndObject();
        WriteByteLevel(json, null, useRegex: false);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, string? key, bool useRegex)
    {
        if (key is null) json.WriteStartObject();
        else json.WriteStartObject(key);
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", useRegex);
        json.WriteEndObject();
    }
}
