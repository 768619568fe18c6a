using System.CommandLine;
using System.Globalization;
using Attention.Data.Text;

namespace Attention.Cli.Commands;

/// <summary>Turns text into token shards.</summary>
internal sealed class DataTokenizeCommand : CliCommand
{
    private readonly Argument<string[]> inputs = new("INPUT") { Description = "Files, or folders of them: .txt, .md, .jsonl, each also with .gz", Arity = ArgumentArity.OneOrMore };
    private readonly Option<string> tokenizer = new("--tokenizer") { Description = "A tokenizer's file, or the folder of a model", Required = true, HelpName = "DIR" };
    private readonly Option<string> output = new("--out") { Description = "A new folder for the shards", Required = true, HelpName = "DIR" };
    private readonly Option<string?> format = new("--format") { Description = "text, json_lines or chat; by each file's name (text or json_lines) unless given" };
    private readonly Option<string?> field = new("--field") { Description = "Where the text of a JSON line is ('text'), or its dialogue ('messages'); dots lead into objects" };
    private readonly Option<string?> separator = new("--separator") { Description = "A text that separates documents in a text file, for example '<|endoftext|>'" };
    private readonly Option<string?> template = new("--template") { Description = "A chat template (Jinja); the tokenizer's own by default", HelpName = "FILE" };
    private readonly Option<string?> end = new("--end-of-text") { Description = "The token after each document; the tokenizer's end of text by default, '' for none", HelpName = "TOKEN" };
    private readonly Option<string?> begin = new("--begin-of-text") { Description = "A token before each document; none by default", HelpName = "TOKEN" };
    private readonly Option<long> shard = new("--shard-tokens") { Description = "Tokens of a shard; a document stays whole", DefaultValueFactory = _ => 100_000_000 };
    private readonly Option<int> workers = new("--workers") { Description = "Threads; as many as cores by default", DefaultValueFactory = _ => Environment.ProcessorCount };
    private readonly JsonOption json = new();

    public DataTokenizeCommand() : base("data tokenize", "Turn text, JSON lines or dialogues into token shards")
    {
        Add(inputs);
        foreach (var option in new Option[] { tokenizer, output, format, field, separator, template, end, begin, shard, workers, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        if (context.Get(shard) < 1 || context.Get(workers) is < 1 or > 1024)
            throw new UserError("--shard-tokens must be at least 1, --workers 1 to 1024", "leave them away");
        var options = new CorpusOptions
        {
            Format = Format(context),
            EndOfText = context.Get(end),
            BeginOfText = context.Get(begin),
            ChatTemplate = context.Get(template) is { } file ? Template(file) : null,
            ShardTokens = context.Get(shard),
            Workers = context.Get(workers),
        };
        var work = new CorpusTokenizer(Tokenizers.Load(context.Get(tokenizer)!), options);
        CorpusProgress done;
        using (var line = new ProgressLine(context.Terminal))
            done = work.WriteShards(context.Get(inputs)!, context.Get(output)!, progress => line.Show(() => Line(progress)), context.Stop);

        double seconds = done.Elapsed.TotalSeconds;
        var table = new ResultTable(new("documents"), new("tokens"), new("shards"), new("bytes"),
            new("bytes_per_token", Short), new("seconds", Short), new("mb_per_second", Short), new("end_of_text"));
        table.Add(done.Documents, done.Tokens, done.Shards, done.AllBytes, (double)done.AllBytes / done.Tokens, seconds, done.AllBytes / seconds / 1e6, work.EndOfText);
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }

    private CorpusFormat? Format(CommandContext context)
    {
        var (kind, place, mark) = (context.Get(format), context.Get(field), context.Get(separator));
        if (mark is "" || mark?.Contains('\n') == true)
            throw new UserError("--separator must be a text on one line", "leave it away where a file is a document");
        CorpusFormat? chosen = (kind ?? (mark is not null ? "text" : place is not null ? "json_lines" : "")) switch
        {
            "" => null,
            "text" => new CorpusFormat.PlainText(mark),
            "json_lines" => new CorpusFormat.JsonLines(place ?? "text"),
            "chat" => new CorpusFormat.Chat(place),
            var other => throw new UserError($"--format is '{other}', but must be text, json_lines or chat", "leave it away to go by each file's name"),
        };
        if (mark is not null && chosen is not CorpusFormat.PlainText || place is not null && chosen is CorpusFormat.PlainText)
            throw new UserError("--separator is for text, --field for JSON lines and chat", "leave one of them away");
        return chosen;
    }

    private static string Template(string file) => File.Exists(file) ? File.ReadAllText(file) : throw new UserError($"there is no file '{file}'", "name a file with a chat template");

    private static string Short(object value) => ((double)value).ToString("F2", CultureInfo.InvariantCulture);

    private static string Line(CorpusProgress progress) => string.Create(CultureInfo.InvariantCulture,
        $"file {progress.File} of {progress.Files}, {100.0 * progress.Bytes / Math.Max(progress.AllBytes, 1):F0} %, {progress.Documents} documents, {progress.Tokens / 1e6:F1} M tokens, {progress.Bytes / progress.Elapsed.TotalSeconds / 1e6:F1} MB/s");
}
