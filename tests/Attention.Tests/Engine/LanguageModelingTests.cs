using Attention.Data.Text;
using Attention.Engine;
using Attention.Engine.Checkpoints;
using Attention.Engine.Configuration;
using Attention.Engine.Data;
using Attention.Engine.Generation;
using Attention.Engine.Reporting;
using Attention.Engine.Runs;
using Attention.Engine.Training;
using Attention.Models.Language;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine;

public sealed class LanguageModelingTests : IDisposable
{
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz\n";
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private Config<ExperimentConfig> Alphabets(string more = "") => ConfigLoader.Parse<ExperimentConfig>($$"""
        output: {{folder.Path}}/runs
        task: language_modeling
        data: {name: text, path: {{folder.Write("text.txt", string.Concat(Enumerable.Repeat(Alphabet, 60)))}}, context: 32, steps_per_epoch: 30}
        model: {name: gpt2, vocab_size: 27, n_positions: 32, n_embd: 32, n_layer: 1, n_head: 2}
        train: {epochs: 3, batch_size: 8}
        optimizer: {lr: 1e-2}
        device: cpu
        {{more}}
        """);

    private static ExperimentResult Train(Config<ExperimentConfig> config, CancellationToken cancellation = default, params TrainingHook[] hooks)
    {
        using var reporter = new TextReporter(TextWriter.Null);
        return Experiment.Train(config, reporter, cancellation, hooks);
    }

    [Fact]
    public void A_text_is_learnt_and_its_run_goes_on_with_it()
    {
        var result = Train(Alphabets());
        Assert.Equal("language_modeling", result.Summary.task);
        Assert.Equal("loss", result.Summary.metric);
        Assert.InRange(result.Summary.val_loss!.Value, 0, 0.4);
        Assert.Equal(Math.Exp(result.Summary.val_loss.Value), result.Summary.best["perplexity"], 1e-9);
        Assert.Equal(result.Summary.val_loss.Value / Math.Log(2), result.Summary.best["bits_per_byte"], 1e-9);
        Assert.True(result.Summary.tokens_per_second > 0);
        Assert.Null(result.Summary.images_per_second);
        using var model = TextModel.Load(result.Run.Location, CPU);
        var text = string.Concat(model.Continue(["abc"], new SamplingConfig { max_new_tokens = 20, temperature = 0 }).Select(part => part.Text));
        Assert.Equal("defghijklmnopqrstuvw", text);
    }

    [Fact]
    public void A_stopped_run_goes_on_to_the_same_weights()
    {
        byte[] Weights(RunFolder run) => File.ReadAllBytes(Path.Combine(run.Checkpoints, "epoch-0003", Checkpoint.ModelFile));
        var whole = Weights(Train(Alphabets("name: whole")).Run);
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Train(Alphabets("name: parts"), stop.Token, new StopAfter(47, stop)));
        using var reporter = new TextReporter(TextWriter.Null);
        var run = Directory.GetDirectories(folder.File("runs/parts")).Single();
        Assert.Equal(whole, Weights(Experiment.Resume(run, reporter, CancellationToken.None).Run));
    }

    private sealed class StopAfter(int steps, CancellationTokenSource stop) : TrainingHook
    {
        public override void OnStep(Trainer trainer, StepResult result)
        {
            if (trainer.State.Step == steps)
                stop.Cancel();
        }
    }

    [Fact]
    public void The_loss_is_that_of_the_targets_that_count()
    {
        manual_seed(0);
        var tokens = tensor(new long[] { 1, 2, 3, 4, 0, 2 }, [2, 3]);
        var targets = tensor(new long[] { 2, TokenBatch.Ignored, 4, 0, TokenBatch.Ignored, 1 }, [2, 3]);
        var data = new TokenData
        {
            Train = new Fixed(tokens, targets),
            Held = new Fixed(tokens, targets),
            VocabularySize = 5,
            Description = "",
        };
        using var task = new LanguageModeling(new Gpt2(new Gpt2Config { vocab_size = 5, n_positions = 4, n_embd = 8, n_layer = 1, n_head = 2 }), data, CPU);
        using var _ = no_grad();
        var logits = ((LanguageModel)task.Model).call(tokens).log_softmax(-1).data<float>().ToArray();
        double[] losses = [.. new[] { (0, 2), (2, 4), (3, 0), (5, 1) }.Select(place => -(double)logits[place.Item1 * 5 + place.Item2])];
        using var batch = task.Batches(0, 0).Single();
        Assert.Equal(losses.Average(), task.Loss(batch, new Dictionary<string, double>()).item<float>(), 1e-6);
        var measured = task.Evaluate(null, CancellationToken.None);
        Assert.Equal(losses.Average(), measured["loss"], 1e-6);
        Assert.Equal(Math.Exp(losses.Average()), measured["perplexity"], 1e-5);
        Assert.False(measured.ContainsKey("bits_per_byte"));
    }

    [Fact]
    public void A_batch_that_asks_for_nothing_changes_nothing()
    {
        var tokens = tensor(new long[] { 1, 2, 3 }, [1, 3]);
        var source = new Fixed(tokens, full_like(tokens, TokenBatch.Ignored));
        var data = new TokenData { Train = source, Held = source, VocabularySize = 5, Description = "" };
        using var task = new LanguageModeling(new Gpt2(new Gpt2Config { vocab_size = 5, n_positions = 4, n_embd = 8, n_layer = 1, n_head = 2 }), data, CPU);
        using var batch = task.Batches(0, 0).Single();
        var loss = task.Loss(batch, new Dictionary<string, double>());
        loss.backward();
        Assert.Equal(0, loss.item<float>());
        Assert.All(task.Model.parameters(), parameter => Assert.Equal(0, parameter.grad!.abs().max().item<float>()));
    }

    private sealed class Fixed(Tensor tokens, Tensor targets) : ITokenSource
    {
        public int StepsPerEpoch => 1;
        public TokenBatch Batch(int epoch, int step) => new(tokens.clone(), targets.clone());
    }

    [Fact]
    public void Recall_is_measured_by_the_share_of_right_answers()
    {
        var result = Train(ConfigLoader.Parse<ExperimentConfig>($$"""
            output: {{folder.Path}}/runs
            task: language_modeling
            data: {name: associative_recall, vocab_size: 16, pairs: [1, 2], context: 8, steps_per_epoch: 5, eval_steps: 4}
            model: {name: gpt2, vocab_size: 16, n_positions: 8, n_embd: 16, n_layer: 1, n_head: 2}
            train: {epochs: 1, batch_size: 4}
            device: cpu
            """));
        Assert.Equal("accuracy", result.Summary.metric);
        Assert.InRange(result.Summary.best["accuracy"], 0, 1);
        Assert.False(Directory.Exists(result.Run.Tokenizer));
        var error = Assert.Throws<UserError>(() => TextModel.Load(result.Run.Location, CPU));
        Assert.Contains("has no tokenizer", error.Message);
    }

    [Fact]
    public void A_Hugging_Face_folder_is_tuned_with_its_own_tokenizer()
    {
        var (model, text) = (folder.File("model"), folder.Write("more.txt", string.Concat(Enumerable.Repeat(Alphabet, 20))));
        Directory.CreateDirectory(model);
        CharacterTokenizer.Train(Alphabet).Save(Path.Combine(model, "tokenizer.json"));
        File.WriteAllText(Path.Combine(model, "config.json"), """
            {"model_type": "llama", "vocab_size": 27, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 32}
            """);
        using (var fresh = ModelBuilder.Build(new NamedPart(model)))
        using (var file = File.Create(Path.Combine(model, "model.safetensors")))
            SafeTensors.Write(file, fresh.state_dict());
        var result = Train(ConfigLoader.Parse<ExperimentConfig>($$"""
            output: {{folder.Path}}/runs
            task: language_modeling
            model: {{model}}
            init: {checkpoint: {{model}}}
            data: {name: text, path: {{text}}, tokenizer: {{model}}, context: 16, steps_per_epoch: 5}
            train: {epochs: 1, batch_size: 4}
            lora: {rank: 2, targets: ["*.q_proj", "*.v_proj"]}
            device: cpu
            """));
        Assert.Equal("finished", result.Summary.status);
        using var tuned = TextModel.Load(result.Run.Location, CPU);
        Assert.Equal(27, tuned.Tokenizer.VocabularySize);
    }

    [Theory]
    [InlineData("mixup: {mixup_alpha: 0.2}", "'mixup' is for task image_classification, not language_modeling")]
    [InlineData("linear_probe: true", "'linear_probe' is for task image_classification, not language_modeling")]
    [InlineData("loss: {name: bce}", "'loss.name' is for task image_classification, not language_modeling")]
    public void What_belongs_to_images_is_refused(string more, string message) =>
        Assert.Contains(Assert.Throws<ConfigError>(() => Alphabets(more)).Problems, problem => problem.Message.Contains(message));

    [Theory]
    [InlineData("model.vocab_size=20", "the data has 27 tokens, the model 20")]
    [InlineData("data.context=33", "data.context is 33, the model's is 32")]
    [InlineData("data.path=nowhere.txt", "there is no text 'nowhere.txt'")]
    [InlineData("data.tokenizer=nowhere", "there is no file or folder 'nowhere'")]
    public void Data_and_model_that_do_not_fit_are_named(string change, string message)
    {
        var file = folder.Write("config.yaml", Alphabets().ToYaml());
        var error = Assert.ThrowsAny<UserError>(() => Train(ExperimentConfig.Load(file, change)));
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Data_of_another_task_are_refused()
    {
        var images = Assert.Throws<ConfigError>(() => ConfigLoader.Parse<ExperimentConfig>("{model: gpt2, task: language_modeling, data: {name: shapes, path: x}}"));
        Assert.Contains("'data.name' is shapes, which is not for task language_modeling", images.Message);
        Assert.Contains("text, json_lines, chat, token_shards, associative_recall", images.Advice);
        var model = Assert.Throws<UserError>(() => Experiment.Check(ConfigLoader.Parse<ExperimentConfig>("{model: gpt2, data: {name: shapes, path: x}}").Value));
        Assert.Equal("model 'gpt2' takes no images", model.Message);
    }

    [Theory]
    [InlineData("{name: muon}", new[] { "transformer.wpe.weight", "transformer.wte.weight" })]
    [InlineData("{name: muon, adamw: [\"*.c_proj.weight\"]}", new[] { "transformer.h.0.attn.c_proj.weight", "transformer.h.0.mlp.c_proj.weight" })]
    public void Muon_leaves_embeddings_to_AdamW_unless_told_otherwise(string optimizer, string[] left)
    {
        var config = ConfigLoader.Parse<ExperimentConfig>($"{{model: gpt2, data: {{name: text, path: x}}, task: language_modeling, optimizer: {optimizer}}}").Value;
        using var model = new Gpt2(new Gpt2Config { vocab_size = 16, n_positions = 8, n_embd = 8, n_layer = 1, n_head = 2 });
        using var muon = Optimizers.Create(config.optimizer, model);
        model.call(zeros(1, 4, ScalarType.Int64)).sum().backward();
        muon.Step();
        Assert.Equal(left, muon.StateTensors().Select(each => each.Name).Where(key => key.EndsWith(".exp_avg", StringComparison.Ordinal)).Select(key => key[..^".exp_avg".Length])
            .Where(name => model.get_parameter(name)!.ndim > 1).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(new byte[] { 97, 98, 0xff, 99, 100, 101, 102 }, "is no UTF-8: byte 2 is 0xFF, which begins no character")]
    [InlineData(new byte[] { 97, 98, 0xff }, "is no UTF-8: byte 2 is 0xFF, which begins no character")]
    [InlineData(new byte[] { 97, 98, 0xe2, 0x82 }, "is cut in the middle of a character: byte 2 begins one of 3 bytes, but only 2 are there")]
    public void Text_that_is_no_UTF8_is_named_with_its_place(byte[] bytes, string message)
    {
        File.WriteAllBytes(folder.File("bad.txt"), bytes);
        Assert.Contains(message, Assert.Throws<UserError>(() => TextFiles.Read(folder.File("bad.txt"))).Message);
    }

    [Fact]
    public void The_texts_of_a_folder_follow_each_other()
    {
        folder.Write("texts/b.txt", "two");
        folder.Write("texts/a.txt", "\ufeffone ");
        Assert.Equal("one two", TextFiles.Read(folder.File("texts")));
    }
}
