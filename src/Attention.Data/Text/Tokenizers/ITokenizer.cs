namespace Attention.Data.Text;

/// <summary>What special tokens such as <c>&lt;|endoftext|&gt;</c> do when text becomes ids.</summary>
[Flags]
public enum SpecialTokenUse
{
    /// <summary>Text is text: a special token's name in it is spelled out, and nothing is added. Right for what users write.</summary>
    None = 0,

    /// <summary>A special token's name in the text becomes its id. Right for text that a chat template wrote.</summary>
    Parse = 1,

    /// <summary>The tokens that the model expects around a sequence (such as <c>&lt;s&gt;</c> before it) are added.</summary>
    Add = 2,
}

/// <summary>
/// Text to ids and back. Bytes are the common ground: text is UTF-8, and where the scheme has a token for every byte,
/// decoding what was encoded gives the same bytes back, valid UTF-8 or not. All members may be called by several threads at once.
/// </summary>
public interface ITokenizer
{
    /// <summary>One more than the largest id.</summary>
    int VocabularySize { get; }

    /// <summary>Special tokens' ids by their content, such as <c>&lt;|endoftext|&gt;</c>.</summary>
    IReadOnlyDictionary<string, int> SpecialTokens { get; }

    /// <summary>What the files beside the vocabulary say: the tokens' roles and the chat template.</summary>
    TokenizerSettings Settings { get; }

    /// <summary>Appends the ids of a UTF-8 text.</summary>
    void Encode(ReadOnlySpan<byte> utf8, List<int> ids, SpecialTokenUse special = SpecialTokenUse.None);

    /// <summary>The bytes that ids stand for; a character may be cut at either end.</summary>
    /// <exception cref="UserError">An id is not in the vocabulary.</exception>
    byte[] DecodeBytes(ReadOnlySpan<int> ids, bool skipSpecial = true);

    /// <summary>A decoder that takes one id after the other and never gives a part of a character.</summary>
    TokenStream Stream(bool skipSpecial = true);

    /// <summary>A token as the vocabulary writes it, or null where the id has none.</summary>
    string? Piece(int id);

    /// <summary>The id of a token as the vocabulary writes it, or null.</summary>
    int? Find(string piece);
}

/// <summary>Text in place of bytes.</summary>
public static class TokenizerExtensions
{
    /// <summary>The ids of a text. Half a surrogate pair counts as U+FFFD.</summary>
    public static int[] Encode(this ITokenizer tokenizer, string text, SpecialTokenUse special = SpecialTokenUse.None)
    {
        var ids = new List<int>();
        tokenizer.Encode(System.Text.Encoding.UTF8.GetBytes(text), ids, special);
        return [.. ids];
    }

    /// <summary>The text that ids stand for. Bytes that are no UTF-8 become U+FFFD.</summary>
    public static string Decode(this ITokenizer tokenizer, ReadOnlySpan<int> ids, bool skipSpecial = true) =>
        System.Text.Encoding.UTF8.GetString(tokenizer.DecodeBytes(ids, skipSpecial));

    /// <summary>A special token's id by its role (<c>eos_token</c>) or its content (<c>&lt;/s&gt;</c>), or null.</summary>
    public static int? SpecialToken(this ITokenizer tokenizer, string name)
    {
        var content = tokenizer.Settings.Roles.GetValueOrDefault(name, name);
        return tokenizer.SpecialTokens.TryGetValue(content, out int id) ? id : tokenizer.Settings.Roles.ContainsKey(name) ? tokenizer.Find(content) : null;
    }
}
