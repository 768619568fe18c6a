using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// Multi-head attention of queries (B, N, C) to keys and values (B, M, C): (B, N, C). Parameter names and start as PyTorch's
/// nn.MultiheadAttention. The last argument is added to the scores: anything that broadcasts to (B, heads, N, M), or null.
/// </summary>
public sealed class QueryAttention : nn.Module<Tensor, Tensor, Tensor, Tensor?, Tensor>
{
    private readonly Parameter in_proj_weight;
    private readonly Parameter in_proj_bias;
    private readonly Linear out_proj;
    private readonly long dim;
    private readonly long num_heads;
    private readonly double dropout;

    /// <param name="dim">C.</param>
    /// <param name="num_heads">Heads, which divide C.</param>
    /// <param name="dropout">Rate at which weights are dropped in training.</param>
    /// <exception cref="UserError">The heads do not divide C.</exception>
    public QueryAttention(long dim, int num_heads, double dropout = 0) : base(nameof(QueryAttention))
    {
        if (num_heads <= 0 || dim % num_heads != 0)
            throw new UserError($"{num_heads} heads do not divide {dim} channels", "choose a number of heads that divides hidden_dim");
        (this.dim, this.num_heads, this.dropout) = (dim, num_heads, dropout);
        in_proj_weight = new Parameter(empty(3 * dim, dim));
        in_proj_bias = new Parameter(zeros(3 * dim));
        out_proj = nn.Linear(dim, dim);
        RegisterComponents();
        using var _ = no_grad();
        nn.init.xavier_uniform_(in_proj_weight);
        nn.init.zeros_(out_proj.bias!);
    }

    public override Tensor forward(Tensor query, Tensor key, Tensor value, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        Tensor Project(Tensor x, int first, int count) =>
            nn.functional.linear(x, in_proj_weight.narrow(0, first * dim, count * dim), in_proj_bias.narrow(0, first * dim, count * dim));
        Tensor Heads(Tensor x) => x.reshape(x.shape[0], x.shape[1], num_heads, -1).transpose(1, 2);

        Tensor q, k;
        if (ReferenceEquals(query, key))
        {
            var both = Project(query, 0, 2).chunk(2, -1);
            (q, k) = (both[0], both[1]);
        }
        else
        {
            (q, k) = (Project(query, 0, 1), Project(key, 1, 1));
        }
        var attended = ScaledDotProduct.Attend(Heads(q), Heads(k), Heads(Project(value, 2, 1)), bias, dropout: training ? dropout : 0);
        return scope.MoveToOuter(out_proj.call(attended.transpose(1, 2).reshape(query.shape)));
    }
}
