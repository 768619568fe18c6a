namespace Attention.Modules;

/// <summary>The attention modules that any host takes by name.</summary>
public static class AttentionModules
{
    private static readonly Dictionary<string, AttentionConfig> byName = [];

    static AttentionModules()
    {
        Register("self", new SelfAttentionConfig());
        Register("window", new WindowAttentionConfig());
        Register("continuous_window", new ContinuousWindowAttentionConfig());
        Register("spatial_reduction", new SpatialReductionAttentionConfig());
        Register("bi_level_routing", new BiLevelRoutingAttentionConfig());
        Register("enhanced_self", new EnhancedSelfAttentionConfig());
        Register("partition", new PartitionAttentionConfig());
        Register("halo", new HaloAttentionConfig());
        Register("bottleneck", new BottleneckAttentionConfig());
        Register("lambda", new LambdaLayerConfig());
        Register("focal_modulation", new FocalModulationConfig());
        Register("global_context", new GlobalContextAttentionConfig());
        Register("single_head", new SingleHeadAttentionConfig());
        Register("large_kernel", new LargeKernelAttentionConfig());
        Register("gated_positional", new GatedPositionalAttentionConfig());
        Register("channel_group", new ChannelGroupAttentionConfig());
        Register("cross_covariance", new CrossCovarianceAttentionConfig());
        Register("talking_heads", new TalkingHeadsAttentionConfig());
        Register("grouped_query", new GroupedQueryConfig());
        Register("sliding_window", new SlidingWindowConfig());
        Register("kdgqa", new KeyDrivenGroupConfig());
        Register("dgqa", new DynamicGroupConfig());
        Register("pgqa", new PerturbedGroupConfig());
        Register("aggregated", new AggregatedAttentionConfig());
        Register("length_scaled", new LengthScaledAttentionConfig());
        Register("differential", new DifferentialAttentionConfig());
        Register("relative_position", new RelativePositionAttentionConfig());
        Register("moh", new MixtureOfHeadAttentionConfig());
    }

    /// <summary>Adds an attention: a user's own, from their program.</summary>
    /// <param name="name">Its name in configs.</param>
    /// <param name="defaults">What the config's keys are laid over.</param>
    /// <exception cref="ArgumentException">The name is taken, or the record's type has another name.</exception>
    public static void Register(string name, AttentionConfig defaults)
    {
        if (byName.Values.Any(known => known.GetType() == defaults.GetType()))
            throw new ArgumentException($"{defaults.GetType().Name} is already registered as '{NameOf(defaults)}'");
        if (!byName.TryAdd(name, defaults))
            throw new ArgumentException($"attention '{name}' is already registered");
    }

    /// <summary>All names, in the order of registration.</summary>
    public static IReadOnlyCollection<string> Names => byName.Keys;

    /// <summary>The record of a name.</summary>
    /// <exception cref="UserError">There is no such attention.</exception>
    public static AttentionConfig Defaults(string name) =>
        byName.GetValueOrDefault(name) ?? throw new UserError($"no attention '{name}'", $"there are {string.Join(", ", Names)}");

    /// <summary>The names of those that decoders take.</summary>
    public static IEnumerable<string> CausalNames => byName.Where(known => known.Value is ICausalAttentionConfig).Select(known => known.Key);

    /// <summary>The name of a record; null where its type was never registered.</summary>
    public static string? NameOf(AttentionConfig config) =>
        byName.FirstOrDefault(known => known.Value.GetType() == config.GetType()).Key;
}
