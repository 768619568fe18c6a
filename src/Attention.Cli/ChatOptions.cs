using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Attention.Data.Text;
using Attention.Engine.Generation;

namespace Attention.Cli;

/// <summary>The part of <c>generate</c> that holds a dialogue.</summary>
internal sealed class ChatOptions
{
    private readonly Option<bool> chat = new("--chat") { Description = "Answer: each PROMPT in turn, or what is typed, through the model's chat template" };
    private readonly Option<string?> messages = new("--messages") { Description = "A dialogue to answer: a JSON list of objects with role and content, or an object with such a list in 'messages'", HelpName = "FILE" };
    private readonly Option<string?> system = new("--system") { Description = "What the dialogue begins with as its system message" };
    private readonly Option<string?> template = new("--template") { Description = "A chat template (Jinja); the tokenizer's own by default", HelpName = "FILE" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { chat, messages, system, template })
            command.Add(option);
    }

    /// <summary>Whether the command line asks for a dialogue.</summary>
    public bool IsAsked(CommandContext context) => context.Get(chat) || context.Get(messages) is not null;

    public int Run(CommandContext context, TextModel model, string[] prompts, SamplingConfig sampling, bool asJson)
    {
        var form = context.Get(template) is { } file ? ChatTemplate.Parse(Read(file), model.Tokenizer.Settings) : ChatTemplate.Of(model.Tokenizer);
        var dialogue = new List<ChatMessage>();
        if (context.Get(system) is { } beginning)
            dialogue.Add(new ChatMessage("system", beginning));
        if (context.Get(messages) is { } given)
            dialogue.AddRange(Messages(given));
        // A dialogue that ends with a question is answered as it is.
        if (dialogue.Count > 0 && dialogue[^1].Role is "user" or "tool")
            Answer();
        foreach (var prompt in prompts)
            Ask(prompt);
        if (prompts.Length == 0 && context.Get(messages) is null)
            while (Next(context) is { } typed)
                Ask(typed);
        if (asJson)
            JsonText.Write(context.Terminal.Out, json => Write(json, dialogue));
        return 0;

        void Ask(string text)
        {
            dialogue.Add(new ChatMessage("user", text));
            Answer();
        }

        void Answer()
        {
            var (output, watch, answer) = (context.Terminal.Out, Stopwatch.StartNew(), new StringBuilder());
            foreach (var part in model.Answer(form, dialogue, sampling, context.Stop))
            {
                answer.Append(part);
                if (asJson)
                    continue;
                output.Write(part);
                output.Flush();
            }
            if (!asJson)
                output.WriteLine();
            dialogue.Add(new ChatMessage("assistant", answer.ToString()));
            int tokens = model.Tokenizer.Encode(answer.ToString()).Length;
            context.Terminal.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{tokens / watch.Elapsed.TotalSeconds:F1} tokens/s"));
        }
    }

    private static void Write(Utf8JsonWriter json, List<ChatMessage> dialogue)
    {
        json.WriteStartArray();
        foreach (var message in dialogue)
            json.WriteRawValue(message.ToJson());
        json.WriteEndArray();
    }

    // An empty line is no question; the end of the input ends the dialogue.
    private static string? Next(CommandContext context)
    {
        while (true)
        {
            if (!Console.IsInputRedirected)
                context.Terminal.Error.Write("> ");
            var line = Console.In.ReadLine();
            if (line is null || line.Trim() is "/exit" or "/quit")
                return null;
            if (line.Trim() != "")
                return line;
        }
    }

    private static List<ChatMessage> Messages(string file)
    {
        try
        {
            using var json = JsonDocument.Parse(Read(file));
            var list = json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("messages", out var found) ? found : json.RootElement;
            return list.ValueKind == JsonValueKind.Array ? ChatMessage.FromJson(list, $"'{file}'")
                : throw new UserError($"'{file}' has no list of messages", "write [{\"role\": \"user\", \"content\": \"...\"}]");
        }
        catch (JsonException e)
        {
            throw new UserError($"'{file}' is no JSON: {e.Message}", "write [{\"role\": \"user\", \"content\": \"...\"}]", e);
        }
    }

    private static string Read(string file) => File.Exists(file) ? File.ReadAllText(file) : throw new UserError($"there is no file '{file}'", "name a file");
}
