using System.CommandLine;
using Attention.Engine.Conversion;

namespace Attention.Cli.Commands;

/// <summary>Makes a mixture of heads of a dense language model.</summary>
internal sealed class ConvertMohCommand : CliCommand
{
    private readonly Option<string> from = new("--from") { Description = "The folder of a dense Hugging Face decoder", HelpName = "FOLDER", Required = true };
    private readonly Option<string> to = new("--to") { Description = "The new folder", HelpName = "FOLDER", Required = true };
    private readonly Option<double> heads = new("--heads") { Description = "The share of a layer's heads that a token uses", DefaultValueFactory = _ => 0.75 };
    private readonly Option<int?> shared = new("--shared") { Description = "Heads that all tokens use, the first of each layer; half of all by default" };

    public ConvertMohCommand() : base("convert moh", "Make a mixture of heads of a dense language model, to be tuned further")
    {
        foreach (var option in new Option[] { from, to, heads, shared })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        var attention = MixtureOfHeadConversion.Run(context.Get(from)!, context.Get(to)!, context.Get(heads), context.Get(shared));
        context.Terminal.Out.WriteLine($"{context.Get(to)}: {attention.shared_head} heads of each layer are shared, {attention.routed_head} of the others chosen");
        return 0;
    }
}
