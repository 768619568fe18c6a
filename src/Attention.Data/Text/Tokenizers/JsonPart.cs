using System.Text.Json;

namespace Attention.Data.Text;

/// <summary>A value of a JSON file that knows where it stands, so that an error can say so.</summary>
internal readonly record struct JsonPart(JsonElement Value, string Path, string File)
{
    private const long LargestFile = 512L << 20;

    /// <exception cref="UserError">The file is too large or no JSON object.</exception>
    public static JsonPart Load(string file)
    {
        if (new FileInfo(file).Length > LargestFile)
            throw new UserError($"'{file}' is over the limit of {LargestFile >> 20} MiB for a tokenizer's file", "check that it is a tokenizer's file");
        try
        {
            using var document = JsonDocument.Parse(System.IO.File.ReadAllBytes(file), new() { MaxDepth = 64 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new UserError($"'{file}' is no JSON object", "copy or download it again");
            return new(document.RootElement.Clone(), "", file);
        }
        catch (JsonException e)
        {
            throw new UserError($"'{file}' is no JSON: {e.Message}", "copy or download it again", e);
        }
    }

    /// <summary>What is under a key, or null where there is nothing.</summary>
    public JsonPart? Find(string key) =>
        Value.ValueKind == JsonValueKind.Object && Value.TryGetProperty(key, out var found) && found.ValueKind != JsonValueKind.Null
            ? new(found, Path == "" ? key : $"{Path}.{key}", File) : null;

    public JsonPart Require(string key) => Find(key) ?? throw Wrong($"has no '{key}'");

    public string? FindText(string key) => Find(key) is { Value.ValueKind: JsonValueKind.String } found ? found.Value.GetString() : null;

    public string Text(string key) => Require(key) is { Value.ValueKind: JsonValueKind.String } found ? found.Value.GetString()! : throw Wrong($"has a '{key}' that is no text");

    public string Type => Text("type");

    public bool Flag(string key, bool absent = false) => Find(key)?.Value.ValueKind switch
    {
        null => absent,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong($"has a '{key}' that is neither true nor false"),
    };

    public int Number(string key, int absent) => Find(key) is not { } found ? absent
        : found.Value.ValueKind == JsonValueKind.Number && found.Value.TryGetInt32(out int number) ? number : throw Wrong($"has a '{key}' that is no whole number");

    /// <summary>An id: at least 0 and small enough to be one.</summary>
    public int Id() => Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out int id) && id is >= 0 and < Tokenizers.MostTokens
        ? id : throw Wrong($"is {Value.GetRawText()}, which is no id below {Tokenizers.MostTokens}");

    public double Score() => Value.ValueKind == JsonValueKind.Number && Value.TryGetDouble(out double score) ? score : throw Wrong("is no number");

    public string Text() => Value.ValueKind == JsonValueKind.String ? Value.GetString()! : throw Wrong("is no text");

    /// <summary>The items of a list; none where the key is missing.</summary>
    public IEnumerable<JsonPart> Items(string key) => Find(key)?.Items() ?? [];

    public IEnumerable<JsonPart> Items()
    {
        if (Value.ValueKind != JsonValueKind.Array)
            throw Wrong("is no list");
        var self = this;
        return Value.EnumerateArray().Select((item, i) => new JsonPart(item, $"{self.Path}[{i}]", self.File));
    }

    /// <summary>The entries of a map.</summary>
    public IEnumerable<(string Key, JsonPart Part)> Entries()
    {
        if (Value.ValueKind != JsonValueKind.Object)
            throw Wrong("is no map");
        var self = this;
        return Value.EnumerateObject().Select(entry => (entry.Name, new JsonPart(entry.Value, self.Path == "" ? entry.Name : $"{self.Path}.{entry.Name}", self.File)));
    }

    /// <summary>An error about this value.</summary>
    public UserError Wrong(string what) => new($"'{File}': {(Path == "" ? "it" : Path)} {what}", "copy or download the tokenizer again");

    /// <summary>An error about a kind of step that is not known.</summary>
    public UserError Unsupported(string what) => new($"'{File}': {Path} is a {what} of the unknown type '{Type}'", "report this tokenizer: the step is missing here");
}
