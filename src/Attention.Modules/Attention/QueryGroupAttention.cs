using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What grouped-query attention of any grouping is made from; the keys of <c>attention:</c> in a config.</summary>
public abstract record QueryGroupConfig : MultiHeadConfig, ICausalAttentionConfig
{
    /// <summary>Heads of keys and values, each shared by a group of queries' heads; null for half of the heads or the next fewer that divide them, in decoders for as the host has it.</summary>
    public int? num_key_value_heads { get; init; }
    /// <summary>Null for yes, in decoders for as the host has it.</summary>
    public bool? qkv_bias { get; init; }
    public double attn_drop { get; init; }
    /// <summary>Not in decoders.</summary>
    public double proj_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Sequence;

    public override QueryGroupAttention Create(AttentionSite site) => new(site, this);

    public CausalAttention CreateCausal(CausalSite site) => new QueryGroupDecoding(site, this);

    /// <summary>The grouping of an attention's heads of queries over its heads of keys and values.</summary>
    internal abstract QueryGrouping Grouping(nn.Module owner, int heads, int groups, bool causal);
}

/// <summary>GQA: groups of equal size. By name it is <see cref="GroupedQueryConfig"/>.</summary>
internal sealed record EvenGroupConfig : QueryGroupConfig
{
    internal override QueryGrouping Grouping(nn.Module owner, int heads, int groups, bool causal) => new EvenGroups();
}

/// <summary>PGQA: groups of equal size whose results have noise subtracted in training.</summary>
public sealed record PerturbedGroupConfig : QueryGroupConfig
{
    internal override QueryGrouping Grouping(nn.Module owner, int heads, int groups, bool causal) => new PerturbedGroups(owner, causal);
}

/// <summary>KDGQA: heads with longer keys serve more heads of queries.</summary>
public sealed record KeyDrivenGroupConfig : QueryGroupConfig
{
    internal override QueryGrouping Grouping(nn.Module owner, int heads, int groups, bool causal) => causal ? new CausalKeyDrivenGroups() : new KeyDrivenGroups();
}

/// <summary>DGQA: groups follow how the lengths of keys change over training.</summary>
public sealed record DynamicGroupConfig : QueryGroupConfig
{
    /// <summary>Whether groups follow the change of lengths (diff) or their running mean (ema).</summary>
    public string kind { get; init; } = "diff";
    /// <summary>Steps of training from one allocation to the next.</summary>
    public int window_size { get; init; } = 1;

    internal override QueryGrouping Grouping(nn.Module owner, int heads, int groups, bool causal) =>
        new DynamicGroups(owner, heads, groups, kind, window_size, causal);
}

/// <summary>
/// Self-attention in which groups of heads, even or not, share keys and values. (B, N, C) to the same; parameter names as in the
/// authors' repository, zohaib-khan5040/key-driven-gqa.
/// Khan et al., Beyond Uniform Query Distribution: Key-Driven Grouped Query Attention, 2024 (arXiv:2408.08454).
/// </summary>
public sealed class QueryGroupAttention : Block
{
    private readonly Linear q;
    private readonly Linear k;
    private readonly Linear v;
    private readonly Linear proj;
    private readonly Dropout proj_drop;

    private readonly QueryGrouping grouping;
    private readonly double attn_drop;

    public QueryGroupAttention(AttentionSite site, QueryGroupConfig config) : base(nameof(QueryGroupAttention))
    {
        long dim = site.Dim;
        Heads = (config with { num_heads = config.num_heads ?? site.NumHeads }).HeadsFor(dim);
        Groups = config.num_key_value_heads ?? Enumerable.Range(1, Math.Max(1, Heads / 2)).Last(count => Heads % count == 0);
        if (Groups < 1 || Heads % Groups != 0)
            throw new UserError($"{Heads} heads do not divide into num_key_value_heads {Groups}", "choose a number that divides the heads");
        bool bias = config.qkv_bias ?? true;
        attn_drop = config.attn_drop;
        long shared = dim / Heads * Groups;
        q = nn.Linear(dim, dim, hasBias: bias);
        k = nn.Linear(dim, shared, hasBias: bias);
        v = nn.Linear(dim, shared, hasBias: bias);
        proj = nn.Linear(dim, dim);
        proj_drop = nn.Dropout(config.proj_drop);
        RegisterComponents();
        grouping = config.Grouping(this, Heads, Groups, causal: false);
    }

    /// <summary>Heads of queries.</summary>
    public int Heads { get; }

    /// <summary>Heads of keys and values.</summary>
    public int Groups { get; }

    /// <summary>Heads of queries that each head of keys and values served in the last call; null where groups are even.</summary>
    public IReadOnlyList<int>? Served => grouping.Served;

    protected override Tensor Forward(Tensor x)
    {
        Tensor Split(Tensor t, int heads) => t.unflatten(-1, heads, -1).transpose(1, 2);
        var attended = grouping.Attend(Split(q.call(x), Heads), Split(k.call(x), Groups), Split(v.call(x), Groups), null,
            new AttendOptions(Dropout: training ? attn_drop : 0));
        return proj_drop.call(proj.call(attended.transpose(1, 2).flatten(2)));
    }
}

/// <summary>
/// A decoder's grouped-query attention whose groups are uneven or perturbed. (B, T, C) to the same; parameter names as
/// <see cref="GroupedQueryAttention"/>. What the paper takes from all tokens is taken from those up to each (KDGQA), from earlier
/// steps of training (DGQA) or from each token alone (PGQA), so that no token sees a later one and a cache changes nothing.
/// Khan et al., Beyond Uniform Query Distribution: Key-Driven Grouped Query Attention, 2024 (arXiv:2408.08454).
/// </summary>
public sealed class QueryGroupDecoding : GroupedQueryAttention
{
    private readonly QueryGrouping grouping;

    public QueryGroupDecoding(CausalSite site, QueryGroupConfig config) : base(site, Dense(site, config)) =>
        grouping = config.Grouping(this, heads, groups, causal: true);

    private static GroupedQueryConfig Dense(CausalSite site, QueryGroupConfig config)
    {
        if (config.proj_drop > 0)
            throw new UserError("grouped queries take no proj_drop in a decoder", "leave it out: the decoder's own settings hold");
        return site.Own with
        {
            num_heads = config.num_heads ?? site.Own.num_heads,
            num_key_value_heads = config.num_key_value_heads ?? site.Own.num_key_value_heads,
            qkv_bias = config.qkv_bias ?? site.Own.qkv_bias,
            attn_drop = config.attn_drop > 0 ? config.attn_drop : site.Own.attn_drop,
        };
    }

    public override ILayerCache CreateCache(long batch, long capacity, ScalarType dtype, Device device) =>
        grouping.CreateCache((KeyValueCache)base.CreateCache(batch, capacity, dtype, device), batch, groups, device);

    protected override (Tensor k, Tensor v) Remember(Tensor k, Tensor v, ILayerCache? cache)
    {
        var lengths = cache as KeyLengthCache;
        grouping.Remember(k, lengths);
        return base.Remember(k, v, lengths?.Inner ?? cache);
    }

    private protected override Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? mask, AttendOptions options) => grouping.Attend(q, k, v, mask, options);
}
