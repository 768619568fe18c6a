using Attention.Engine.Configuration;
using Xunit;

namespace Attention.Tests.Configuration;

/// <summary>What a user reads for each kind of mistake, to the letter.</summary>
public class ConfigErrorTests
{
    private const string Good = "model: vit_tiny_patch16_224\ndata: {name: image_folder, path: data/x}\n";

    [Theory]
    // Unknown keys, at the root, nested, in the wrong place and in a part chosen by name.
    [InlineData("optimzer: {lr: 1}", "x.yaml:3: unknown key 'optimzer'", "did you mean 'optimizer'?")]
    [InlineData("optimizer:\n  lr: 1\n  weigth_decay: 0", "x.yaml:5: unknown key 'weigth_decay' in 'optimizer' (adamw)", "did you mean 'weight_decay'?")]
    [InlineData("optimizer: {name: adamw, nesterov: true}", "x.yaml:3: unknown key 'nesterov' in 'optimizer' (adamw)", "possible keys: name, lr, weight_decay, no_decay, layer_decay, betas, eps")]
    [InlineData("batch_size: 64", "x.yaml:3: unknown key 'batch_size'", "did you mean 'train.batch_size'?")]
    [InlineData("train:\n  batchSize: 64", "x.yaml:4: unknown key 'batchSize' in 'train'", "did you mean 'batch_size'?")]
    // Unknown names.
    [InlineData("optimizer: {name: adamv}", "x.yaml:3: there is no optimizer named 'adamv'", "did you mean 'adamw'?")]
    [InlineData("schedule: zigzag", "x.yaml:3: there is no schedule named 'zigzag'", "possible: cosine, linear, step, polynomial, one_cycle, wsd, constant")]
    [InlineData("task: segmentation", "x.yaml:3: 'task' is 'segmentation', but must be one of: image_classification, language_modeling, object_detection, semantic_segmentation", "possible: image_classification, language_modeling, object_detection, semantic_segmentation")]
    // Wrong types.
    [InlineData("train: {epochs: ten}", "x.yaml:3: 'train.epochs' is 'ten', but must be a whole number", "for example: epochs: 100")]
    [InlineData("train: {epochs: 2.5}", "x.yaml:3: 'train.epochs' is '2.5', but must be a whole number", "for example: epochs: 100")]
    [InlineData("optimizer: {lr: fast}", "x.yaml:3: 'optimizer.lr' is 'fast', but must be a number", "for example: lr: 0.001")]
    [InlineData("log: {tensorboard: on}", "x.yaml:3: 'log.tensorboard' is 'on', but must be true or false", "for example: tensorboard: true")]
    [InlineData("train: 90", "x.yaml:3: 'train' is '90', but must be a map of keys", "possible keys: epochs, batch_size, eval_batch_size, accumulate, precision, checkpoint_activations, eval_every, patience")]
    [InlineData("seed: [1]", "x.yaml:3: 'seed' is a list, but must be a whole number", "for example: seed: 0")]
    [InlineData("optimizer: {betas: 0.9}", "x.yaml:3: 'optimizer.betas' is '0.9', but must be a list of 2", "for example: betas: [0.1, 0.1]")]
    [InlineData("optimizer: {betas: [0.9, 0.99, 0.999]}", "x.yaml:3: 'optimizer.betas' is a list of 3, but must be a list of 2", "for example: betas: [0.1, 0.1]")]
    [InlineData("optimizer: {betas: [0.9, x]}", "x.yaml:3: 'optimizer.betas[1]' is 'x', but must be a number", "for example: 0.1")]
    [InlineData("optimizer:\n  lr:", "x.yaml:4: 'optimizer.lr' has no value", "write a value, or leave the key out to get 0.001")]
    // Out of range.
    [InlineData("train:\n  epochs: 0", "x.yaml:4: 'train.epochs' is 0, but must be at least 1", "the default is 100")]
    [InlineData("optimizer: {lr: 0}", "x.yaml:3: 'optimizer.lr' is 0, but must be above 0", "the default is 0.001")]
    [InlineData("optimizer: {betas: [0.9, 1.0]}", "x.yaml:3: 'optimizer.betas' is 1, but must be from 0 to below 1", "the default is [0.9, 0.999]")]
    [InlineData("loss: {label_smoothing: 1.5}", "x.yaml:3: 'loss.label_smoothing' is 1.5, but must be from 0 to below 1", "the default is 0")]
    [InlineData("device: gpu", "x.yaml:3: 'device' is 'gpu', but must be one of: auto, cpu, cuda, cuda:0, cuda:1, ...", "the default is 'auto'")]
    [InlineData("name: a/b", "x.yaml:3: 'name' is 'a/b', but must be a name that can be a folder's", "the default is 'experiment'")]
    [InlineData("train: {epochs: 5}\nschedule:\n  warmup_epochs: 5", "x.yaml:5: 'schedule.warmup_epochs' is 5, but must be below 'train.epochs', which is 5", "shorten the warm-up or train longer")]
    // YAML itself.
    [InlineData("train:\n\tepochs: 1", "x.yaml:4: a tab in the indentation, where YAML allows only spaces", "replace the tab by two spaces")]
    [InlineData("seed: 1\nseed: 2", "x.yaml:4: key 'seed' stands twice, first in line 3", "remove one of the two")]
    [InlineData("seed: *one", "x.yaml:3: unknown anchor '*one'", "define it before with '&one'")]
    [InlineData("---\nseed: 1", "x.yaml:3: a second YAML document starts here", "keep one config in one file, without '---'")]
    [InlineData("output: ${ATTENTION_TEST_UNSET}/runs", "x.yaml:3: environment variable 'ATTENTION_TEST_UNSET' is not set", "set it with: export ATTENTION_TEST_UNSET=..., or write ${ATTENTION_TEST_UNSET:-default}")]
    public void Names_line_key_and_remedy(string yaml, string message, string advice)
    {
        var error = Assert.Throws<ConfigError>(() => ConfigLoader.Parse<ExperimentConfig>(Good + yaml, "x.yaml"));
        Assert.Equal(message, error.Message);
        Assert.Equal(advice, error.Advice);
    }

    [Theory]
    [InlineData("", "x.yaml:1: the config is empty", "write at least 'model:' and 'data:'")]
    [InlineData("# nothing\n", "x.yaml:1: the config is empty", "write at least 'model:' and 'data:'")]
    [InlineData("- a\n- b", "x.yaml:1: a config is a map of keys, but this is a list", "start it with a key, for example 'name: my_run'")]
    [InlineData("name: a", "x.yaml:1: 'model' is missing", "add 'model: {name: ...}'")]
    [InlineData("model: vit\ndata:\n  name: image_folder", "x.yaml:3: 'data.path' is missing", "add 'path: ...' under 'data'")]
    [InlineData("model: {depth: 4}", "x.yaml:1: 'model' has no name", "write 'model: {name: ...}'")]
    [InlineData("model: vit\ndata: {path: x}", "x.yaml:2: 'data' has no name", "add 'name: image_folder' (possible: image_folder, shapes, imagenet, cifar10, cifar100, mnist, list, tar_shards, coco, label_maps, scenes, text, json_lines, chat, token_shards, associative_recall, induction, copying)")]
    public void Names_what_is_missing(string yaml, string message, string advice)
    {
        var error = Assert.Throws<ConfigError>(() => ConfigLoader.Parse<ExperimentConfig>(yaml, "x.yaml"));
        Assert.Equal(message, error.Message);
        Assert.Equal(advice, error.Advice);
    }

    [Theory]
    [InlineData("seed: [1, 2\ntrain: {epochs: 1}", "x.yaml:3: not valid YAML: a bracket or brace is not closed")]
    [InlineData("train: {epochs: 1", "x.yaml:3: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'")]
    [InlineData("train: epochs: 1", "x.yaml:3: not valid YAML: while scanning a plain scalar value, found invalid mapping")]
    [InlineData("name: 'a\nseed: 1", "x.yaml:3: not valid YAML: while scanning a quoted scalar, found unexpected end of stream")]
    [InlineData("train:\n  epochs: 1\n batch_size: 2", "x.yaml:5: not valid YAML: while parsing a block mapping, did not find expected key")]
    public void Broken_yaml_names_the_line(string yaml, string message)
    {
        var error = Assert.Throws<ConfigError>(() => ConfigLoader.Parse<ExperimentConfig>(Good + yaml, "x.yaml"));
        Assert.Equal(message, error.Message);
        Assert.Equal("check colons, quotes, brackets and indentation of this line and the one before", error.Advice);
    }

    [Theory]
    [InlineData("optimzer.lr=1", "--set optimzer.lr=1: unknown key 'optimzer'", "did you mean 'optimizer'?")]
    [InlineData("optimizer.lr=fast", "--set optimizer.lr=fast: 'optimizer.lr' is 'fast', but must be a number", "for example: lr: 0.001")]
    [InlineData("optimizer.lr", "--set optimizer.lr: not of the form key=value", "write for example --set optimizer.lr=1e-3")]
    [InlineData("optimizer..lr=1", "--set optimizer..lr=1: not of the form key=value", "write for example --set optimizer.lr=1e-3")]
    [InlineData("seed=[1", "--set seed=[1: not valid YAML: while parsing a flow sequence, did not find expected ',' or ']'", "put quotes around the value")]
    [InlineData("=1", "--set =1: not of the form key=value", "write for example --set optimizer.lr=1e-3")]
    public void Overrides_are_checked_alike(string text, string message, string advice)
    {
        var error = Assert.Throws<ConfigError>(() => ConfigLoader.Parse<ExperimentConfig>(Good, "x.yaml", text));
        Assert.Equal(message, error.Message);
        Assert.Equal(advice, error.Advice);
    }

    [Fact]
    public void Every_problem_is_found_at_once_in_the_order_of_the_file()
    {
        var error = Assert.Throws<ConfigError>(() => ConfigLoader.Parse<ExperimentConfig>("seed: x\ntrain:\n  epochs: 0\n  epoch: 1\ndevice: gpu\n", "x.yaml"));
        Assert.Equal(["x.yaml:1", "x.yaml:1", "x.yaml:1", "x.yaml:3", "x.yaml:4", "x.yaml:5"], error.Problems.Select(problem => problem.Origin.ToString()));
    }

    [Fact]
    public void A_missing_file_names_the_nearest()
    {
        using var folder = new TemporaryFolder();
        var there = folder.Write("quickstart.yaml", Good);
        var error = Assert.Throws<UserError>(() => ExperimentConfig.Load(folder.File("quikstart.yaml")));
        Assert.Equal($"config file '{folder.File("quikstart.yaml")}' does not exist", error.Message);
        Assert.Equal($"did you mean '{there}'?", error.Advice);

        error = Assert.Throws<UserError>(() => ExperimentConfig.Load(folder.Path));
        Assert.Equal($"'{folder.Path}' is a folder, not a config file", error.Message);

        error = Assert.Throws<UserError>(() => ExperimentConfig.Load(folder.File("none/a.yaml")));
        Assert.Equal($"folder '{folder.File("none")}' does not exist either; the path is taken from '{Environment.CurrentDirectory}'", error.Advice);
    }

    [Fact]
    public void A_base_must_exist_and_have_no_base()
    {
        using var folder = new TemporaryFolder();
        var lone = folder.Write("lone.yaml", "base: none.yaml\n");
        var self = folder.Write("self.yaml", "base: self.yaml\n");
        var (a, b) = (folder.Write("a.yaml", "seed: 1\nbase: b.yaml\n"), folder.Write("b.yaml", "base: ./a.yaml\n"));
        var third = folder.Write("third.yaml", "base: b.yaml\n");

        Assert.Equal($"{lone}:1: the base '{folder.File("none.yaml")}' does not exist", Fails(lone));
        Assert.Equal($"{self}:1: the config names itself as its base", Fails(self));
        Assert.Equal($"{a}:2: '{a}' and '{b}' are each other's base", Fails(a));
        Assert.Equal($"{third}:1: the base '{b}' has a base itself (line 1)", Fails(third));

        static string Fails(string path) => Assert.Throws<ConfigError>(() => ExperimentConfig.Load(path)).Message;
    }

    [Fact]
    public void A_value_of_the_base_is_blamed_on_the_base()
    {
        using var folder = new TemporaryFolder();
        var under = folder.Write("base.yaml", Good + "optimizer: {lr: -1}\n");
        var path = folder.Write("child.yaml", "base: base.yaml\nseed: 3\n");
        Assert.Equal($"{under}:3: 'optimizer.lr' is -1, but must be above 0", Assert.Throws<ConfigError>(() => ExperimentConfig.Load(path)).Message);
    }
}
