using System.CommandLine;
using Attention.Data.Text;

namespace Attention.Cli.Commands;

/// <summary>Checks token shards and shows what is in them.</summary>
internal sealed class DataTokensCommand : CliCommand
{
    private readonly Argument<string> folder = new("SHARDS") { Description = "A folder of token shards, or one shard" };
    private readonly Option<string?> tokenizer = new("--tokenizer") { Description = "The tokenizer that made them, to show documents", HelpName = "DIR" };
    private readonly Option<int> show = new("--show") { Description = "So many documents from the start, with answers of dialogues in [[ ]]" };
    private readonly JsonOption json = new();

    public DataTokensCommand() : base("data tokens", "Check token shards against their checksums, and show documents")
    {
        Add(folder);
        foreach (var option in new Option[] { tokenizer, show, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        using var shards = TokenShards.Open(context.Get(folder));
        var table = new ResultTable(new("file"), new("documents"), new("tokens"), new("bytes_per_token"), new("vocabulary"), new("end_of_text"), new("answers"));
        foreach (var shard in shards.Files)
        {
            shard.Verify(context.Stop);
            table.Add(Path.GetFileName(shard.Path), shard.Documents, shard.Tokens, shard.Width, shard.VocabularySize, shard.EndOfText, shard.HasAnswers);
        }
        table.Write(context.Terminal, context.Get(json));
        if (context.Get(show) > 0)
            Show(context, shards, Tokenizers.Load(context.Get(tokenizer) ?? throw new UserError("documents can only be shown with their tokenizer", "add --tokenizer DIR")));
        return 0;
    }

    private void Show(CommandContext context, TokenShards shards, Tokenizer tokenizer)
    {
        ITokenStore store = shards;
        for (long document = 0; document < Math.Min(context.Get(show), store.Documents); document++)
        {
            long start = store.StartOf(document);
            var tokens = new long[Math.Min(store.StartOf(document + 1) - start, 10_000)];
            var answers = new bool[tokens.Length];
            store.Read(start, tokens);
            store.ReadAnswers(start, answers);
            context.Terminal.Out.WriteLine($"--- document {document}: {store.StartOf(document + 1) - start} tokens");
            for (int from = 0, to; from < tokens.Length; from = to)
            {
                for (to = from + 1; to < tokens.Length && answers[to] == answers[from];)
                    to++;
                var text = tokenizer.Decode([.. tokens[from..to].Select(token => (int)token)], skipSpecial: false);
                context.Terminal.Out.Write(store.HasAnswers && answers[from] ? $"[[{text}]]" : text);
            }
            context.Terminal.Out.WriteLine();
        }
    }
}
