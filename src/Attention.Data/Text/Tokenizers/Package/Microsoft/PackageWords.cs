using System.Text;
using System.Text.Unicode;
using Microsoft.ML.Tokenizers;

namespace Attention.Data.Text;

/// <summary>
/// Merging by Microsoft.ML.Tokenizers, word by word: it takes text in place of bytes, and its own way of splitting knows no
/// characters beyond U+FFFF as letters, so that words come from our splitter and bytes that are no UTF-8 go to our merger.
/// </summary>
internal sealed class PackageWords
{
    private readonly TiktokenTokenizer tokenizer;

    private PackageWords(TiktokenTokenizer tokenizer) => this.tokenizer = tokenizer;

    /// <summary>The merger of a rank file.</summary>
    public static PackageWords? Load(string path)
    {
        using var ranks = File.OpenRead(path);
        return new(TiktokenTokenizer.Create(ranks, preTokenizer: null, normalizer: null));
    }

    /// <summary>Appends the ids of a word.</summary>
    /// <returns>Whether the word is text.</returns>
    public bool TryEncode(ReadOnlySpan<byte> word, List<int> ids)
    {
        if (!Utf8.IsValid(word))
            return false;
        ids.AddRange(tokenizer.EncodeToIds(Encoding.UTF8.GetString(word), considerPreTokenization: false, considerNormalization: false));
        return true;
    }
}
