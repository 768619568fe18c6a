using Attention.Engine;
using Attention.Engine.Configuration;
using Attention.Engine.Training;
using Attention.Engine.Training.Tuning;
using Attention.Models;
using Attention.Models.Language;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine;

/// <summary>What is trained of a model: parameter groups, freezing, linear probes, low-rank changes, averages.</summary>
public sealed class TuningTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static ImageModel Tiny(string name = "vit_tiny_patch16_224")
    {
        manual_seed(3);
        return name.StartsWith("vit", StringComparison.Ordinal)
            ? (ImageModel)ModelBuilder.Build(new NamedPart(name, ("img_size", 16), ("patch_size", 8), ("embed_dim", 16), ("depth", 2), ("num_heads", 2), ("num_classes", 3)))
            : (ImageModel)ModelBuilder.Build(new NamedPart(name, ("layers", new[] { 1, 1, 1, 1 }), ("num_classes", 3)));
    }

    private static string[] Trained(nn.Module model) => [.. model.named_parameters().Where(p => p.parameter.requires_grad).Select(p => p.name)];

    [Fact]
    public void Norms_biases_and_what_is_named_take_no_weight_decay()
    {
        using var model = Tiny();
        var groups = ParameterGroups.Of(model, 0.1, 0.5, ["blocks.0.mlp.*"]);
        Assert.Equal([0.5, 0], groups.Select(group => group.WeightDecay));
        var spared = groups[1].Parameters.Select(p => p.Name).ToArray();
        Assert.Contains("pos_embed", spared);
        Assert.Contains("blocks.0.mlp.fc1.weight", spared);
        Assert.DoesNotContain("blocks.1.mlp.fc1.weight", spared);
        Assert.All(groups[0].Parameters, p => Assert.True(p.Parameter.ndim > 1));
        Assert.Contains("no_decay: nothing in the model is called 'blokcs.*'", Assert.Throws<UserError>(() => ParameterGroups.Of(model, 0.1, 0.5, ["blokcs.*"])).Message);
    }

    [Fact]
    public void Layers_below_the_head_learn_more_slowly()
    {
        using var model = Tiny();
        var scales = ParameterGroups.Of(model, 0.1, 0.5, [], layerDecay: 0.5).SelectMany(group => group.Parameters.Select(p => (p.Name, group.RateScale))).ToDictionary();
        Assert.Equal(1, scales["head.weight"]);
        Assert.Equal(0.5, scales["blocks.1.attn.qkv.weight"]);
        Assert.Equal(0.25, scales["blocks.0.attn.qkv.bias"]);
        Assert.Equal(0.125, scales["patch_embed.proj.weight"]);
        Assert.Equal(model.parameters().Count(), scales.Count);
    }

    [Fact]
    public void Frozen_parameters_and_their_statistics_stay()
    {
        using var model = Tiny("resnet18");
        Freezing.Freeze(model, ["conv1.*", "bn1.*", "layer?.*"]);
        Assert.Equal(["fc.weight", "fc.bias"], Trained(model));
        model.train();
        Freezing.RestFrozen(model);
        var before = model.state_dict()["bn1.running_mean"].clone();
        model.call(randn(2, 3, 32, 32));
        Assert.True(before.equal(model.state_dict()["bn1.running_mean"]).all().item<bool>());
        Assert.Contains("nothing is left", Assert.Throws<UserError>(() => Freezing.Freeze(model, ["*"])).Message);
    }

    [Theory]
    [InlineData("vit_tiny_patch16_224", "head")]
    [InlineData("resnet18", "fc")]
    public void A_linear_probe_trains_the_classifier(string name, string classifier)
    {
        using var model = Tiny(name);
        Freezing.FreezeFeatures(model);
        Assert.Equal([$"{classifier}.weight", $"{classifier}.bias"], Trained(model));
    }

    [Fact]
    public void Low_rank_changes_start_at_nothing_learn_and_merge()
    {
        using var model = Tiny();
        var images = randn(2, 3, 16, 16);
        model.eval();
        var (names, before) = (model.state_dict().Keys.ToArray(), model.call(images));
        var adapters = new LoraAdapters(model, new LoraConfig { rank = 2, alpha = 6, targets = ["*.qkv", "*.fc1"] });
        Assert.Equal(["blocks.0.attn.qkv", "blocks.0.mlp.fc1", "blocks.1.attn.qkv", "blocks.1.mlp.fc1"], adapters.Layers.Order());
        Assert.True(before.allclose(model.call(images), 1e-6, 1e-6));
        Assert.Equal(["blocks.0.attn.qkv.lora.A", "blocks.0.attn.qkv.lora.B"], Trained(model).Where(name => name.StartsWith("blocks.0.attn")));
        Assert.Contains("head.weight", Trained(model));

        using var optimizer = new FusedAdamW(ParameterGroups.Of(model, 0.1, 0, model.no_weight_decay));
        for (int step = 0; step < 3; step++)
        {
            optimizer.ZeroGrad();
            nn.functional.cross_entropy(model.call(images), tensor(new long[] { 0, 1 })).backward();
            adapters.RequireGradients();
            optimizer.Step();
        }
        using var _ = no_grad();
        var changed = model.call(images);
        Assert.False(before.allclose(changed, 1e-2, 1e-2));

        // Merged weights under the old names give the same, in a model that knows of no adapters.
        var merged = adapters.Merged();
        Assert.Equal(names.Order(), merged.Keys.Order());
        using var plain = Tiny();
        foreach (var (name, tensor) in plain.state_dict())
            tensor.copy_(merged[name]);
        plain.eval();
        Assert.True(changed.allclose(plain.call(images), 1e-4, 1e-5));
        adapters.Merge();
        Assert.True(changed.allclose(model.call(images), 1e-4, 1e-5));
        Assert.Equal(names, model.state_dict().Keys);
    }

    [Fact]
    public void Low_rank_changes_fit_GPT_2_s_turned_matrices()
    {
        Gpt2 Small()
        {
            manual_seed(3);
            return new Gpt2(new Gpt2Config { vocab_size = 11, n_positions = 8, n_embd = 8, n_layer = 1, n_head = 2 });
        }
        using var model = Small();
        var (tokens, names) = (randint(0, 11, [2, 5]), model.state_dict().Keys.ToArray());
        var before = model.call(tokens).detach();
        var adapters = new LoraAdapters(model, new LoraConfig { rank = 2, alpha = 6, targets = ["*.c_attn", "*.mlp.c_proj"] });
        Assert.Equal(["transformer.h.0.attn.c_attn", "transformer.h.0.mlp.c_proj"], adapters.Layers.Order());
        Assert.Equal([32L, 2], model.get_parameter("transformer.h.0.mlp.c_proj.lora.A")!.shape.Reverse());
        using var optimizer = new FusedAdamW(ParameterGroups.Of(model, 0.1, 0, model.no_weight_decay));
        for (int step = 0; step < 3; step++)
        {
            optimizer.ZeroGrad();
            nn.functional.cross_entropy(model.call(tokens).flatten(0, 1), tokens.flatten()).backward();
            adapters.RequireGradients();
            optimizer.Step();
        }
        using var _ = no_grad();
        var changed = model.call(tokens);
        Assert.False(before.allclose(changed, 1e-2, 1e-2));
        var merged = adapters.Merged();
        using var plain = Small();
        foreach (var (name, tensor) in plain.state_dict())
            tensor.copy_(merged[name]);
        Assert.True(changed.allclose(plain.call(tokens), 1e-4, 1e-5));
        adapters.Merge();
        Assert.True(changed.allclose(model.call(tokens), 1e-4, 1e-5));
        Assert.Equal(names, model.state_dict().Keys);
    }

    [Fact]
    public void Low_rank_targets_that_are_nowhere_are_named()
    {
        using var model = Tiny();
        var error = Assert.Throws<UserError>(() => new LoraAdapters(model, new LoraConfig { targets = ["*.query"] }));
        Assert.Contains("*.query", error.Message);
        Assert.Contains("blocks.0.attn.qkv", error.Advice);
    }

    [Fact]
    public void The_average_warms_up_and_takes_the_place_of_the_weights_for_a_while()
    {
        using var _ = no_grad();
        using var linear = nn.Linear(1, 1, hasBias: false);
        linear.weight.fill_(1);
        using var average = new WeightAverage(linear, new EmaConfig { decay = 0.9, warmup_power = 0.5 });
        Assert.Equal(0, average.DecayAt(1));
        Assert.Equal(0.5, average.DecayAt(4), 12);
        Assert.Equal(0.9, average.DecayAt(1000), 12);
        linear.weight.fill_(3);
        average.Update(1);
        linear.weight.fill_(5);
        average.Update(4);
        Assert.Equal(4, average.Tensors["weight"].item<float>(), 5);
        using (average.Borrow())
            Assert.Equal(4, linear.weight.item<float>(), 5);
        Assert.Equal(5, linear.weight.item<float>(), 5);
        Assert.Equal(4, average.Tensors["weight"].item<float>(), 5);
    }

    /// <summary>The recomputed blocks give the same loss and gradients, to the bit.</summary>
    [Theory]
    [InlineData("vit_tiny_patch16_224", 2)]
    [InlineData("resnet18", 4)]
    public void Checkpointed_blocks_compute_the_same(string name, int blocks)
    {
        float[] Gradients(bool checkpointed)
        {
            using var model = Tiny(name);
            if (checkpointed)
                Assert.Equal(blocks, Attention.Modules.Block.Checkpoint(model));
            foreach (var module in model.modules().OfType<TorchSharp.Modules.BatchNorm2d>())
                module.eval();
            manual_seed(4);
            model.call(randn(2, 3, 16, 16)).square().sum().backward();
            return [.. model.parameters().SelectMany(p => p.grad!.contiguous().data<float>().ToArray())];
        }
        Assert.Equal(Gradients(false), Gradients(true));
    }

    [Fact]
    public void Adaptive_clipping_limits_each_unit_by_its_weights()
    {
        // Rows of norm 5 and 0: the limits are 0.5 and, for a weight that starts at zero, 1e-4.
        var weight = tensor(new[] { 3f, 4f, 0f, 0f }).reshape(2, 2).requires_grad_();
        weight.grad = tensor(new[] { 6f, 8f, 3e-5f, 4e-5f }).reshape(2, 2);
        var clipping = new GradientClipping(ClippingKind.Adaptive, 0.1);
        Assert.Equal(1, clipping.Apply([weight], norm: 10));
        var clipped = weight.grad.data<float>().ToArray();
        Assert.Equal([0.3, 0.4, 3e-5, 4e-5], clipped.Select(v => Math.Round((double)v, 6)));
    }

    [Fact]
    public void Values_are_clipped_in_place_and_norms_by_a_factor()
    {
        var weight = ones(3).requires_grad_();
        weight.grad = tensor(new[] { -3f, 0.5f, 4f });
        Assert.Equal(0.2, new GradientClipping(ClippingKind.Norm, 1).Apply([weight], 5), 5);
        Assert.Equal(1, new GradientClipping(ClippingKind.Value, 1).Apply([weight], 5));
        Assert.Equal([-1, 0.5f, 1], weight.grad.data<float>().ToArray());
    }

    [Fact]
    public void The_loss_scale_halves_on_overflow_and_doubles_after_good_steps()
    {
        var scaler = new LossScaler(growthInterval: 2, initial: 8);
        Assert.False(scaler.Update(double.PositiveInfinity));
        Assert.Equal(new LossScale(4, 0), scaler.State);
        Assert.True(scaler.Update(1));
        Assert.True(scaler.Update(1));
        Assert.Equal(new LossScale(8, 0), scaler.State);
        var error = Assert.Throws<UserError>(() =>
        {
            for (int i = 0; i < 100; i++)
                scaler.Update(double.NaN);
        });
        Assert.Contains("overflow", error.Message);
    }
}
