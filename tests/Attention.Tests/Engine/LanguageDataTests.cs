using Attention.Data.Text;
using Attention.Engine;
using Attention.Engine.Configuration;
using Attention.Engine.Generation;
using Attention.Engine.Reporting;
using Attention.Engine.Training;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine;

/// <summary>Every kind of data for language models, trained from YAML.</summary>
public sealed class LanguageDataTests : IDisposable
{
    private const string Markup = "{% for m in messages %}{{ '<|im_start|>' ~ m.content ~ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>' }}{% endif %}";
    private readonly TemporaryFolder folder = new();

    public LanguageDataTests()
    {
        var trainer = new BytePairTrainer(new() { VocabularySize = 300, SpecialTokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] });
        trainer.Feed(System.Text.Encoding.UTF8.GetBytes(Text.TrainerTests.Sample));
        Directory.CreateDirectory(folder.File("bpe"));
        trainer.Train().Save(folder.File("bpe/tokenizer.json"));
        folder.Write("bpe/tokenizer_config.json", $$"""{"eos_token": "<|im_end|>", "chat_template": {{System.Text.Json.JsonSerializer.Serialize(Markup)}}}""");
    }

    public void Dispose() => folder.Dispose();

    private ExperimentResult Train(string data, int vocabulary = 300, int context = 16, int epochs = 3)
    {
        using var reporter = new TextReporter(TextWriter.Null);
        return Experiment.Train(ConfigLoader.Parse<ExperimentConfig>($$"""
            output: {{folder.Path}}/runs
            task: language_modeling
            data: {{{data}}, context: {{context}}}
            model: {name: gpt2, vocab_size: {{vocabulary}}, n_positions: {{context}}, n_embd: 32, n_layer: 2, n_head: 2}
            train: {epochs: {{epochs}}, batch_size: 8}
            optimizer: {lr: 5e-3}
            schedule: {warmup_epochs: 0.2}
            device: cpu
            """), reporter, CancellationToken.None);
    }

    private string Lines(string name, int count, Func<int, string> line) => folder.Write(name, string.Concat(Enumerable.Range(0, count).Select(i => line(i) + "\n")));

    [Fact]
    public void Json_lines_and_shards_of_them_train_alike()
    {
        var lines = Lines("x.jsonl", 80, _ => """{"text": "the cat sat on the mat"}""");
        var result = Train($"name: json_lines, path: {lines}, tokenizer: {folder.File("bpe")}, val_share: 0.1, steps_per_epoch: 60");
        Assert.InRange(result.Summary.val_loss!.Value, 0, 0.4);
        Assert.True(result.Summary.best["bits_per_byte"] > 0);
        using (var model = TextModel.Load(result.Run.Location, CPU))
            Assert.Equal(" on the mat", string.Concat(model.Continue(["the cat sat"], new SamplingConfig { temperature = 0, max_new_tokens = 12 }).Select(part => part.Text)));

        new CorpusTokenizer(Tokenizers.Load(folder.File("bpe")), new()).WriteShards([lines], folder.File("shards"));
        var same = Train($"name: token_shards, path: {folder.File("shards")}, val_share: 0.1, steps_per_epoch: 60");
        Assert.Equal(result.Summary.val_loss.Value, same.Summary.val_loss!.Value, 1e-6);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dialogues_are_learnt_by_their_answers(bool packed)
    {
        string[] questions = ["cat", "hat", "mat", "sat"];
        var lines = Lines("x.jsonl", 60, i => $$"""{"messages": [{"role": "user", "content": "the {{questions[i % 4]}}"}, {"role": "assistant", "content": "{{questions[(i + 1) % 4]}} 123"}]}""");
        var result = Train($"name: chat, path: {lines}, tokenizer: {folder.File("bpe")}, packed: {(packed ? "true" : "false")}, val_share: 0.1, steps_per_epoch: 80", context: 24);
        Assert.InRange(result.Summary.val_loss!.Value, 0, 0.2);
        using var model = TextModel.Load(result.Run.Location, CPU);
        var template = ChatTemplate.Of(model.Tokenizer);
        var answer = string.Concat(model.Answer(template, [new("user", "the hat")], new SamplingConfig { temperature = 0, max_new_tokens = 8 }));
        Assert.Equal("mat 123", answer);
    }

    [Theory]
    [InlineData("name: induction, vocab_size: 8", 8, 3)]
    [InlineData("name: copying, vocab_size: 4, lengths: [2, 3]", 4, 8)]
    public void Made_sequences_are_measured_by_right_answers(string data, int vocabulary, int context)
    {
        var result = Train($"{data}, steps_per_epoch: 60, eval_steps: 10", vocabulary, context);
        Assert.Equal("accuracy", result.Summary.metric);
        // Better than a guess.
        Assert.True(result.Summary.best["accuracy"] > 1.5 / vocabulary, $"{result.Summary.best["accuracy"]}");
    }

    [Fact]
    public void What_does_not_fit_is_named()
    {
        var lines = Lines("x.jsonl", 4, _ => """{"text": "the cat sat on the mat"}""");
        new CorpusTokenizer(Tokenizers.Load(folder.File("bpe")), new()).WriteShards([lines], folder.File("shards"));
        var character = CharacterTokenizer.Train("abc");
        Directory.CreateDirectory(folder.File("abc"));
        character.Save(folder.File("abc/tokenizer.json"));
        Assert.Contains("tokens, but the tokenizer", Assert.Throws<UserError>(() => Train($"name: token_shards, path: {folder.File("shards")}, tokenizer: {folder.File("abc")}")).Message);
        Assert.Contains("tokens, the model 20", Assert.Throws<UserError>(() => Train($"name: token_shards, path: {folder.File("shards")}", vocabulary: 20)).Message);
        Assert.Contains("has no token shards", Assert.Throws<UserError>(() => Train($"name: token_shards, path: {folder.File("bpe")}")).Message);
        Assert.Contains("at most half of data.context", Assert.Throws<UserError>(() => Train("name: copying, lengths: [9]", context: 16)).Message);
    }
}
