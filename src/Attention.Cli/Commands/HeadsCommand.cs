using System.CommandLine;
using System.Globalization;
using Attention.Engine.Evaluation;
using Attention.Engine.Generation;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Cli.Commands;

/// <summary>Shows which heads a language model's tokens choose.</summary>
internal sealed class HeadsCommand : CliCommand
{
    private readonly Argument<string> folder = new("FOLDER") { Description = "A Hugging Face folder, or that of a run, of a model whose heads are a mixture" };
    private readonly Option<string> text = new("--text") { Description = "A file with text for the model to read", HelpName = "FILE", Required = true };
    private readonly Option<string?> page = new("--out") { Description = "A page with heat maps", HelpName = "FILE" };
    private readonly Option<int?> window = new("--window") { Description = "Tokens that the model reads at a time; its context, at most 1,024, by default" };
    private readonly JsonOption json = new();

    public HeadsCommand() : base("heads", "Show which heads each layer and class of tokens uses, where heads are a mixture")
    {
        Add(folder);
        foreach (var option in new Option[] { text, page, window, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        var file = context.Get(text)!;
        if (!File.Exists(file))
            throw new UserError($"there is no file '{file}'", "name a file with text");
        if (context.Get(window) is < 1)
            throw new UserError($"--window is {context.Get(window)}, but must be at least 1", "leave it out for the model's context");
        using var model = TextModel.Load(context.Get(folder), cuda.is_available() ? CUDA : CPU);
        var statistics = HeadStatistics.OfText(model, File.ReadAllText(file), context.Get(window), context.Stop);
        var table = new ResultTable(new("layer"), new("shared_heads"), new("class"), new("tokens"), new("share_of_each_routed_head"));
        foreach (var layer in statistics.Layers)
        {
            table.Add(layer.Layer, layer.SharedHeads, "all", statistics.Tokens.Sum(), Shares(layer.Shares, layer.SharedHeads));
            foreach (var (i, name) in statistics.Classes.Index().Where(each => statistics.Tokens[each.Index] > 0))
                table.Add(layer.Layer, layer.SharedHeads, name, statistics.Tokens[i], Shares(layer.SharesByClass[i], layer.SharedHeads));
        }
        table.Write(context.Terminal, context.Get(json));
        if (context.Get(page) is { } path)
        {
            HeadPage.Write(path, Path.GetFileName(Path.GetFullPath(context.Get(folder))), statistics);
            context.Terminal.Error.WriteLine(path);
        }
        return 0;
    }

    private static string Shares(IReadOnlyList<double> shares, int shared) =>
        string.Join(" ", shares.Skip(shared).Select(share => share.ToString("F2", CultureInfo.InvariantCulture)));
}
