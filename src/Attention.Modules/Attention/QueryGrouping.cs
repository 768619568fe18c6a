using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Which heads of queries share a head of keys and values. Queries' heads are dealt out in their order.</summary>
internal abstract class QueryGrouping
{
    /// <summary>Attention of heads of queries (B, H, N, d) to their heads of keys and values (B, G, M, d); gives (B, H, N, d).</summary>
    public Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? mask, AttendOptions options) =>
        // Shapes without numbers have no lengths to go by.
        k.device_type == DeviceType.META ? options.Attend(q, k, v, mask) : AttendGroups(q, k, v, mask, options);

    /// <inheritdoc cref="Attend"/>
    protected abstract Tensor AttendGroups(Tensor q, Tensor k, Tensor v, Tensor? mask, AttendOptions options);

    /// <summary>How many heads of queries each head of keys and values served in the last call, where that is the same for all tokens and known.</summary>
    public int[]? Served { get; private set; }

    /// <summary>What a decoder remembers besides keys and values, if anything: takes note of new keys (B, G, T, d).</summary>
    public virtual void Remember(Tensor k, KeyLengthCache? cache)
    {
    }

    /// <summary>The memory of a decoder's attention around that of its keys and values.</summary>
    public virtual ILayerCache CreateCache(KeyValueCache cache, long batch, int groups, Device device) => cache;

    /// <summary>Each head of keys and values serves as many heads of queries as it says; they sum to the heads.</summary>
    protected Tensor AttendUneven(Tensor q, Tensor k, Tensor v, int[] served, Tensor? mask, AttendOptions options)
    {
        Served = served;
        var serving = tensor(served.SelectMany((count, head) => Enumerable.Repeat((long)head, count)).ToArray(), device: k.device);
        return options.Attend(q, k.index_select(1, serving), v.index_select(1, serving), mask);
    }

    /// <summary>The length of each head's keys over all tokens, (B, G, M, d) to (B, G).</summary>
    protected static Tensor Lengths(Tensor k) => linalg.vector_norm(k.detach(), dims: [2, 3]);

    protected static float[] Numbers(Tensor x) => x.to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
}

/// <summary>Factor and limit of the scores, rate at which weights are dropped: see <see cref="ScaledDotProduct.AttendGrouped"/>.</summary>
internal sealed record AttendOptions(double? Scale = null, double? Softcap = null, double Dropout = 0)
{
    public Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? mask) => ScaledDotProduct.AttendGrouped(q, k, v, mask, Scale, Softcap, Dropout);
}

/// <summary>Numbers of heads of queries, from the weights of the heads of keys and values.</summary>
internal static class QueryShares
{
    /// <summary>In proportion to the weights, rounded; what is too much or too little goes to the largest or smallest numbers.</summary>
    public static int[] InProportion(ReadOnlySpan<float> weights, int heads)
    {
        float sum = 0;
        foreach (float weight in weights)
            sum += weight;
        var served = new int[weights.Length];
        for (int i = 0; i < served.Length; i++)
            served[i] = sum > 0 ? (int)MathF.Round(weights[i] / sum * heads) : heads / served.Length;
        while (served.Sum() > heads)
            served[Array.IndexOf(served, served.Max())]--;
        while (served.Sum() < heads)
            served[Array.IndexOf(served, served.Min())]++;
        return served;
    }

    /// <summary>In proportion to how far lengths are above the least, so that the weakest head may serve none.</summary>
    public static int[] AboveLeast(ReadOnlySpan<float> lengths, int heads)
    {
        float least = float.PositiveInfinity, most = float.NegativeInfinity;
        foreach (float length in lengths)
            (least, most) = (MathF.Min(least, length), MathF.Max(most, length));
        var weights = new float[lengths.Length];
        for (int i = 0; i < weights.Length; i++)
            weights[i] = most > least ? (lengths[i] - least) / (most - least) : 1;
        return InProportion(weights, heads);
    }
}

/// <summary>Groups of equal size.</summary>
internal sealed class EvenGroups : QueryGrouping
{
    protected override Tensor AttendGroups(Tensor q, Tensor k, Tensor v, Tensor? mask, AttendOptions options) => options.Attend(q, k, v, mask);
}

/// <summary>KDGQA: heads with longer keys, over the whole batch at hand, serve more heads of queries.</summary>
internal sealed class KeyDrivenGroups : QueryGrouping
{
    protected override Tensor AttendGroups(Tensor q, Tensor k, Tensor v, Tensor? mask, AttendOptions options) =>
        AttendUneven(q, k, v, QueryShares.AboveLeast(Numbers(Lengths(k).sum(dim: 0)), (int)q.shape[1]), mask, options);
}

/// <summary>
/// KDGQA for decoders: each token's queries are dealt out by the lengths of its own sequence's keys up to it, so that no later
/// token and no other sequence has a say in it.
/// </summary>
internal sealed class CausalKeyDrivenGroups : QueryGrouping
{
    // Squared lengths of each head's keys up to each of the call's tokens, (B, G, T).
    private double[] squares = [];

    public override void Remember(Tensor k, KeyLengthCache? cache)
    {
        if (k.device_type == DeviceType.META)
            return;
        var sums = k.detach().to(ScalarType.Float64).pow(2).sum(-1).cumsum(-1);
        if (cache is not null)
        {
            sums = sums + cache.Squares.unsqueeze(-1);
            cache.Squares.copy_(sums.select(-1, k.shape[2] - 1));
        }
        squares = sums.cpu().contiguous().data<double>().ToArray();
    }

    public override ILayerCache CreateCache(KeyValueCache cache, long batch, int groups, Device device) => new KeyLengthCache(cache, batch, groups, device);

    protected override Tensor AttendGroups(Tensor q, Tensor k, Tensor v, Tensor? mask, AttendOptions options)
    {
        var (batch, heads, tokens, groups) = ((int)q.shape[0], (int)q.shape[1], (int)q.shape[2], (int)k.shape[1]);
        var serving = Serving(batch, heads, tokens, groups);
        var places = tensor(serving, [batch, heads, tokens], device: q.device);
        Tensor? attended = null;
        for (int group = 0; group < groups; group++)
        {
            // Heads in a row, since they are dealt out in order.
            var (first, last) = Range(serving, group, heads, tokens);
            if (first > last)
                continue;
            int count = last - first + 1;
            var part = options.Attend(q.narrow(1, first, count), k.narrow(1, group, 1), v.narrow(1, group, 1), mask);
            part = part * places.narrow(1, first, count).eq(group).unsqueeze(-1).to_type(part.dtype);
            part = nn.functional.pad(part, [0, 0, 0, 0, first, heads - 1 - last]);
            attended = attended is null ? part : attended + part;
        }
        return attended!;
    }

    // The head of keys and values for each head of queries, (B, H, T).
    private long[] Serving(int batch, int heads, int tokens, int groups)
    {
        var serving = new long[batch * heads * tokens];
        var lengths = new float[groups];
        for (int sequence = 0; sequence < batch; sequence++)
            for (int token = 0; token < tokens; token++)
            {
                for (int group = 0; group < groups; group++)
                    lengths[group] = (float)Math.Sqrt(squares[(sequence * groups + group) * tokens + token]);
                int head = 0;
                foreach (var (group, count) in QueryShares.AboveLeast(lengths, heads).Index())
                    for (int end = head + count; head < end; head++)
                        serving[(sequence * heads + head) * tokens + token] = group;
            }
        return serving;
    }

    private static (int First, int Last) Range(long[] serving, int group, int heads, int tokens)
    {
        var (first, last) = (heads, -1);
        for (int i = 0; i < serving.Length; i++)
            if (serving[i] == group)
            {
                int head = i / tokens % heads;
                (first, last) = (Math.Min(first, head), Math.Max(last, head));
            }
        return (first, last);
    }
}

/// <summary>Keys and values, and how long each head's keys were together: squares (B, G).</summary>
internal sealed class KeyLengthCache(KeyValueCache inner, long batch, int groups, Device device) : ILayerCache
{
    public KeyValueCache Inner => inner;
    public Tensor Squares { get; } = zeros([batch, groups], ScalarType.Float64, device).DetachFromDisposeScope();

    public void Clear()
    {
        inner.Clear();
        Squares.zero_();
    }

    public void Dispose()
    {
        inner.Dispose();
        Squares.Dispose();
    }
}

/// <summary>
/// DGQA: numbers of heads of queries follow how the lengths of keys change over training. <c>cache</c> (G) holds the lengths so far.
/// </summary>
internal sealed class DynamicGroups : QueryGrouping
{
    private const double New = 0.9;

    private readonly nn.Module owner;
    private readonly bool byDifference, causal;
    private readonly int heads, window_size;

    /// <param name="owner">The attention, which takes the buffers.</param>
    /// <param name="heads">Heads of queries.</param>
    /// <param name="groups">Heads of keys and values.</param>
    /// <param name="kind">Whether numbers follow the change of lengths (diff) or their running mean (ema).</param>
    /// <param name="window_size">Steps of training from one allocation to the next.</param>
    /// <param name="causal">Whether an allocation holds from the next step on, and outside training stays as it is.</param>
    public DynamicGroups(nn.Module owner, int heads, int groups, string kind, int window_size, bool causal)
    {
        if (kind is not ("diff" or "ema"))
            throw new UserError($"kind '{kind}' is not known", "choose diff or ema");
        if (window_size < 1)
            throw new UserError($"window_size {window_size} is below 1", "give the steps from one allocation to the next");
        (this.owner, this.heads, this.window_size, this.causal, byDifference) = (owner, heads, window_size, causal, kind == "diff");
        owner.register_buffer("cache", zeros(groups));
        // Where it cannot be found from the keys at hand, it has to be remembered.
        if (causal || window_size > 1)
        {
            owner.register_buffer("served", full(groups, heads / groups, ScalarType.Int64));
            owner.register_buffer("step", zeros([], ScalarType.Int64));
        }
    }

    protected override Tensor AttendGroups(Tensor q, Tensor k, Tensor v, Tensor? mask, AttendOptions options)
    {
        if (ActivationCheckpoint.IsSecondRun && Served is { } first)
            return AttendUneven(q, k, v, first, mask, options);
        var (before, after) = Allocate(k);
        return AttendUneven(q, k, v, causal ? before : after, mask, options);
    }

    private (int[] Before, int[] After) Allocate(Tensor k)
    {
        using var _ = no_grad();
        var remembered = owner.get_buffer("served");
        var before = remembered is null ? [] : Whole(remembered);
        if (!owner.training && causal || owner.training && !IsDue())
            return (before, before);
        var cache = owner.get_buffer("cache")!;
        var lengths = Lengths(k).sum(dim: 0).to(cache.dtype);
        var after = QueryShares.InProportion(Numbers(byDifference ? (cache - lengths).abs() : lengths * New + cache * (1 - New)), heads);
        cache.copy_(owner.training ? (cache + lengths) / window_size : lengths);
        remembered?.copy_(tensor(after.Select(count => (long)count).ToArray()));
        return (before, after);
    }

    private bool IsDue()
    {
        if (owner.get_buffer("step") is not { } step)
            return true;
        bool due = step.item<long>() % window_size == 0;
        step.add_(1);
        return due;
    }

    private static int[] Whole(Tensor served) => [.. served.cpu().data<long>().ToArray().Select(count => (int)count)];
}

/// <summary>
/// PGQA: groups of equal size, and noise with the mean and deviation of each head's result is subtracted from it. Outside training
/// the noise's mean is.
/// </summary>
/// <param name="owner">The attention.</param>
/// <param name="causal">Whether mean and deviation are those of each token alone.</param>
internal sealed class PerturbedGroups(nn.Module owner, bool causal) : QueryGrouping
{
    protected override Tensor AttendGroups(Tensor q, Tensor k, Tensor v, Tensor? mask, AttendOptions options)
    {
        var attended = options.Attend(q, k, v, mask);
        var (batch, heads, tokens, dim, groups) = (attended.shape[0], attended.shape[1], attended.shape[2], attended.shape[3], k.shape[1]);
        // A row for each head, in decoders for each head and token.
        var rows = causal ? attended : attended.reshape(batch, groups, heads / groups, tokens * dim);
        var mean = rows.mean([-1], keepdim: true);
        if (!owner.training)
            return (rows - mean).view(attended.shape);
        var noise = Standard(rows.shape[1..], rows.dtype, rows.device);
        return (rows - (noise * rows.std(-1, keepdim: true) + mean)).view(attended.shape);
    }

    // Rows of mean 0 and deviation 1, the same for the whole batch; before that, the diagonal was 0.
    private static Tensor Standard(long[] shape, ScalarType dtype, Device device)
    {
        using var _ = no_grad();
        var noise = rand(shape, dtype, device);
        noise.diagonal(0, -2, -1).zero_();
        var deviation = noise.std(-1, keepdim: true);
        return (noise - noise.mean([-1], keepdim: true)) / deviation.masked_fill(deviation.eq(0), 1);
    }
}
