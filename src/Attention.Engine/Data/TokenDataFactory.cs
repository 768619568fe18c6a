using Attention.Data.Text;
using Attention.Engine.Configuration;

namespace Attention.Engine.Data;

/// <summary>What a language model is trained on and measured by.</summary>
public sealed record TokenData
{
    public required ITokenSource Train { get; init; }
    public required ITokenSource Held { get; init; }

    /// <summary>Tokens there are.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>For people: <c>1,003,854 tokens to train on, 111,540 held out</c>.</summary>
    public required string Description { get; init; }

    /// <summary>The most batches that are measured; null for all.</summary>
    public int? EvaluationSteps { get; init; }

    /// <summary>Whether answers are right or wrong, rather than likely or not.</summary>
    public bool IsRecall { get; init; }

    /// <summary>Bytes of the held-out text over its tokens; null where it is no text.</summary>
    public double? BytesPerToken { get; init; }

    /// <summary>Writes the tokenizer into a folder, which is made for it; does nothing where there is none.</summary>
    public Action<string> KeepTokenizer { get; init; } = _ => { };
}

/// <summary>Opens the sequences that a config names.</summary>
public static class TokenDataFactory
{
    // Evaluation of what is made as needed: enough sequences for a share in thousandths.
    private const int MadeForEvaluation = 1000;

    /// <param name="config">The run's config; its data are tokens.</param>
    /// <param name="say">Is told what takes time.</param>
    /// <exception cref="UserError">The data are missing, or not what they should be.</exception>
    public static TokenData Open(ExperimentConfig config, Action<string> say) => config.data switch
    {
        TextConfig text => OpenText(text, config.train, config.seed, say),
        DocumentsConfig documents => DocumentData.Open(documents, config.train, config.seed, say),
        AssociativeRecallConfig recall => MakeRecall(recall, config.train, config.seed),
        InductionConfig induction => MakeInduction(induction, config.train, config.seed),
        CopyingConfig copying => MakeCopying(copying, config.train, config.seed),
        _ => throw new ArgumentException($"no tokens in {config.data.GetType().Name}"),
    };

    private static TokenData OpenText(TextConfig data, TrainConfig train, int seed, Action<string> say)
    {
        var text = TextFiles.Read(data.path);
        string held;
        if (data.val is { } other)
            held = TextFiles.Read(other);
        else
        {
            int cut = (int)(text.Length * (1 - data.val_share));
            // Not within a character.
            if (cut < text.Length && char.IsLowSurrogate(text[cut]))
                cut++;
            (text, held) = (text[..cut], text[cut..]);
        }
        bool characters = data.tokenizer == "characters";
        var tokenizer = characters ? CharacterTokenizer.Train(text + held) : Tokenizers.Load(data.tokenizer);
        if (text.Length > 10_000_000)
            say($"encoding {data.path}");
        var (trained, measured) = (tokenizer.Encode(text), tokenizer.Encode(held));
        if (trained.Length <= data.context || measured.Length < 2)
            throw new UserError($"'{data.path}' has {trained.Length} tokens to train on and {measured.Length} held out, which is too few for a context of {data.context}",
                "give more text, or lower data.context");
        int steps = data.steps_per_epoch ?? Math.Max(1, trained.Length / (train.batch_size * data.context));
        return new TokenData
        {
            Train = new RandomWindows(trained, data.context, train.batch_size, steps, seed),
            Held = new SequentialWindows(measured, data.context, train.eval_batch_size ?? train.batch_size),
            VocabularySize = tokenizer.VocabularySize,
            Description = $"{trained.Length:N0} tokens to train on, {measured.Length:N0} held out",
            EvaluationSteps = data.eval_steps,
            BytesPerToken = (double)System.Text.Encoding.UTF8.GetByteCount(held) / measured.Length,
            KeepTokenizer = folder =>
            {
                Directory.CreateDirectory(folder);
                if (tokenizer is CharacterTokenizer made)
                    made.Save(Path.Combine(folder, "tokenizer.json"));
                else
                    Tokenizers.Copy(data.tokenizer, folder);
            },
        };
    }

    private static TokenData MakeRecall(AssociativeRecallConfig data, TrainConfig train, int seed)
    {
        int most = data.pairs.DefaultIfEmpty(0).Max();
        if (data.pairs.Length == 0 || data.pairs.Min() < 1 || 4 * most > data.context || most >= data.vocab_size / 2)
            throw new UserError($"data.pairs is [{string.Join(", ", data.pairs)}], but each must be at least 1, at most a quarter of data.context ({data.context}) and below half of data.vocab_size ({data.vocab_size})",
                "choose fewer pairs, or a longer context and a larger vocabulary");
        return Made(data, train, data.vocab_size, $"sequences with {string.Join(", ", data.pairs)} pairs", data.pairs.Length, (batch, steps, held) =>
            new AssociativeRecall(data.vocab_size, data.pairs, data.context, batch, steps, Seed(seed, held), held));
    }

    private static TokenData MakeInduction(InductionConfig data, TrainConfig train, int seed) => data.context < 3
        ? throw new UserError($"data.context is {data.context}, but an induction takes 3 tokens at least", "raise it")
        : Made(data, train, data.vocab_size, "sequences with a mark that comes again", 1, (batch, steps, held) =>
            new InductionHeads(data.vocab_size, data.context, batch, steps, Seed(seed, held), held));

    private static TokenData MakeCopying(CopyingConfig data, TrainConfig train, int seed) => data.lengths.Length == 0 || data.lengths.Min() < 1 || 2 * data.lengths.Max() > data.context
        ? throw new UserError($"data.lengths is [{string.Join(", ", data.lengths)}], but each must be at least 1 and at most half of data.context ({data.context})", "choose shorter ones, or a longer context")
        : Made(data, train, data.vocab_size, $"sequences with {string.Join(", ", data.lengths)} tokens to copy", data.lengths.Length, (batch, steps, held) =>
            new Copying(data.vocab_size, data.lengths, batch, steps, Seed(seed, held), held));

    // Another seed for what is measured, so that no sequence is in both.
    private static long Seed(int seed, bool held) => held ? ~(long)seed : seed;

    private static TokenData Made(TokenDataConfig data, TrainConfig train, int vocabulary, string what, int kinds, Func<int, int, bool, ITokenSource> source)
    {
        const int usual = 500;
        int batch = train.eval_batch_size ?? train.batch_size;
        int measured = data.eval_steps ?? Math.Max(kinds, (MadeForEvaluation + batch - 1) / batch);
        return new TokenData
        {
            Train = source(train.batch_size, data.steps_per_epoch ?? usual, false),
            Held = source(batch, measured, true),
            VocabularySize = vocabulary,
            Description = $"{what} made as they are needed, {measured * batch:N0} held out",
            IsRecall = true,
        };
    }
}
