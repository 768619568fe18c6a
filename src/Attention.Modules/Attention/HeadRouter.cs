using Attention.Torch;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Weighs an attention's heads for each token: shared heads are used by all tokens, and each token chooses its best among the
/// others, which are routed. A first router balances the two kinds, a second the heads within each. The layers belong to the
/// attention, under the authors' names: wg (routed heads), wg_0 (the two kinds), wg_1 (shared heads).
/// Jin et al., MoH: Multi-Head Attention as Mixture-of-Head Attention, 2024 (arXiv:2410.11842), SkyworkAI/MoH.
/// </summary>
public sealed class HeadRouter
{
    /// <summary>The name of the loss that balances the use of heads: see <see cref="AuxiliaryLosses"/>.</summary>
    public const string BalanceLoss = "load_balance";

    /// <summary>Its weight in the authors' training.</summary>
    public const double DefaultBalanceWeight = 0.01;

    private readonly nn.Module owner;
    private readonly Linear? routed, kinds, shared;
    private readonly int shared_head, routed_head;
    private readonly double balance_weight;

    /// <param name="owner">The attention, which takes the layers.</param>
    /// <param name="dim">Channels of its input.</param>
    /// <param name="num_heads">Its heads; shared ones come first.</param>
    /// <param name="shared_head">Heads that all tokens use.</param>
    /// <param name="routed_head">Heads that a token chooses among the others; 0 where all are shared.</param>
    /// <param name="balance_weight">Weight of the loss that balances the use of the routed heads.</param>
    /// <exception cref="UserError">The numbers do not fit.</exception>
    public HeadRouter(nn.Module owner, long dim, int num_heads, int shared_head, int routed_head, double balance_weight = DefaultBalanceWeight)
    {
        Check(num_heads, shared_head, routed_head);
        (this.owner, this.shared_head, this.routed_head, this.balance_weight) = (owner, shared_head, routed_head, balance_weight);
        Linear Layer(string name, long outputs)
        {
            var layer = nn.Linear(dim, outputs, hasBias: false);
            owner.register_module(name, layer);
            return layer;
        }
        if (routed_head > 0)
            routed = Layer("wg", num_heads - shared_head);
        if (routed_head > 0 && shared_head > 0)
            kinds = Layer("wg_0", 2);
        if (shared_head > 1)
            shared = Layer("wg_1", shared_head);
    }

    /// <summary>Half of the heads shared and a quarter chosen, as in the authors' language models, where nothing is given.</summary>
    internal static (int Shared, int Routed) Split(int num_heads, int? shared_head, int? routed_head)
    {
        int shared = shared_head ?? Math.Max(1, num_heads / 2);
        return (shared, routed_head ?? Math.Min(num_heads - shared, Math.Max(1, num_heads / 4)));
    }

    /// <exception cref="UserError">The numbers do not fit.</exception>
    internal static void Check(int num_heads, int shared_head, int routed_head)
    {
        int choice = num_heads - shared_head;
        if (shared_head < 0 || routed_head < 0 || routed_head > choice || routed_head == 0 && choice != 0)
            throw new UserError($"{num_heads} heads cannot be {shared_head} shared ones and a choice of {routed_head} among the rest",
                "choose shared_head and routed_head with shared_head + routed_head at most num_heads, and routed_head 0 only where all are shared");
    }

    /// <summary>Takes note of the heads that tokens choose, and adds the loss that balances them.</summary>
    /// <param name="owner">The attention.</param>
    /// <param name="shared_head">Heads that all tokens use.</param>
    /// <param name="shares">The routed heads' probabilities (..., routed heads).</param>
    /// <param name="chosen">1 for each head that was chosen, else 0, of the same shape.</param>
    /// <param name="balance_weight">The loss's weight.</param>
    internal static void Note(nn.Module owner, int shared_head, Tensor shares, Tensor chosen, double balance_weight)
    {
        HeadUse.Report(owner, shared_head, chosen);
        if (!owner.training || !AuxiliaryLosses.Wanted)
            return;
        var use = chosen.flatten(0, -2).mean([0]).detach();
        AuxiliaryLosses.Add(BalanceLoss, (shares.flatten(0, -2).mean([0]) * use).sum() * use.numel(), balance_weight);
    }

    /// <summary>The heads' weights for each token; 0 for those that it did not choose. (..., C) to (..., heads).</summary>
    public Tensor Gates(Tensor x)
    {
        using var scope = NewDisposeScope();
        // A single shared head has nothing to share its weight with.
        var gates = shared is not null ? shared.call(x).softmax(-1) * shared_head
            : ones([.. x.shape[..^1], shared_head], x.dtype, x.device);
        if (routed is null)
        {
            HeadUse.Report(owner, shared_head, null);
            return scope.MoveToOuter(gates);
        }
        var chosen = Chosen(routed.call(x).softmax(-1));
        if (kinds is null)
            return scope.MoveToOuter(chosen);
        var balance = (kinds.call(x).softmax(-1) * 2).split(1, -1);
        return scope.MoveToOuter(cat([gates * balance[0], chosen * balance[1]], -1));
    }

    // (..., routed heads): the best ones' shares, which sum to their number, and zeros.
    private Tensor Chosen(Tensor shares)
    {
        var (best, heads) = shares.topk(routed_head, -1);
        if (owner.training && AuxiliaryLosses.Wanted || HeadUse.Wanted)
            Note(owner, shared_head, shares, zeros_like(shares).scatter(-1, heads, ones_like(best)), balance_weight);
        return zeros_like(shares).scatter(-1, heads, best / best.sum(-1, keepdim: true) * routed_head);
    }
}
