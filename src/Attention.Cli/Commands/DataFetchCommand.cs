using System.CommandLine;
using System.Globalization;
using Attention.Engine.Data.Fetching;

namespace Attention.Cli.Commands;

/// <summary>Downloads a public data set, or says what to place where.</summary>
internal sealed class DataFetchCommand : CliCommand
{
    private readonly Argument<string?> name = new("NAME") { Description = "The data set; without it, all are listed", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string?> to = new("--to") { Description = "The folder; data/NAME by default" };
    private readonly JsonOption json = new();

    public DataFetchCommand() : base("data fetch", "Download a public data set")
    {
        Add(name);
        Add(to);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        if (context.Get(name) is not { } wanted)
        {
            var table = new ResultTable(new("name"), new("what"), new("megabytes"));
            foreach (var each in PublicDataset.All)
                table.Add(each.Name, each.What, each.Files.Count == 0 ? null : each.Files.Sum(file => file.Megabytes));
            table.Write(context.Terminal, context.Get(json));
            return 0;
        }
        var dataset = PublicDataset.Find(wanted);
        using var client = new HttpClient { Timeout = TimeSpan.FromMinutes(1) };
        client.DefaultRequestHeaders.UserAgent.ParseAdd("attention");
        var told = DateTime.UtcNow;
        new Fetcher(client, context.Terminal.Out.WriteLine, (done, total) =>
        {
            if (DateTime.UtcNow - told < TimeSpan.FromSeconds(5))
                return;
            told = DateTime.UtcNow;
            context.Terminal.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {done / 1e6:F0}{(total is { } all ? $" of {all / 1e6:F0}" : "")} MB"));
        }).Fetch(dataset, context.Get(to) ?? Path.Combine("data", dataset.Name), context.Stop);
        return 0;
    }
}
