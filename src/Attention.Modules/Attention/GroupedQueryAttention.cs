using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// What a <see cref="GroupedQueryAttention"/> or, in image models, a <see cref="QueryGroupAttention"/> is made from; the keys of
/// <c>attention:</c> in a config.
/// </summary>
public sealed record GroupedQueryConfig : MultiHeadConfig, ICausalAttentionConfig
{
    /// <summary>Heads of keys and values, each shared by a group of queries' heads; null for as many as the host has, in image models for half of the heads.</summary>
    public int? num_key_value_heads { get; init; }
    /// <summary>Tokens that a query sees, itself included; null for as the host has it, 0 for all.</summary>
    public int? sliding_window { get; init; }
    public bool qkv_bias { get; init; }
    public bool out_bias { get; init; }
    /// <summary>Queries, keys and values by one layer, qkv_proj.</summary>
    public bool fused_qkv { get; init; }
    /// <summary>Root-mean-square norm of queries and keys: none, of each head (head), or of all together (width).</summary>
    public string qk_norm { get; init; } = "none";
    /// <summary>Those norms multiply by 1 + weight.</summary>
    public bool unit_offset_norm { get; init; }
    /// <summary>Factor of the scores; null for 1 / sqrt(head_dim).</summary>
    public double? scale { get; init; }
    /// <summary>Scores are squeezed into plus and minus this by tanh; null for no limit.</summary>
    public double? softcap { get; init; }
    public double attn_drop { get; init; }

    public override AttentionLayout Layout => AttentionLayout.Sequence;

    /// <exception cref="UserError">What is asked for is for decoders alone, or the numbers do not fit.</exception>
    public override QueryGroupAttention Create(AttentionSite site)
    {
        foreach (var (key, given) in new[]
        {
            (nameof(sliding_window), sliding_window is not null), (nameof(fused_qkv), fused_qkv), (nameof(qk_norm), qk_norm != "none"),
            (nameof(unit_offset_norm), unit_offset_norm), (nameof(scale), scale is not null), (nameof(softcap), softcap is not null),
        })
            if (given)
                throw new UserError($"attention 'grouped_query' takes {key} in decoders only", "leave it out");
        return new(site, new EvenGroupConfig { num_heads = num_heads, num_key_value_heads = num_key_value_heads, qkv_bias = qkv_bias, attn_drop = attn_drop });
    }

    public CausalAttention CreateCausal(CausalSite site) => new GroupedQueryAttention(site, this);
}

/// <summary>
/// Causal attention in which groups of heads share keys and values. (B, T, C) to the same; parameter names as in Hugging
/// Face's Llama and its descendants. Ainslie et al., GQA, 2023 (arXiv:2305.13245).
/// </summary>
public class GroupedQueryAttention : CausalAttention
{
    private readonly Linear? q_proj;
    private readonly Linear? k_proj;
    private readonly Linear? v_proj;
    private readonly Linear? qkv_proj;
    private readonly Linear o_proj;
    private readonly RmsNorm? q_norm;
    private readonly RmsNorm? k_norm;

    /// <summary>Heads of queries, heads of keys and values, channels of each.</summary>
    protected readonly int heads, groups, head_dim;

    private readonly GroupedQueryConfig config;
    private readonly int? window;

    public GroupedQueryAttention(CausalSite site, GroupedQueryConfig config) : base(nameof(GroupedQueryAttention), site)
    {
        this.config = config;
        heads = config.num_heads is null ? site.NumHeads : config.HeadsFor(site.Dim);
        groups = config.num_key_value_heads ?? (config.num_heads is null ? site.KeyValueHeads : heads);
        head_dim = config.num_heads is null ? site.HeadDim : (int)(site.Dim / heads);
        if (site.Rotary is not null && head_dim != site.HeadDim)
            throw new UserError($"num_heads {heads} makes heads of {head_dim} channels, but the host's rotary positions are for {site.HeadDim}",
                "leave num_heads out here, and set the model's own number of heads");
        if (config.sliding_window < 0)
            throw new UserError($"sliding_window {config.sliding_window} is below 0", "give the tokens that a query sees, or 0 for all");
        window = config.sliding_window is { } own ? own == 0 ? null : own : site.Window;
        if (groups < 1 || heads % groups != 0)
            throw new UserError($"{heads} heads do not divide into num_key_value_heads {groups}", "choose a number that divides the heads");
        if (config.qk_norm is not ("none" or "head" or "width"))
            throw new UserError($"qk_norm '{config.qk_norm}' is not known", "choose none, head or width");
        long width = heads * head_dim, shared = groups * head_dim;
        if (config.fused_qkv)
            qkv_proj = nn.Linear(site.Dim, width + 2 * shared, hasBias: config.qkv_bias);
        else
        {
            q_proj = nn.Linear(site.Dim, width, hasBias: config.qkv_bias);
            k_proj = nn.Linear(site.Dim, shared, hasBias: config.qkv_bias);
            v_proj = nn.Linear(site.Dim, shared, hasBias: config.qkv_bias);
        }
        o_proj = nn.Linear(width, site.Dim, hasBias: config.out_bias);
        if (config.qk_norm != "none")
        {
            bool each = config.qk_norm == "head";
            q_norm = new RmsNorm(each ? head_dim : width, site.NormEps, config.unit_offset_norm);
            k_norm = new RmsNorm(each ? head_dim : shared, site.NormEps, config.unit_offset_norm);
        }
        RegisterComponents();
    }

    public override ILayerCache CreateCache(long batch, long capacity, ScalarType dtype, Device device) =>
        new KeyValueCache(batch, groups, head_dim, capacity, window, dtype, device);

    protected override Tensor Forward(Tensor x)
    {
        var (projected, k, v) = Project(x);
        var q = projected;
        if (config.qk_norm == "head")
            (q, k) = (q_norm!.call(q), k_norm!.call(k));
        else if (config.qk_norm == "width")
            (q, k) = (q_norm!.call(q.flatten(2)).view(q.shape), k_norm!.call(k.flatten(2)).view(k.shape));
        (q, k, v) = (q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2));
        if (Site.Rotary is { } rotary)
            (q, k) = (rotary.Apply(q, Site.Context.Start), rotary.Apply(k, Site.Context.Start));
        (k, v) = Remember(k, v, Site.Context.Cache?.Layer(Site.Index));
        var attended = Attend(q, k, v, Site.Context.Mask(x.shape[1], k.shape[2], window, q),
            new AttendOptions(config.scale, config.softcap, training ? config.attn_drop : 0));
        return o_proj.call(Weigh(attended.transpose(1, 2), x, projected).flatten(2));
    }

    /// <summary>Takes in the call's keys and values (B, groups, T, d) and gives all that its queries can see.</summary>
    protected virtual (Tensor k, Tensor v) Remember(Tensor k, Tensor v, ILayerCache? cache) => cache is KeyValueCache remembered ? remembered.Append(k, v) : (k, v);

    /// <summary>Queries (B, heads, T, d) look at keys and values (B, groups, M, d).</summary>
    private protected virtual Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? mask, AttendOptions options) => options.Attend(q, k, v, mask);

    /// <summary>The heads' results (B, T, heads, d) before their projection, from the input and the queries (B, T, heads, d) as projected.</summary>
    protected virtual Tensor Weigh(Tensor heads, Tensor x, Tensor queries) => heads;

    public override Slot Write(DecodeProgram program, Slot x, Slot? to)
    {
        // What derives from this computes something else.
        if (GetType() != typeof(GroupedQueryAttention))
            return base.Write(program, x, to);
        var (q, k, v) = WriteProjections(program, x);
        if (q_norm is not null)
        {
            bool each = config.qk_norm == "head";
            (q, k) = (q_norm.Write(program, q, each ? heads : 1), k_norm!.Write(program, k, each ? groups : 1));
        }
        if (Site.Rotary is { } rotary)
        {
            program.Rotate(q, heads, rotary);
            program.Rotate(k, groups, rotary);
        }
        var attended = program.Attend(q, k, v, heads, program.CacheOf(Site.Index), config.scale ?? 1 / Math.Sqrt(head_dim), config.softcap);
        return program.Linear(attended, o_proj, to);
    }

    private (Slot q, Slot k, Slot v) WriteProjections(DecodeProgram program, Slot x)
    {
        if (qkv_proj is null)
            return (program.Linear(x, q_proj!), program.Linear(x, k_proj!), program.Linear(x, v_proj!));
        long width = heads * head_dim, shared = groups * head_dim;
        var all = program.Linear(x, qkv_proj);
        return (all.Part(0, width), all.Part(width, shared), all.Part(width + shared, shared));
    }

    // Queries (B, T, heads, d), keys and values (B, T, groups, d).
    private (Tensor q, Tensor k, Tensor v) Project(Tensor x)
    {
        Tensor Heads(Tensor t, int count) => t.reshape(x.shape[0], x.shape[1], count, head_dim);
        if (qkv_proj is null)
            return (Heads(q_proj!.call(x), heads), Heads(k_proj!.call(x), groups), Heads(v_proj!.call(x), groups));
        long width = heads * head_dim, shared = groups * head_dim;
        var all = qkv_proj.call(x);
        return (Heads(all.narrow(-1, 0, width), heads), Heads(all.narrow(-1, width, shared), groups), Heads(all.narrow(-1, width + shared, shared), groups));
    }
}
