using System.Text.Json;
using Attention.Data.Text.Templates;

namespace Attention.Data.Text;

/// <summary>A message of a dialogue.</summary>
/// <param name="Values">Its fields: <c>role</c>, <c>content</c> and whatever else the template knows.</param>
public sealed record ChatMessage(OrderedDictionary<string, object?> Values)
{
    private static readonly Dictionary<string, string> otherRoles = new() { ["human"] = "user", ["gpt"] = "assistant" };

    public ChatMessage(string role, string content) : this(new OrderedDictionary<string, object?> { ["role"] = role, ["content"] = content })
    {
    }

    public string Role => (string)Values["role"]!;

    /// <summary>What it says; empty where that is no plain text.</summary>
    public string Content => Values.GetValueOrDefault("content") as string ?? "";

    /// <summary>The message as a JSON object.</summary>
    public string ToJson() => TemplateValue.Json(Values, indent: null, line: 1);

    /// <summary>Messages of a JSON list of objects with <c>role</c> and <c>content</c>, or <c>from</c> and <c>value</c>.</summary>
    /// <param name="list">The list.</param>
    /// <param name="place">What an error names.</param>
    /// <exception cref="UserError">A message has no role.</exception>
    public static List<ChatMessage> FromJson(JsonElement list, string place)
    {
        var messages = new List<ChatMessage>();
        foreach (var item in list.EnumerateArray())
        {
            if (Template.FromJson(item) is not OrderedDictionary<string, object?> values)
                throw Wrong("is no object");
            if (!values.ContainsKey("role") && values.Remove("from", out var from) && values.Remove("value", out var value))
                (values["role"], values["content"]) = (from is string name ? otherRoles.GetValueOrDefault(name, name) : from, value);
            if (values.GetValueOrDefault("role") is not string)
                throw Wrong("has no role");
            messages.Add(new ChatMessage(values));

            UserError Wrong(string what) => new($"{place}: message {messages.Count + 1} {what}", "write each message as {\"role\": \"user\", \"content\": \"...\"}");
        }
        return messages.Count > 0 ? messages : throw new UserError($"{place}: the dialogue has no messages", "leave it out");
    }
}

/// <summary>A model's way to write a dialogue as one text: the <c>chat_template</c> of Hugging Face's <c>tokenizer_config.json</c>.</summary>
public sealed class ChatTemplate
{
    private readonly Template template;
    private readonly TokenizerSettings settings;

    private ChatTemplate(Template template, TokenizerSettings settings) => (this.template, this.settings) = (template, settings);

    /// <summary>A template of one's own.</summary>
    /// <param name="text">Jinja.</param>
    /// <param name="settings">The special tokens that it may name.</param>
    /// <exception cref="UserError">It is no template.</exception>
    public static ChatTemplate Parse(string text, TokenizerSettings? settings = null) => new(Template.Parse(text, TemplateOptions.Chat), settings ?? TokenizerSettings.Empty);

    /// <summary>The tokenizer's own.</summary>
    /// <exception cref="UserError">It has none.</exception>
    public static ChatTemplate Of(ITokenizer tokenizer) => tokenizer.Settings.ChatTemplate is { } text ? Parse(text, tokenizer.Settings)
        : throw new UserError("the tokenizer has no chat template", "it belongs into tokenizer_config.json as chat_template, or into chat_template.jinja; or give one with --template FILE");

    /// <summary>The dialogue as text.</summary>
    /// <param name="messages">From the first to the last.</param>
    /// <param name="ask">Whether the text ends where an answer begins.</param>
    /// <exception cref="UserError">The template refuses the dialogue, for example two questions in a row.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, bool ask = false) => template.Render(Values(messages, ask));

    /// <summary>The dialogue as tokens, and which of them are the assistant's: what is said after the template's opening of an answer.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="messages">From the first to the last.</param>
    /// <param name="place">What an error names.</param>
    /// <exception cref="UserError">The template refuses the dialogue, or writes an answer otherwise once others follow.</exception>
    public (int[] Ids, bool[] Answers) Encode(ITokenizer tokenizer, IReadOnlyList<ChatMessage> messages, string place = "the dialogue")
    {
        var (text, spans) = Spans(messages, place);
        var ids = tokenizer.Encode(text, SpecialTokenUse.Parse);
        var answers = new bool[ids.Length];
        foreach (var (start, end) in spans)
            answers.AsSpan(Agreement(tokenizer, ids, text[..start])..Agreement(tokenizer, ids, text[..end])).Fill(true);
        return (ids, answers);
    }

    // Where answers stand in the text: as the template says, or between the texts that end with the question and with the answer.
    private (string Text, IReadOnlyList<(int Start, int End)> Spans) Spans(IReadOnlyList<ChatMessage> messages, string place)
    {
        try
        {
            if (template.HasGenerationBlocks)
                return (template.Render(Values(messages, ask: false), out var generated), generated);
            var text = Render(messages);
            var spans = new List<(int, int)>();
            for (int i = 0; i < messages.Count; i++)
            {
                if (messages[i].Role != "assistant")
                    continue;
                var (before, with) = (i == 0 ? "" : Render([.. messages.Take(i)], ask: true), i + 1 == messages.Count ? text : Render([.. messages.Take(i + 1)]));
                // Some templates open an answer with more than its text in a finished dialogue has.
                int start = before.AsSpan().CommonPrefixLength(text);
                if (!text.StartsWith(with, StringComparison.Ordinal) || start < before.TrimEnd().Length)
                    throw new UserError($"{place}: the template writes message {i + 1} otherwise once others follow, so that what was answered cannot be told",
                        "give a template that marks answers with {% generation %}, or dialogues with one answer each");
                spans.Add((start, with.Length));
            }
            return (text, spans);
        }
        catch (UserError e) when (!e.Message.StartsWith(place, StringComparison.Ordinal))
        {
            throw new UserError($"{place}: {e.Message}", e.Advice, e);
        }
    }

    // How many of the tokens of the whole text are those of its beginning: a token over the border belongs to what follows.
    private static int Agreement(ITokenizer tokenizer, int[] ids, string beginning) =>
        beginning == "" ? 0 : tokenizer.Encode(beginning, SpecialTokenUse.Parse).AsSpan().CommonPrefixLength(ids);

    private Dictionary<string, object?> Values(IReadOnlyList<ChatMessage> messages, bool ask)
    {
        var values = new Dictionary<string, object?>
        {
            ["messages"] = messages.Select(message => (object?)message.Values).ToList(),
            ["add_generation_prompt"] = ask,
            ["tools"] = null,
            ["documents"] = null,
        };
        foreach (var (role, content) in settings.Roles)
            values[role] = content;
        return values;
    }
}
