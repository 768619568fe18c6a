using Attention.Data.Text;
using Attention.Engine.Configuration;

namespace Attention.Engine.Data;

/// <summary>Documents to train on and others to measure on: JSON lines, dialogues, token shards.</summary>
internal static class DocumentData
{
    // Held-out tokens that are decoded to count their bytes.
    private const int MostDecoded = 2_000_000;

    /// <param name="config">The data.</param>
    /// <param name="train">Sizes of batches.</param>
    /// <param name="seed">Decides the order.</param>
    /// <param name="say">Is told what takes time.</param>
    /// <exception cref="UserError">The data are missing, broken or too few.</exception>
    public static TokenData Open(DocumentsConfig config, TrainConfig train, int seed, Action<string> say)
    {
        var (tokenizerPath, packed) = config switch
        {
            JsonLinesConfig lines => (lines.tokenizer, true),
            ChatConfig chat => (chat.tokenizer, chat.packed),
            TokenShardsConfig shards => (shards.tokenizer, shards.packed),
            _ => throw new ArgumentException($"no documents in {config.GetType().Name}"),
        };
        var tokenizer = tokenizerPath is null ? null : Tokenizers.Load(tokenizerPath);
        var (trained, held) = Stores(config, tokenizer, say);
        if (tokenizer is not null && config is TokenShardsConfig && Vocabulary(trained) is { } size && size != tokenizer.VocabularySize)
            throw new UserError($"'{config.path}' was made with a vocabulary of {size} tokens, but the tokenizer '{tokenizerPath}' has {tokenizer.VocabularySize}", "give the tokenizer that made the shards");
        ITokenSource Source(ITokenStore store, int batch, bool shuffle) => packed
            ? new PackedWindows(store, config.context, batch, seed, shuffle, config.boundary)
            : new DocumentRows(store, config.context, batch, seed, shuffle);
        var source = Source(trained, train.batch_size, shuffle: true);
        return new TokenData
        {
            Train = config.steps_per_epoch is { } steps ? new FixedEpochs(source, steps) : source,
            Held = Source(held, train.eval_batch_size ?? train.batch_size, shuffle: false),
            VocabularySize = tokenizer?.VocabularySize ?? Vocabulary(trained)!.Value,
            Description = $"{trained.Tokens:N0} tokens of {trained.Documents:N0} documents to train on, {held.Tokens:N0} of {held.Documents:N0} held out",
            EvaluationSteps = config.eval_steps,
            BytesPerToken = tokenizer is null || held.HasAnswers ? null : BytesPerToken(held, tokenizer),
            KeepTokenizer = folder =>
            {
                if (tokenizerPath is null)
                    return;
                Directory.CreateDirectory(folder);
                Tokenizers.Copy(tokenizerPath, folder);
            },
        };
    }

    private static (ITokenStore Train, ITokenStore Held) Stores(DocumentsConfig config, ITokenizer? tokenizer, Action<string> say)
    {
        var all = Open(config, config.path, tokenizer, say);
        if (config.val is { } other)
            return (all, Open(config, other, tokenizer, say));
        long held = Math.Max(1, (long)(all.Documents * config.val_share));
        if (all.Documents < 2)
            throw new UserError($"'{config.path}' has {all.Documents} documents, so that none can be held out", "name others to measure on with data.val");
        return (new DocumentRange(all, 0, all.Documents - held), new DocumentRange(all, all.Documents - held, held));
    }

    private static ITokenStore Open(DocumentsConfig config, string path, ITokenizer? tokenizer, Action<string> say)
    {
        if (config is TokenShardsConfig)
            return TokenShards.Open(path);
        say($"encoding {path}");
        var options = config switch
        {
            ChatConfig chat => new CorpusOptions
            {
                Format = new CorpusFormat.Chat(chat.field),
                ChatTemplate = chat.template is null ? null : File.Exists(chat.template) ? File.ReadAllText(chat.template) : throw new UserError($"there is no chat template '{chat.template}'", "correct data.template"),
            },
            JsonLinesConfig lines => new CorpusOptions { Format = new CorpusFormat.JsonLines(lines.field) },
            _ => throw new ArgumentException($"no documents in {config.GetType().Name}"),
        };
        var list = new CorpusTokenizer(tokenizer!, options).Load([path]);
        return list.Documents > 0 ? list : throw new UserError($"there is no text in '{path}'", "give a file with some");
    }

    private static int? Vocabulary(ITokenStore store) => store switch
    {
        TokenShards shards => shards.VocabularySize,
        DocumentRange part => Vocabulary(part.Whole),
        _ => null,
    };

    private static double BytesPerToken(ITokenStore store, ITokenizer tokenizer)
    {
        var tokens = new long[Math.Min(store.Tokens, MostDecoded)];
        store.Read(0, tokens);
        return (double)tokenizer.DecodeBytes([.. tokens.Select(token => (int)token)]).Length / tokens.Length;
    }
}
