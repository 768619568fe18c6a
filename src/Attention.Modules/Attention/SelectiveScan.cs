using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// The recurrence of a state space whose steps depend on the input: h_t = exp(Δ_t A) h_(t-1) + Δ_t B_t u_t, y_t = C_t h_t + D u_t.
/// Gu and Dao, Mamba: Linear-Time Sequence Modeling with Selective State Spaces, 2023 (arXiv:2312.00752). The plain form: a loop
/// over the sequence.
/// </summary>
public static class SelectiveScan
{
    /// <param name="u">Inputs (B, G, D, L): groups of D channels.</param>
    /// <param name="delta">Step sizes before bias and softplus (B, G, D, L).</param>
    /// <param name="a">Rates of decay (G, D, N), negative.</param>
    /// <param name="b">What of the input enters the state (B, G, N, L), for all channels of a group.</param>
    /// <param name="c">What of the state is read (B, G, N, L).</param>
    /// <param name="d">What passes by the state (G, D).</param>
    /// <param name="deltaBias">Added to the step sizes (G, D).</param>
    /// <returns>(B, G, D, L)</returns>
    public static Tensor Run(Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor d, Tensor deltaBias)
    {
        using var scope = NewDisposeScope();
        FlopCounter.Add(3 * u.numel() * a.shape[^1]);
        var step = nn.functional.softplus(delta + deltaBias.unsqueeze(-1));
        // (B, G, D, N) for each position.
        var decay = (step.unsqueeze(-2) * a.unsqueeze(-1)).exp().unbind(-1);
        var input = ((step * u).unsqueeze(-2) * b.unsqueeze(2)).unbind(-1);
        var read = c.unsqueeze(2).unbind(-1);
        var outputs = new Tensor[decay.Length];
        Tensor? state = null;
        for (int t = 0; t < outputs.Length; t++)
        {
            state = state is null ? input[t] : decay[t] * state + input[t];
            outputs[t] = (state * read[t]).sum(-1);
        }
        return scope.MoveToOuter(stack(outputs, -1) + d.unsqueeze(-1) * u);
    }
}
