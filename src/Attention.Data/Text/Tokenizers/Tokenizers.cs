using System.Text;
using System.Text.Json;

namespace Attention.Data.Text;

/// <summary>Loads a tokenizer from whatever a model's folder has.</summary>
public static class Tokenizers
{
    /// <summary>Ids are below this; a larger one in a file is taken for a broken file.</summary>
    internal const int MostTokens = 1 << 22;

    private static readonly string[] sentencePieceNames = ["tokenizer.model", "sentencepiece.bpe.model", "spiece.model", "spm.model", "source.spm"];

    /// <summary>
    /// The tokenizer of a file or a folder. A file may be a <c>tokenizer.json</c>, a SentencePiece <c>.model</c>, a tiktoken
    /// rank file, <c>vocab.json</c> or <c>merges.txt</c> (with the other beside it), or WordPiece's <c>vocab.txt</c>; of a
    /// Hugging Face folder the first of these that it has. <c>tokenizer_config.json</c> beside it is read, too.
    /// </summary>
    /// <exception cref="UserError">There is none, or a file is broken.</exception>
    public static Tokenizer Load(string path)
    {
        try
        {
            if (Directory.Exists(path))
                return LoadFolder(path);
            if (!File.Exists(path))
                throw new UserError($"there is no file or folder '{path}'", "name a tokenizer's file, or the folder of a model");
            return LoadFile(path, SettingsFiles.Load(Path.GetDirectoryName(Path.GetFullPath(path))!));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"'{path}' cannot be read: {e.Message}", "check the file and its permissions", e);
        }
    }

    /// <summary>Copies a tokenizer's file, or those of a folder, and what belongs to it, into another folder.</summary>
    /// <param name="path">As <see cref="Load"/> takes it.</param>
    /// <param name="folder">Where to; it is there.</param>
    public static void Copy(string path, string folder)
    {
        var from = Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;
        var names = new HashSet<string>(sentencePieceNames) { "tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja" };
        foreach (var file in Directory.EnumerateFiles(from))
        {
            var name = Path.GetFileName(file);
            bool wanted = Directory.Exists(path)
                ? names.Contains(name) || name.EndsWith(".tiktoken", StringComparison.OrdinalIgnoreCase)
                : name == Path.GetFileName(path) || names.Contains(name);
            if (wanted)
                File.Copy(file, Path.Combine(folder, name), overwrite: true);
        }
    }

    private static Tokenizer LoadFolder(string folder)
    {
        string File(string name) => Path.Combine(folder, name);
        var settings = SettingsFiles.Load(folder);
        var names = new[] { "tokenizer.json" }.Concat(sentencePieceNames)
            .Concat(Directory.EnumerateFiles(folder, "*.tiktoken").Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal))
            .Append("merges.txt").Append("vocab.txt").ToArray();
        return names.FirstOrDefault(name => System.IO.File.Exists(File(name))) is { } found ? LoadFile(File(found), settings)
            : throw new UserError($"the folder '{folder}' has no tokenizer", $"put one of these into it: {string.Join(", ", names.Distinct())}");
    }

    private static Tokenizer LoadFile(string path, TokenizerSettings settings)
    {
        var name = Path.GetFileName(path);
        if (name is "vocab.json" or "merges.txt")
            return LoadVocabularyAndMerges(Path.GetDirectoryName(path) ?? "", settings);
        if (name.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            return TokenizerJson.Load(path, settings);
        if (new FileInfo(path).Length == 0)
            throw new UserError($"'{path}' is empty", "copy or download it again");
        // Llama 3's tokenizer.model is a rank file, other models' are SentencePiece's.
        if (name.EndsWith(".tiktoken", StringComparison.OrdinalIgnoreCase) || TiktokenFile.Recognises(Beginning(path)))
            return TiktokenFile.Load(path, settings);
        if (name.EndsWith(".model", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".spm", StringComparison.OrdinalIgnoreCase))
            return new SentencePieceTokenizer(SentencePieceFile.Load(path), settings);
        if (name.EndsWith(".txt", StringComparison.OrdinalIgnoreCase))
            return LoadWordPiece(path, settings);
        throw new UserError($"'{path}' is no tokenizer's file", "name a tokenizer.json, .model, .tiktoken, vocab.json or vocab.txt, or a folder with one");
    }

    private static ReadOnlySpan<byte> Beginning(string path)
    {
        using var file = File.OpenRead(path);
        var bytes = new byte[4096];
        return bytes.AsSpan(0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
    }

    /// <summary>GPT-2's files: the vocabulary as JSON, the merges as lines.</summary>
    private static Tokenizer LoadVocabularyAndMerges(string folder, TokenizerSettings settings)
    {
        var (vocabularyFile, mergesFile) = (Path.Combine(folder, "vocab.json"), Path.Combine(folder, "merges.txt"));
        foreach (var (needed, other) in new[] { (vocabularyFile, mergesFile), (mergesFile, vocabularyFile) })
            if (!File.Exists(needed))
                throw new UserError($"'{other}' needs '{Path.GetFileName(needed)}' beside it", "copy or download both");
        var vocabulary = JsonPart.Load(vocabularyFile).Entries().ToDictionary(entry => entry.Key, entry => entry.Part.Id());
        if (vocabulary.Count == 0)
            throw new UserError($"'{vocabularyFile}' has no tokens", "copy or download it again");
        var pieces = new byte[]?[vocabulary.Values.Max() + 1];
        foreach (var (token, id) in vocabulary)
            pieces[id] = ByteAlphabet.ToBytes(token) ?? Encoding.UTF8.GetBytes(token);
        var pairs = new Dictionary<long, (int, int)>();
        int number = 0;
        foreach (var line in File.ReadLines(mergesFile))
        {
            number++;
            if (line == "" || number == 1 && line.StartsWith("#version", StringComparison.Ordinal))
                continue;
            if (line.Split(' ') is not [var left, var right] || !vocabulary.TryGetValue(left, out int leftId)
                || !vocabulary.TryGetValue(right, out int rightId) || !vocabulary.TryGetValue(left + right, out int whole))
                throw new UserError($"'{mergesFile}' line {number} is '{line}', which is no pair of tokens of 'vocab.json'", "copy or download both files again");
            pairs[PairRule.Key(leftId, rightId)] = (pairs.Count, whole);
        }
        var added = settings.AddedTokens.Concat(Named(settings, vocabulary)).DistinctBy(token => token.Content).Select(token => token with { Normalized = false });
        return new BytePairTokenizer(BytePairModel.OfMerges(pieces, pairs, wholeWords: false), new Gpt2Scanner(), [.. added], settings);
    }

    /// <summary>BERT's file: a token on each line.</summary>
    private static Tokenizer LoadWordPiece(string path, TokenizerSettings settings)
    {
        var vocabulary = new Dictionary<string, int>();
        int id = 0;
        foreach (var line in File.ReadLines(path))
        {
            if (id >= MostTokens)
                throw new UserError($"'{path}' has more than {MostTokens} tokens", "check that it is a vocabulary");
            vocabulary.TryAdd(line.TrimEnd(), id++);
        }
        if (!vocabulary.ContainsKey("[UNK]"))
            throw new UserError($"'{path}' is no WordPiece vocabulary: it has no token [UNK]", "name BERT's vocab.txt, or another tokenizer's file");
        string[] special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        var added = settings.AddedTokens.Concat(special.Where(vocabulary.ContainsKey).Select(token => new AddedToken(vocabulary[token], token, IsSpecial: true)))
            .DistinctBy(token => token.Content).ToList();
        int[] Of(string token) => vocabulary.TryGetValue(token, out int found) ? [found] : [];
        var model = new WordPieceModel { Vocabulary = vocabulary, Unknown = "[UNK]", Prefix = "##", LongestWord = 100 };
        return new PipelineTokenizer(model, added, settings, Normalizers.Bert(true, true, settings.LowerCase, settings.LowerCase), (Of("[CLS]"), Of("[SEP]")))
        {
            Split = PreTokenizers.Bert,
            Join = TokenDecoders.WordPiece("##", cleanUp: true),
        };
    }

    /// <summary>The tokens that the settings name by a role and the vocabulary has.</summary>
    private static IEnumerable<AddedToken> Named(TokenizerSettings settings, Dictionary<string, int> vocabulary)
    {
        var contents = settings.Roles.Count > 0 ? settings.Roles.Values : ["<|endoftext|>"];
        return contents.Where(vocabulary.ContainsKey).Select(content => new AddedToken(vocabulary[content], content, IsSpecial: true));
    }
}
