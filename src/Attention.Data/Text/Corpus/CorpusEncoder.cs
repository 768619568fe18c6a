using System.Text;
using System.Text.Json;

namespace Attention.Data.Text;

/// <summary>A document as tokens, or a part of it.</summary>
/// <param name="Ids">Its tokens.</param>
/// <param name="Answers">Which of them belong to a dialogue's answers; null where all count.</param>
/// <param name="EndsDocument">Whether the document ends with it.</param>
internal readonly record struct EncodedPiece(int[] Ids, bool[]? Answers, bool EndsDocument);

/// <summary>Turns pieces of files into tokens; may be called by several threads at once.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="begin">The token before each document, or null.</param>
/// <param name="end">The token after each document, or null.</param>
/// <param name="chat">The template of dialogues; needed for those.</param>
internal sealed class CorpusEncoder(ITokenizer tokenizer, int? begin, int? end, ChatTemplate? chat)
{
    private static readonly JsonDocumentOptions jsonOptions = new() { MaxDepth = 64 };

    /// <param name="piece">The piece.</param>
    /// <param name="isFirst">Whether a document begins with it.</param>
    /// <param name="format">What it is.</param>
    /// <exception cref="UserError">A line is no JSON, or lacks its field.</exception>
    public EncodedPiece Encode(CorpusPiece piece, bool isFirst, CorpusFormat format)
    {
        if (format is CorpusFormat.Chat dialogue)
            return Parse(piece, root => Dialogue(root, piece, dialogue.Field));
        var text = format is CorpusFormat.JsonLines lines ? Text(piece, lines.Field) : piece.Utf8;
        var ids = new List<int>();
        if (isFirst && begin is { } first)
            ids.Add(first);
        int before = ids.Count;
        tokenizer.Encode(text.Span, ids);
        bool isEmpty = isFirst && (ids.Count == before || piece.EndsDocument && text.Span.Trim(" \t\r\n"u8).IsEmpty);
        if (piece.EndsDocument && end is { } last && !isEmpty)
            ids.Add(last);
        return new EncodedPiece(isEmpty ? [] : [.. ids], null, piece.EndsDocument);
    }

    /// <summary>The text in a field of a JSON line.</summary>
    /// <exception cref="UserError">It is no JSON, or has no such text.</exception>
    public static ReadOnlyMemory<byte> Text(CorpusPiece piece, string field) => Parse(piece, root => Text(root, piece, field));

    /// <summary>The object of a JSON line.</summary>
    /// <exception cref="UserError">It is none.</exception>
    public static OrderedDictionary<string, object?> Object(CorpusPiece piece) => Parse(piece, root => (OrderedDictionary<string, object?>)Template.FromJson(root)!);

    private EncodedPiece Dialogue(JsonElement root, CorpusPiece piece, string? field)
    {
        var place = $"'{piece.File}' line {piece.Line}";
        field ??= root.TryGetProperty("messages", out _) || !root.TryGetProperty("conversations", out _) ? "messages" : "conversations";
        var found = Find(root, piece, field);
        if (found.ValueKind != JsonValueKind.Array)
            throw Wrong(piece, $"has a '{field}' that is no list of messages", "name the field with the dialogue with --field");
        var messages = ChatMessage.FromJson(found, place);
        var (ids, answers) = chat!.Encode(tokenizer, messages, place);
        return new EncodedPiece(ids, answers, true);
    }

    private static ReadOnlyMemory<byte> Text(JsonElement root, CorpusPiece piece, string field)
    {
        var found = Find(root, piece, field);
        if (found.ValueKind != JsonValueKind.String)
            throw Wrong(piece, $"has a '{field}' that is no text", "name the field with the text with --field");
        try
        {
            return Encoding.UTF8.GetBytes(found.GetString()!);
        }
        catch (InvalidOperationException e)
        {
            throw Wrong(piece, $"has half a surrogate pair in its '{field}'", "write the character as UTF-8, or as both halves", e);
        }
    }

    private static JsonElement Find(JsonElement root, CorpusPiece piece, string field)
    {
        var at = root;
        foreach (var name in field.Split('.'))
            if (at.ValueKind != JsonValueKind.Object || !at.TryGetProperty(name, out at))
                throw Wrong(piece, $"has no '{field}'; its fields are {string.Join(", ", root.EnumerateObject().Take(20).Select(each => each.Name))}", "name the field with --field");
        return at;
    }

    private static T Parse<T>(CorpusPiece piece, Func<JsonElement, T> take)
    {
        try
        {
            var bytes = piece.Utf8;
            if (piece.Line == 1 && bytes.Span.StartsWith("\uFEFF"u8))
                bytes = bytes[3..];
            using var json = JsonDocument.Parse(bytes, jsonOptions);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                throw Wrong(piece, "is no JSON object", "write an object such as {\"text\": \"...\"} on each line");
            return take(json.RootElement);
        }
        catch (JsonException e)
        {
            throw Wrong(piece, $"is no JSON at byte {e.BytePositionInLine} of the line", "write one object on each line, such as {\"text\": \"...\"}", e);
        }
    }

    private static UserError Wrong(CorpusPiece piece, string what, string advice, Exception? inner = null) => new($"'{piece.File}' line {piece.Line} {what}", advice, inner);
}
