using Attention.Engine.Checkpoints;
using Attention.Models;
using Attention.Models.Vision;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Checkpoints;

public sealed class WeightLoaderTests : IDisposable
{
    private static readonly VitConfig config = new() { img_size = 32, patch_size = 8, embed_dim = 24, depth = 1, num_heads = 2, num_classes = 5 };

    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private string Saved(VitConfig saved, Action<Dictionary<string, Tensor>>? change = null)
    {
        using var model = new VisionTransformer(saved);
        using var _ = no_grad();
        foreach (var parameter in model.parameters())
            nn.init.normal_(parameter);
        var state = model.state_dict();
        change?.Invoke(state);
        PyTorchFile.Write(folder.File("x.pth"), state);
        return folder.File("x.pth");
    }

    private static void AssertLoaded(nn.Module model, string path, params string[] except)
    {
        using var file = CheckpointReader.Open(path);
        foreach (var (name, tensor) in model.state_dict())
            if (!except.Contains(name))
                Assert.True(tensor.equal(file.Read(name)).item<bool>(), name);
    }

    [Fact]
    public void A_model_takes_its_own_weights()
    {
        var path = Saved(config);
        using var model = new VisionTransformer(config);
        var report = WeightLoader.Load(model, path);
        Assert.True(report.Fits);
        Assert.Equal(model.state_dict().Count, report.Loaded.Count);
        AssertLoaded(model, path);
    }

    [Fact]
    public void Half_precision_weights_are_widened()
    {
        var path = Saved(config, state =>
        {
            foreach (var name in state.Keys)
                state[name] = state[name].to(ScalarType.BFloat16);
        });
        using var model = new VisionTransformer(config);
        WeightLoader.Load(model, path);
        using var file = CheckpointReader.Open(path);
        Assert.Equal(ScalarType.BFloat16, file.Entry("cls_token").Type);
        Assert.True(model.state_dict()["blocks.0.attn.qkv.weight"].equal(file.Read("blocks.0.attn.qkv.weight").to(ScalarType.Float32)).item<bool>());
    }

    [Fact]
    public void What_does_not_fit_is_reported_and_nothing_is_touched()
    {
        var path = Saved(config, state =>
        {
            state.Remove("norm.weight");
            state["extra"] = ones(1);
            state["norm.bias"] = ones(3);
            state["cls_token"] = ones([1, 1, 24], ScalarType.Int64);
        });
        using var model = new VisionTransformer(config);
        var before = model.state_dict()["pos_embed"].clone();
        var error = Assert.Throws<LoadError>(() => WeightLoader.Load(model, path));
        Assert.Equal(["norm.weight"], error.Report.Missing);
        Assert.Equal(["extra"], error.Report.Unexpected);
        Assert.Equal(["cls_token", "norm.bias"], error.Report.Mismatched.Select(each => each.Name).Order());
        Assert.Contains("1 missing (norm.weight); 1 unexpected (extra); 2 of another shape", error.Message);
        Assert.True(before.equal(model.state_dict()["pos_embed"]).item<bool>());

        var report = WeightLoader.Load(model, path, strict: false);
        Assert.False(report.Fits);
        AssertLoaded(model, path, "norm.weight", "norm.bias", "cls_token");
    }

    [Fact]
    public void Other_classes_start_the_classifier_anew_and_say_so()
    {
        var path = Saved(config);
        using var model = new VisionTransformer(config with { num_classes = 7 });
        var report = WeightLoader.Load(model, path);
        Assert.Equal(["head.bias", "head.weight"], report.Reinitialised.Select(each => each.Name).Order());
        Assert.Contains(report.Describe(), line => line.StartsWith("classifier initialised anew: head.weight (7, 24) here, (5, 24) there", StringComparison.Ordinal));
        AssertLoaded(model, path, "head.weight", "head.bias");
        Assert.Equal([7, 24], model.state_dict()["head.weight"].shape);
    }

    [Fact]
    public void A_model_without_classes_leaves_the_head_out()
    {
        var path = Saved(config);
        using var model = new VisionTransformer(config with { num_classes = 0 });
        var report = WeightLoader.Load(model, path);
        Assert.Equal(["head.bias", "head.weight"], report.Ignored.Order());
        AssertLoaded(model, path);
    }

    [Theory]
    [InlineData(64, 8, 3, "pos_embed")]
    [InlineData(64, 16, 3, "patch_embed.proj.weight")]
    [InlineData(32, 16, 3, "patch_embed.proj.weight", "pos_embed")]
    [InlineData(32, 8, 1, "patch_embed.proj.weight")]
    [InlineData(32, 8, 5, "patch_embed.proj.weight")]
    [InlineData(32, 4, 4, "patch_embed.proj.weight", "pos_embed")]
    public void Another_geometry_is_fitted(int img_size, int patch_size, int in_chans, params string[] expected)
    {
        var path = Saved(config);
        using var model = new VisionTransformer(config with { img_size = img_size, patch_size = patch_size, in_chans = in_chans });
        var report = WeightLoader.Load(model, path);
        Assert.Equal(expected, report.Adapted.Select(each => each.Name).Order());
        AssertLoaded(model, path, expected);
        Assert.Equal([2, 5], model.call(rand(2, in_chans, img_size, img_size)).shape);
    }

    [Fact]
    public void Tables_that_models_compute_are_left_out()
    {
        var path = Saved(config, state =>
        {
            state["layers.0.attn.relative_position_index"] = zeros([4, 4], ScalarType.Int64);
            state["attn_mask"] = zeros(4);
        });
        using var model = new VisionTransformer(config);
        Assert.Equal(2, WeightLoader.Load(model, path).Ignored.Count);
    }

    [Fact]
    public void The_field_of_a_program_that_held_the_model_falls_away()
    {
        var path = Saved(config, state =>
        {
            foreach (var (name, tensor) in state.ToArray())
            {
                state.Remove(name);
                state["backbone." + name] = tensor;
            }
        });
        using var model = new VisionTransformer(config);
        Assert.True(WeightLoader.Load(model, path).Fits);
    }

    [Fact]
    public void Another_windows_table_is_resampled()
    {
        var swin = new SwinConfig { img_size = 32, patch_size = 2, embed_dim = 8, depths = [1, 1], num_heads = [1, 2], window_size = [4], num_classes = 3 };
        using (var saved = new SwinTransformer(swin))
            PyTorchFile.Write(folder.File("x.pth"), saved.state_dict());
        using var model = new SwinTransformer(swin with { img_size = 64, window_size = [8] });
        var report = WeightLoader.Load(model, folder.File("x.pth"));
        Assert.Equal(["layers.0.blocks.0.attn.relative_position_bias_table", "layers.1.blocks.0.attn.relative_position_bias_table"], report.Adapted.Select(each => each.Name));
        Assert.Equal([2, 3], model.call(rand(2, 3, 64, 64)).shape);
    }

    /// <summary>A model whose publisher calls its one layer otherwise, and saves a tensor that it has no use for.</summary>
    private sealed class Renaming : nn.Module<Tensor, Tensor>, IPublishedNames
    {
        private readonly Linear layer = nn.Linear(2, 2);

        public Renaming() : base(nameof(Renaming)) => RegisterComponents();

        public string? Rename(string published) => published == "steps" ? null : published.Replace("fc.", "layer.");

        public override Tensor forward(Tensor input) => layer.call(input);
    }

    [Fact]
    public void A_models_own_table_renames_what_was_published()
    {
        PyTorchFile.Write(folder.File("x.pth"), new Dictionary<string, Tensor> { ["fc.weight"] = rand(2, 2), ["fc.bias"] = rand(2), ["steps"] = ones(1) });
        using var model = new Renaming();
        var report = WeightLoader.Load(model, folder.File("x.pth"));
        Assert.Equal(["steps"], report.Ignored);
        Assert.Equal(["layer.weight", "layer.bias"], report.Loaded);
    }
}
