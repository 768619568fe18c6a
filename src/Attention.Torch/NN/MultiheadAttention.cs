using Attention.Torch.Native;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>
    /// Attention of several heads with a projection before and after (Vaswani et al., 2017). Sequences come first:
    /// query (L, N, E), key (S, N, kdim) and value (S, N, vdim) to (L, N, E).
    /// </summary>
    public sealed class MultiheadAttention : nn.Module<Tensor, Tensor, Tensor, Tensor, bool, Tensor, Tuple<Tensor, Tensor>>
    {
        private readonly Parameter? in_proj_weight;
        private readonly Parameter? q_proj_weight;
        private readonly Parameter? k_proj_weight;
        private readonly Parameter? v_proj_weight;
        private readonly Parameter? in_proj_bias;
        private readonly Parameter? bias_k;
        private readonly Parameter? bias_v;
        private readonly Linear out_proj;

        private readonly long embed;
        private readonly long heads;
        private readonly double dropout;
        private readonly bool addZeroAttention;

        internal MultiheadAttention(long embedded_dim, long num_heads, double dropout, bool bias, bool add_bias_kv, bool add_zero_attn, long kdim, long vdim) : base(nameof(MultiheadAttention))
        {
            if (embedded_dim % num_heads != 0)
                throw new ArgumentException($"MultiheadAttention: {embedded_dim} dimensions do not split into {num_heads} heads");
            (embed, heads, this.dropout, addZeroAttention) = (embedded_dim, num_heads, dropout, add_zero_attn);
            if (kdim == embed && vdim == embed)
                in_proj_weight = Xavier(3 * embed, embed);
            else
            {
                q_proj_weight = Xavier(embed, embed);
                k_proj_weight = Xavier(embed, kdim);
                v_proj_weight = Xavier(embed, vdim);
            }
            if (bias)
                in_proj_bias = (Parameter)nn.init.zeros_(nn.EmptyParameter([3 * embed], null, null));
            if (add_bias_kv)
            {
                bias_k = (Parameter)nn.init.xavier_normal_(nn.EmptyParameter([1, 1, embed], null, null));
                bias_v = (Parameter)nn.init.xavier_normal_(nn.EmptyParameter([1, 1, embed], null, null));
            }
            out_proj = nn.Linear(embed, embed, bias);
            if (out_proj.bias is { } shift)
                nn.init.zeros_(shift);
            RegisterComponents();
        }

        private static Parameter Xavier(long rows, long columns) => (Parameter)nn.init.xavier_uniform_(nn.EmptyParameter([rows, columns], null, null));

        /// <param name="key_padding_mask">(N, S): true for keys that nobody sees, or numbers to add to their scores.</param>
        /// <param name="need_weights">Whether the second result is the weights (N, L, S), the mean over the heads; it is null otherwise.</param>
        /// <param name="attn_mask">(L, S) or (N heads, L, S): true where a query does not see a key, or numbers to add to the scores.</param>
        public new Tuple<Tensor, Tensor> call(Tensor query, Tensor key, Tensor value, Tensor? key_padding_mask = null, bool need_weights = true, Tensor? attn_mask = null) =>
            base.call(query, key, value, key_padding_mask!, need_weights, attn_mask!);

        /// <inheritdoc cref="call"/>
        public override Tuple<Tensor, Tensor> forward(Tensor query, Tensor key, Tensor value, Tensor? key_padding_mask, bool need_weights, Tensor? attn_mask)
        {
            using var scope = NewDisposeScope();
            var (length, batch) = (query.size(0), query.size(1));
            var (q, k, v) = Project(query, key, value);
            var mask = Additive(attn_mask, q.dtype);
            if (mask?.ndim == 3)
                mask = mask.view(batch, heads, length, -1);
            if (Additive(key_padding_mask, q.dtype) is { } padding)
            {
                padding = padding.view(batch, 1, 1, -1);
                mask = mask is null ? padding : mask + padding;
            }
            if (bias_k is not null && bias_v is not null)
                (k, v, mask) = (cat([k, bias_k.expand(1, batch, embed)]), cat([v, bias_v.expand(1, batch, embed)]), Longer(mask));
            (q, k, v) = (Split(q), Split(k), Split(v));
            if (addZeroAttention)
            {
                var zero = zeros([batch, heads, 1, embed / heads], q.dtype, q.device);
                (k, v, mask) = (cat([k, zero], 2), cat([v, zero], 2), Longer(mask));
            }

            double drop = training ? dropout : 0;
            Tensor? weights = null;
            Tensor mixed;
            if (need_weights)
            {
                var scores = (q * (1 / Math.Sqrt(embed / heads))).matmul(k.transpose(-2, -1));
                weights = nn.functional.softmax(mask is null ? scores : scores + mask, -1);
                weights = nn.functional.dropout(weights, drop);
                mixed = weights.matmul(v);
            }
            else
                mixed = nn.functional.scaled_dot_product_attention(q, k, v, mask, drop);
            var output = out_proj.call(mixed.permute(2, 0, 1, 3).reshape(length, batch, embed)).MoveToOuterDisposeScope();
            return Tuple.Create(output, weights?.mean([1L]).MoveToOuterDisposeScope()!);
        }

        private (Tensor Q, Tensor K, Tensor V) Project(Tensor query, Tensor key, Tensor value)
        {
            if (in_proj_weight is not null && ReferenceEquals(query, key) && ReferenceEquals(key, value))
            {
                var all = nn.functional.linear(query, in_proj_weight, in_proj_bias).chunk(3, -1);
                return (all[0], all[1], all[2]);
            }
            var weights = in_proj_weight?.chunk(3) ?? [q_proj_weight!, k_proj_weight!, v_proj_weight!];
            var biases = in_proj_bias?.chunk(3);
            return (nn.functional.linear(query, weights[0], biases?[0]), nn.functional.linear(key, weights[1], biases?[1]), nn.functional.linear(value, weights[2], biases?[2]));
        }

        // (S, N, E) to (N, heads, S, E / heads).
        private Tensor Split(Tensor x) => x.reshape(x.size(0), x.size(1), heads, -1).permute(1, 2, 0, 3);

        private static Tensor? Additive(Tensor? mask, ScalarType type) =>
            mask?.dtype == ScalarType.Bool ? zeros(mask.shape, type, mask.device).masked_fill_(mask, double.NegativeInfinity) : mask;

        // One more key, which every query sees.
        private static Tensor? Longer(Tensor? mask) => mask is null ? null : nn.functional.pad(mask, (0, 1));
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            /// <param name="add_bias_kv">Adds a learned key and value at the end.</param>
            /// <param name="add_zero_attn">Adds a key and value of zeros at the end.</param>
            public static MultiheadAttention MultiheadAttention(long embedded_dim, long num_heads, double dropout = 0, bool bias = true, bool add_bias_kv = false, bool add_zero_attn = false, long? kdim = null, long? vdim = null) =>
                new(embedded_dim, num_heads, dropout, bias, add_bias_kv, add_zero_attn, kdim ?? embedded_dim, vdim ?? embedded_dim);
        }
    }
}
