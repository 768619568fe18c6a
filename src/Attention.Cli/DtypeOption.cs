using System.CommandLine;
using Attention.Engine.Generation;

namespace Attention.Cli;

/// <summary>The option of commands that run a language model: how its weights are held.</summary>
internal sealed class DtypeOption : Option<string>
{
    public DtypeOption() : base("--dtype", "--precision")
    {
        Description = $"Weights: {string.Join(", ", WeightStorage.Names)}";
        DefaultValueFactory = _ => "fp32";
    }
}
