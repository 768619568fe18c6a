using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Chooses heads by the lengths of their queries, without weights of its own, so that a trained model becomes a mixture of its
/// heads: shared heads are used by all tokens, and each token chooses those of the others whose queries are longest. Chosen
/// heads count fully, others not at all; in training gradients pass to the scores as though they had been the weights.
/// Jin et al., MoH: Multi-Head Attention as Mixture-of-Head Attention, 2024 (arXiv:2410.11842), the MoH-LLaMA3 of SkyworkAI/MoH.
/// </summary>
public sealed class QueryNormRouter
{
    // Far below that of any real queries.
    private const double LeastVariance = 1e-24;

    private readonly nn.Module owner;
    private readonly int choice, shared_head, routed_head;
    private readonly double balance_weight;

    /// <param name="owner">The attention.</param>
    /// <param name="num_heads">Its heads; shared ones come first.</param>
    /// <param name="shared_head">Heads that all tokens use.</param>
    /// <param name="routed_head">Heads that a token chooses among the others; 0 where all are shared.</param>
    /// <param name="balance_weight">Weight of the loss that balances the use of the routed heads.</param>
    /// <exception cref="UserError">The numbers do not fit.</exception>
    public QueryNormRouter(nn.Module owner, int num_heads, int shared_head, int routed_head, double balance_weight = HeadRouter.DefaultBalanceWeight)
    {
        HeadRouter.Check(num_heads, shared_head, routed_head);
        (this.owner, choice, this.shared_head, this.routed_head, this.balance_weight) =
            (owner, num_heads - shared_head, shared_head, routed_head, balance_weight);
    }

    /// <summary>1 for the heads that a token uses, else 0. Queries (..., heads, d) to (..., heads).</summary>
    public Tensor Gates(Tensor queries)
    {
        using var scope = NewDisposeScope();
        var shared = ones([.. queries.shape[..^2], shared_head], queries.dtype, queries.device);
        if (choice == 0)
        {
            HeadUse.Report(owner, shared_head, null);
            return scope.MoveToOuter(shared);
        }
        var shares = Shares(linalg.vector_norm(queries.narrow(-2, shared_head, choice), dims: [-1]));
        var (best, heads) = shares.topk(routed_head, -1);
        var gates = zeros_like(shares).scatter(-1, heads, ones_like(best));
        HeadRouter.Note(owner, shared_head, shares, gates, balance_weight);
        if (owner.training)
            gates = gates + (shares - shares.detach());
        return scope.MoveToOuter(cat([shared, gates], -1));
    }

    // The lengths relative to their standard deviation: (..., routed heads) to probabilities.
    private Tensor Shares(Tensor lengths)
    {
        if (choice == 1)
            return lengths.softmax(-1);
        var variance = (lengths - lengths.mean([-1], keepdim: true)).pow(2).sum(-1, keepdim: true) / (choice - 1);
        return (lengths / variance.clamp(min: LeastVariance).sqrt()).softmax(-1);
    }
}
