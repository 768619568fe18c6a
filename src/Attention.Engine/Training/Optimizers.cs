using Attention.Engine.Configuration;
using Attention.Models.Language;
using Attention.Torch;
using static TorchSharp.torch;

namespace Attention.Engine.Training;

/// <summary>Optimizers from the <c>optimizer:</c> section of a config.</summary>
public static class Optimizers
{
    /// <summary>The optimizer of a model's parameters that are not frozen.</summary>
    public static FusedOptimizer Create(OptimizerConfig config, nn.Module model)
    {
        var groups = ParameterGroups.Of(model, config.lr, config.weight_decay, config.no_decay, config.layer_decay);
        return config switch
        {
            AdamWConfig c => new FusedAdamW(groups, c.betas.Item1, c.betas.Item2, c.eps),
            AdamConfig c => new FusedAdam(groups, c.betas.Item1, c.betas.Item2, c.eps),
            SgdConfig c => new FusedSGD(groups, c.momentum, c.dampening, c.nesterov),
            LambConfig c => new FusedLamb(groups, c.betas.Item1, c.betas.Item2, c.eps, c.max_grad_norm, c.trust_clip),
            LionConfig c => new FusedLion(groups, c.betas.Item1, c.betas.Item2),
            AdafactorConfig c => new FusedAdafactor(groups, c.decay_rate, c.eps, c.clip_threshold),
            MuonConfig c => new FusedMuon(groups, c.momentum, c.nesterov, c.betas.Item1, c.betas.Item2, c.eps, LeftToAdamW(c, model)),
            _ => throw new ArgumentException($"no optimizer for {config.GetType().Name}"),
        };
    }

    // Rows of an embedding are looked up one by one: they are no map between spaces (Jordan et al. 2024).
    private static IReadOnlySet<string> LeftToAdamW(MuonConfig config, nn.Module model)
    {
        var names = model.named_parameters().Select(p => p.name).ToArray();
        if (config.adamw is { } chosen)
            return NamePatterns.Choose(names, chosen, "optimizer.adamw");
        return model is LanguageModel language ? names.Where(name => language.layer_of(name) is var layer && (layer == 0 || layer == language.num_layers - 1)).ToHashSet() : new HashSet<string>();
    }
}
