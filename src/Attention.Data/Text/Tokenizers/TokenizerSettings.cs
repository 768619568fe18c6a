namespace Attention.Data.Text;

/// <summary>What <c>tokenizer_config.json</c> and <c>special_tokens_map.json</c> say about a vocabulary.</summary>
public sealed record TokenizerSettings
{
    /// <summary>Nothing said.</summary>
    public static TokenizerSettings Empty { get; } = new();

    /// <summary>Special tokens' contents by role: <c>bos_token</c>, <c>eos_token</c>, <c>pad_token</c>, <c>unk_token</c> and others.</summary>
    public IReadOnlyDictionary<string, string> Roles { get; init; } = new Dictionary<string, string>();

    /// <summary>The chat template (Jinja), or null.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Chat templates for other uses than the default, by name.</summary>
    public IReadOnlyDictionary<string, string> NamedChatTemplates { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether a sequence begins with <c>bos_token</c>, where the vocabulary's own file does not say.</summary>
    public bool? AddBos { get; init; }

    /// <summary>Whether a sequence ends with <c>eos_token</c>, where the vocabulary's own file does not say.</summary>
    public bool? AddEos { get; init; }

    /// <summary>Whether text is put into lower case, for vocabularies of BERT without a file that says; true unless given.</summary>
    public bool LowerCase { get; init; } = true;

    /// <summary>Tokens that the settings add to the vocabulary.</summary>
    internal IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];
}
