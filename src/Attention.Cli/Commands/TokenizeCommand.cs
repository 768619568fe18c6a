using System.CommandLine;
using System.Globalization;
using Attention.Data.Text;

namespace Attention.Cli.Commands;

/// <summary>Shows what a tokenizer makes of a text, or of ids.</summary>
internal sealed class TokenizeCommand : CliCommand
{
    private readonly Argument<string> text = new("TEXT") { Description = "The text, or ids with --decode; - for standard input" };
    private readonly Option<string> tokenizer = new("--tokenizer") { Description = "A tokenizer's file, or a folder that has one", Required = true };
    private readonly Option<bool> decode = new("--decode") { Description = "Turn ids (separated by spaces or commas) into text" };
    private readonly Option<bool> ids = new("--ids") { Description = "Print the ids alone, in one line" };
    private readonly Option<bool> special = new("--special") { Description = "Find special tokens in the text, and add those around a sequence" };
    private readonly JsonOption json = new();

    public TokenizeCommand() : base("tokenize", "Turn text into a tokenizer's ids, or ids into text")
    {
        Add(text);
        foreach (var option in new Option[] { tokenizer, decode, ids, special, json })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        var subject = Tokenizers.Load(context.Get(tokenizer)!);
        var output = context.Terminal.Out;
        if (context.Get(decode))
        {
            output.WriteLine(subject.Decode(ParseIds(context.Get(text) is "-" ? Console.In.ReadToEnd() : context.Get(text)), skipSpecial: !context.Get(special)));
            return 0;
        }

        var encoded = new List<int>();
        subject.Encode(Bytes(context.Get(text)), encoded, context.Get(special) ? SpecialTokenUse.Parse | SpecialTokenUse.Add : SpecialTokenUse.None);
        if (context.Get(ids))
        {
            output.WriteLine(string.Join(' ', encoded));
            return 0;
        }
        var table = new ResultTable(new("id"), new("piece"), new("text"));
        foreach (int id in encoded)
            table.Add(id, subject.Piece(id), subject.Decode([id], skipSpecial: false));
        table.Write(context.Terminal, context.Get(json));
        return 0;
    }

    /// <summary>Standard input goes through as it is, UTF-8 or not.</summary>
    private static byte[] Bytes(string text)
    {
        if (text != "-")
            return System.Text.Encoding.UTF8.GetBytes(text);
        using var bytes = new MemoryStream();
        using var input = Console.OpenStandardInput();
        input.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static int[] ParseIds(string text) =>
    [
        .. text.Split([' ', ',', '\t', '\r', '\n', '[', ']'], StringSplitOptions.RemoveEmptyEntries).Select(word =>
            int.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int id) ? id : throw new UserError($"'{word}' is no id", "give whole numbers")),
    ];
}
