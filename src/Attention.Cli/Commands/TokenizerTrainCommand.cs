using System.CommandLine;
using Attention.Data.Text;

namespace Attention.Cli.Commands;

/// <summary>Trains a tokenizer on a text.</summary>
internal sealed class TokenizerTrainCommand : CliCommand
{
    private readonly Argument<string[]> texts = new("TEXT") { Description = "Files with text", Arity = ArgumentArity.OneOrMore };
    private readonly Option<int> size = new("--vocab-size") { Description = "Tokens in all, with 256 bytes and the special ones", DefaultValueFactory = _ => 32000 };
    private readonly Option<string> file = new("--out") { Description = "Where to, for example data/tokenizer.json", Required = true };
    private readonly Option<string[]> special = new("--special") { Description = "A special token (may be given several times)", DefaultValueFactory = _ => ["<|endoftext|>"] };
    private readonly Option<int> least = new("--min-frequency") { Description = "How often a pair must be there to be merged", DefaultValueFactory = _ => 2 };
    private readonly Option<string> split = new("--split") { Description = "How text is split into words: gpt2, llama3, qwen2 or o200k", DefaultValueFactory = _ => "gpt2" };
    private readonly Option<bool> characters = new("--characters") { Description = "A vocabulary of the text's characters instead of byte pairs" };

    public TokenizerTrainCommand() : base("tokenizer train", "Train a byte-level BPE on text, or collect its characters")
    {
        Add(texts);
        foreach (var option in new Option[] { size, file, special, least, split, characters })
            Add(option);
    }

    public override int Run(CommandContext context)
    {
        var output = context.Get(file)!;
        if (Path.GetDirectoryName(Path.GetFullPath(output)) is { } folder)
            Directory.CreateDirectory(folder);
        int tokens = context.Get(characters) ? Characters(context, output) : BytePairs(context, output);
        context.Terminal.Out.WriteLine($"{tokens} tokens in {output}");
        return 0;
    }

    private int BytePairs(CommandContext context, string output)
    {
        var trainer = new BytePairTrainer(new()
        {
            VocabularySize = context.Get(size),
            MinFrequency = context.Get(least),
            SpecialTokens = context.Get(special)!,
            Split = context.Get(split)!,
        });
        foreach (var path in context.Get(texts))
            trainer.Feed(Read(path));
        var trained = trainer.Train(context.Stop);
        trained.Save(output);
        return trained.VocabularySize;
    }

    private int Characters(CommandContext context, string output)
    {
        var text = string.Concat(context.Get(texts).Select(path => System.Text.Encoding.UTF8.GetString(Read(path))));
        var vocabulary = CharacterTokenizer.Train(text);
        vocabulary.Save(output);
        return vocabulary.VocabularySize;
    }

    private static byte[] Read(string path) => File.Exists(path) ? File.ReadAllBytes(path) : throw new UserError($"there is no file '{path}'", "name files with text");
}
