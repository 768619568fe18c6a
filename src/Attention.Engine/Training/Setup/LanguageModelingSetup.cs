using Attention.Data.Text;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Models.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Training.Setup;

/// <summary>Sequences of tokens and a decoder that learns to continue them.</summary>
internal sealed class LanguageModelingSetup : TaskSetup
{
    private readonly ExperimentConfig config;
    private readonly TokenData data;

    public LanguageModelingSetup(ExperimentConfig config, IRunReporter reporter)
    {
        this.config = config;
        var model = CheckParts(config);
        data = TokenDataFactory.Open(config, reporter.Say);
        if (data.VocabularySize > model.vocab_size)
            throw new UserError($"the data has {data.VocabularySize} tokens, the model {model.vocab_size}", $"set model.vocab_size to {data.VocabularySize}");
    }

    /// <summary>Finds what does not fit together before any text is read.</summary>
    /// <exception cref="UserError">The first mistake.</exception>
    public static LanguageModelConfig CheckParts(ExperimentConfig config)
    {
        var model = ModelBuilder.Config(config.model) as LanguageModelConfig
            ?? throw new UserError($"model '{config.model.name}' takes no tokens", "choose a language model for task language_modeling, such as gpt2; ./attention models lists all");
        int context = ((TokenDataConfig)config.data).context;
        return context <= model.Context ? model
            : throw new UserError($"data.context is {context}, the model's is {model.Context}", "lower data.context, or give the model more positions");
    }

    public override string Data => data.Description;

    public override double? MultiplyAdds => ModelCatalogue.MultiplyAddsOfToken(config.model, ((TokenDataConfig)config.data).context);

    public override TrainingTask Create(nn.Module model, Device device) => new LanguageModeling((LanguageModel)model, data, device, config.loss.label_smoothing);

    public override void Keep(RunFolder run) => data.KeepTokenizer(run.Tokenizer);
}
