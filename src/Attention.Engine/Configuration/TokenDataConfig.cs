using System.ComponentModel.DataAnnotations;
using Attention.Data.Text;

namespace Attention.Engine.Configuration;

/// <summary>Sequences of tokens to learn to continue.</summary>
public abstract record TokenDataConfig : DataConfig
{
    /// <summary>Tokens of a sequence.</summary>
    [Range(1, 1 << 24)]
    public int context { get; init; } = 1024;

    /// <summary>Training batches of an epoch; null for one pass over the data.</summary>
    [Range(1, int.MaxValue)]
    public int? steps_per_epoch { get; init; }

    /// <summary>The most batches on which the model is measured; null for all.</summary>
    [Range(1, int.MaxValue)]
    public int? eval_steps { get; init; }
}

/// <summary>Text in UTF-8: windows of it at random places to train on, windows one after the other to measure.</summary>
public sealed record TextConfig : TokenDataConfig
{
    /// <summary>A text file, or a folder whose .txt files count in the order of their names; ${NAME} takes an environment variable.</summary>
    [Required]
    public string path { get; init; } = null!;

    /// <summary>The text on which the model is measured, a file or a folder; null for the last part of the other.</summary>
    public string? val { get; init; }

    /// <summary>How much the last part is, where there is no other text to measure on.</summary>
    [Range(0, 1, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double val_share { get; init; } = 0.1;

    /// <summary>characters for one token a character, as far as the text has them; else a tokenizer's file, or a folder with one.</summary>
    [Required]
    public string tokenizer { get; init; } = "characters";
}

/// <summary>Documents, of which some are held out to measure on.</summary>
public abstract record DocumentsConfig : TokenDataConfig
{
    /// <summary>A file, or a folder of files; ${NAME} takes an environment variable.</summary>
    [Required]
    public string path { get; init; } = null!;

    /// <summary>The documents on which the model is measured, a file or a folder; null for the last of the others.</summary>
    public string? val { get; init; }

    /// <summary>How many of the documents are the last ones, where there are no others to measure on.</summary>
    [Range(0, 1, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double val_share { get; init; } = 0.05;

    /// <summary>Whether a document's first token is asked for after the last of the one before it, in packed windows.</summary>
    public DocumentBoundary boundary { get; init; } = DocumentBoundary.Joined;
}

/// <summary>Text in a field of JSON lines, each a document; kept in memory. Large data belong into token shards.</summary>
public sealed record JsonLinesConfig : DocumentsConfig
{
    /// <summary>The field with the text; dots lead into objects.</summary>
    [Required]
    public string field { get; init; } = "text";

    /// <summary>A tokenizer's file, or a folder with one.</summary>
    [Required]
    public string tokenizer { get; init; } = null!;
}

/// <summary>Dialogues in JSON lines, of which the assistant's answers alone are learnt; kept in memory.</summary>
public sealed record ChatConfig : DocumentsConfig
{
    /// <summary>The field with the list of messages; null for messages, else conversations.</summary>
    public string? field { get; init; }

    /// <summary>A tokenizer's file, or a folder with one.</summary>
    [Required]
    public string tokenizer { get; init; } = null!;

    /// <summary>A file with the chat template (Jinja); null for the tokenizer's own.</summary>
    public string? template { get; init; }

    /// <summary>Whether dialogues follow each other in windows of the same length, rather than having a row each.</summary>
    public bool packed { get; init; }
}

/// <summary>Shards that <c>./attention data tokenize</c> made; nothing is read but what is trained on.</summary>
public sealed record TokenShardsConfig : DocumentsConfig
{
    /// <summary>The tokenizer that made the shards, which the run then keeps, so that its model generates text; null for none.</summary>
    public string? tokenizer { get; init; }

    /// <summary>Whether documents follow each other in windows of the same length, rather than having a row each.</summary>
    public bool packed { get; init; } = true;
}

/// <summary>
/// Multi-query associative recall, made as it is needed: pairs of keys and values, then questions for the values (Arora et al.,
/// Zoology, arXiv:2312.04927). The model is measured by the share of right answers.
/// </summary>
public sealed record AssociativeRecallConfig : TokenDataConfig
{
    /// <summary>Tokens there are: one half keys, the other values.</summary>
    [Range(4, 1 << 24)]
    public int vocab_size { get; init; } = 8192;

    /// <summary>Numbers of pairs, taken in turn from batch to batch.</summary>
    [Range(1, int.MaxValue)]
    public int[] pairs { get; init; } = [4, 8, 16];
}

/// <summary>
/// Induction heads, made as they are needed: the token is asked for that followed a mark before (Dao et al., Hungry Hungry Hippos,
/// arXiv:2212.14052). The model is measured by the share of right answers.
/// </summary>
public sealed record InductionConfig : TokenDataConfig
{
    /// <summary>Tokens there are; the last is the mark.</summary>
    [Range(3, 1 << 24)]
    public int vocab_size { get; init; } = 32;
}

/// <summary>
/// Copying, made as it is needed: a random sequence, a mark, and the sequence again (Jelassi et al., Repeat After Me,
/// arXiv:2402.01032). The model is measured by the share of right tokens.
/// </summary>
public sealed record CopyingConfig : TokenDataConfig
{
    /// <summary>Tokens there are; the last is the mark.</summary>
    [Range(3, 1 << 24)]
    public int vocab_size { get; init; } = 32;

    /// <summary>Tokens to copy, at most half of the context, taken in turn from batch to batch.</summary>
    [Range(1, int.MaxValue)]
    public int[] lengths { get; init; } = [16];
}
