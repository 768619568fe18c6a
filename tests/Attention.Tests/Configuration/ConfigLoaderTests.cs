using Attention.Engine.Configuration;
using Xunit;

namespace Attention.Tests.Configuration;

public class ConfigLoaderTests
{
    private const string Recipe = """
        name: cifar10_vit_tiny
        model:
          name: vit_tiny_patch16_224
          img_size: 32
          patch_size: 4
        data:
          name: image_folder
          path: data/cifar10
          image_size: 32
          transforms:
            train: random_crop(32, 4)|hflip
        train: {epochs: 50, batch_size: 256}
        optimizer: {name: adamw, lr: 1e-3, betas: [0.9, 0.95]}
        schedule: {warmup_epochs: 2.5, min_lr: 1e-6}
        clip_grad_norm: 1.0
        """;

    [Fact]
    public void Binds_every_kind_of_value()
    {
        var config = ConfigLoader.Parse<ExperimentConfig>(Recipe).Value;
        Assert.Equal("cifar10_vit_tiny", config.name);
        Assert.Equal(TaskKind.ImageClassification, config.task);
        Assert.Equal("vit_tiny_patch16_224", config.model.name);
        Assert.Equal(["img_size", "patch_size"], config.model.options.Entries.Select(entry => entry.Key));
        var data = Assert.IsType<ImageFolderConfig>(config.data);
        Assert.Equal("data/cifar10", data.path);
        Assert.Equal("random_crop(32, 4)|hflip", data.transforms.train);
        Assert.Null(data.transforms.eval);
        Assert.Null(data.workers);
        Assert.Equal(new TrainConfig { epochs = 50, batch_size = 256 }, config.train);
        Assert.Equal(new AdamWConfig { lr = 1e-3, betas = (0.9, 0.95) }, config.optimizer);
        Assert.Equal(new CosineConfig { warmup_epochs = 2.5, min_lr = 1e-6 }, config.schedule);
        Assert.Equal(1.0, config.clip_grad_norm);
        Assert.Equal(new CrossEntropyConfig(), config.loss);
    }

    [Fact]
    public void The_resolved_config_loads_again_to_the_same_values()
    {
        var first = ConfigLoader.Parse<ExperimentConfig>(Recipe, "x.yaml", "output=$${not a variable}", "data.train=\"007\"", "model.note='a: b # c'");
        var yaml = first.ToYaml();
        var second = ConfigLoader.Parse<ExperimentConfig>(yaml);
        Assert.Equal(yaml, second.ToYaml());
        // Records compare their lists by identity.
        Assert.Equal((AdamWConfig)first.Value.optimizer with { no_decay = [] }, (AdamWConfig)second.Value.optimizer with { no_decay = [] });
        Assert.Equal((ImageFolderConfig)first.Value.data with { classes = [] }, (ImageFolderConfig)second.Value.data with { classes = [] });
        Assert.Equal("007", Assert.IsType<ImageFolderConfig>(second.Value.data).train);
        Assert.Equal("${not a variable}", second.Value.output);
        Assert.Equal(first.Flatten().Select(value => (value.Key, value.Value)), second.Flatten().Select(value => (value.Key, value.Value)));
        Assert.All(second.Flatten(), value => Assert.NotEqual(Origin.Default, value.Origin));
    }

    [Fact]
    public void Writes_yaml_that_a_person_would_write()
    {
        var yaml = ConfigLoader.Parse<ExperimentConfig>(Recipe).ToYaml();
        Assert.Contains("""
            optimizer:
              name: adamw
              lr: 0.001
              weight_decay: 0.05
              no_decay: []
              layer_decay: null
              betas: [0.9, 0.95]
              eps: 1.0e-08
            schedule:
              name: cosine
              warmup_epochs: 2.5
              warmup_lr: 0
              min_lr: 1.0e-06
            """, yaml);
        Assert.Contains("    train: random_crop(32, 4)|hflip\n    eval: null\n", yaml);
    }

    [Fact]
    public void Every_value_knows_its_origin()
    {
        using var folder = new TemporaryFolder();
        var under = folder.Write("base.yaml", Recipe);
        var path = folder.Write("sub/child.yaml", "base: ../base.yaml\nseed: 7\noptimizer:\n  lr: 3e-4\n");
        var origins = ExperimentConfig.Load(path, "train.epochs=20", "log={every: 5}").Flatten().ToDictionary(value => value.Key);

        Assert.Equal(("7", new Origin(path, 2, 7)), (origins["seed"].Value, origins["seed"].Origin));
        Assert.Equal(("0.0003", new Origin(path, 4, 7)), (origins["optimizer.lr"].Value, origins["optimizer.lr"].Origin));
        Assert.Equal($"{under}:13", origins["optimizer.betas"].Origin.ToString());
        Assert.Equal($"{under}:13", origins["optimizer.name"].Origin.ToString());
        Assert.Equal($"{under}:4", origins["model.img_size"].Origin.ToString());
        Assert.Equal("default", origins["optimizer.eps"].Origin.ToString());
        Assert.Equal("default", origins["schedule.name"].Origin.ToString());
        Assert.Equal("--set train.epochs=20", origins["train.epochs"].Origin.ToString());
        Assert.Equal("--set log={every: 5}", origins["log.every"].Origin.ToString());
        Assert.Equal("default", origins["log.report"].Origin.ToString());
    }

    [Fact]
    public void A_config_is_laid_over_its_base()
    {
        using var folder = new TemporaryFolder();
        folder.Write("base.yaml", Recipe + "\nlog: {every: 7}\n");
        var path = folder.Write("child.yaml", """
            base: base.yaml
            model: {depth: 4, patch_size: null}
            optimizer: {betas: [0.8, 0.9]}
            clip_grad_norm: null
            log: null
            """);
        var config = ExperimentConfig.Load(path).Value;
        // Maps merge, and a null takes a key away.
        Assert.Equal("vit_tiny_patch16_224", config.model.name);
        Assert.Equal(new VitLike { img_size = 32, depth = 4 }, config.model.Bind(new VitLike()));
        // Lists and scalars replace.
        Assert.Equal(new AdamWConfig { lr = 1e-3, betas = (0.8, 0.9) }, config.optimizer);
        Assert.Null(config.clip_grad_norm);
        Assert.Equal(new LogConfig(), config.log);
        // The name is the base's where it gives one, else the file's.
        Assert.Equal("cifar10_vit_tiny", config.name);
        Assert.Equal("lone", ExperimentConfig.Load(folder.Write("lone.yaml", Recipe[Recipe.IndexOf("model")..])).Value.name);
    }

    [Fact]
    public void Overrides_reach_any_key_and_the_last_wins()
    {
        var config = ConfigLoader.Parse<ExperimentConfig>("model: vit\ndata: {name: shapes, path: x}", "x.yaml",
            "optimizer.betas=[0.1, 0.2]", "model.depth=3", "seed=1", "seed=2", "data.transforms.eval=resize(64)|center_crop(64)", "output=a=b", "clip_grad_norm=0.5").Value;
        Assert.Equal((0.1, 0.2), Assert.IsType<AdamWConfig>(config.optimizer).betas);
        Assert.Equal("vit", config.model.name);
        Assert.Equal(3, config.model.Bind(new VitLike()).depth);
        Assert.Equal(2, config.seed);
        Assert.Equal("resize(64)|center_crop(64)", ((ImageDataConfig)config.data).transforms.eval);
        Assert.Equal("a=b", config.output);
        Assert.Equal(0.5, config.clip_grad_norm);
        Assert.IsType<ShapesConfig>(config.data);
    }

    [Fact]
    public void Environment_variables_and_home_are_filled_in()
    {
        Environment.SetEnvironmentVariable("ATTENTION_TEST_DATA", "/mnt/data");
        var config = ConfigLoader.Parse<ExperimentConfig>("model: vit\ndata: {name: shapes, path: '${ATTENTION_TEST_DATA}/shapes'}\noutput: ~/runs", "x.yaml",
            "data.train=${ATTENTION_TEST_UNSET:-train2}").Value;
        var data = Assert.IsType<ShapesConfig>(config.data);
        Assert.Equal("/mnt/data/shapes", data.path);
        Assert.Equal("train2", data.train);
        Assert.Equal(Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), "runs"), config.output);
    }

    [Fact]
    public void A_program_can_make_a_config_without_a_file()
    {
        var config = ConfigLoader.Of(new ExperimentConfig
        {
            model = new("vit_tiny_patch16_224", ("depth", 4)),
            data = new ImageFolderConfig { path = "data/x" },
            optimizer = new AdamWConfig { lr = 5e-4 },
        });
        Assert.Equal(4, config.Value.model.Bind(new VitLike()).depth);
        Assert.Equal(5e-4, ConfigLoader.Parse<ExperimentConfig>(config.ToYaml()).Value.optimizer.lr);
        Assert.Throws<ConfigError>(() => ConfigLoader.Of(config.Value with { seed = 0, optimizer = new AdamWConfig { lr = -1 } }));
    }

    [Fact]
    public void Anchors_may_be_used()
    {
        var config = ConfigLoader.Parse<ExperimentConfig>("model: &m vit\nname: *m\ndata: {name: shapes, path: x}").Value;
        Assert.Equal("vit", config.name);
    }

    private sealed record VitLike
    {
        public int img_size { get; init; } = 224;
        public int patch_size { get; init; } = 16;
        public int depth { get; init; } = 12;
    }
}
