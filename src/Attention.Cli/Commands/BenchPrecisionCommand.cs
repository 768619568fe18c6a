using System.CommandLine;
using System.Globalization;
using Attention.Engine.Benchmarks;

namespace Attention.Cli.Commands;

/// <summary>Measures what bf16 and int8 weights change.</summary>
internal sealed class BenchPrecisionCommand : CliCommand
{
    private readonly Argument<string> folder = new("FOLDER") { Description = "A language model: a Hugging Face folder, or a run" };
    private readonly Argument<string> text = new("TEXT") { Description = "A file of text" };
    private readonly Option<int> tokens = new("--tokens") { Description = "Tokens of it at the most", DefaultValueFactory = _ => 2048 };
    private readonly JsonOption json = new();

    public BenchPrecisionCommand() : base("bench precision", "What bf16 and int8 weights change: logits and perplexity while decoding a text")
    {
        Add(folder);
        Add(text);
        Add(tokens);
        Add(json);
    }

    public override int Run(CommandContext context)
    {
        var path = context.Get(text);
        if (!File.Exists(path))
            throw new UserError($"there is no file '{path}'", "give a file of text");
        var table = new ResultTable(new("weights"), new("perplexity", As("F4")), new("largest_change", As("G3")), new("mean_change", As("G3")), new("same_likeliest", As("F4")), new("weight_bytes"));
        foreach (var error in StorageComparison.Run(context.Get(folder), File.ReadAllText(path), context.Get(tokens), context.Stop))
            table.Add(error.Storage, error.Perplexity, error.LargestChange, error.MeanChange, error.SameLikeliest, error.WeightBytes);
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }

    private static Func<object, string> As(string format) => value => ((double)value).ToString(format, CultureInfo.InvariantCulture);
}
