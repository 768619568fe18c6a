using System.ComponentModel.DataAnnotations;

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
