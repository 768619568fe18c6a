using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>Self-attention and two linear layers, each with a way around and a norm behind: (S, N, E) to the same.</summary>
    public sealed class TransformerEncoderLayer : nn.Module<Tensor, Tensor>, nn.IModule<Tensor, Tensor, Tensor>, nn.IModule<Tensor, Tensor, Tensor, Tensor>
    {
        private readonly MultiheadAttention self_attn;
        private readonly Linear linear1;
        private readonly Dropout dropout;
        private readonly Linear linear2;
        private readonly LayerNorm norm1;
        private readonly LayerNorm norm2;
        private readonly Dropout dropout1;
        private readonly Dropout dropout2;

        private readonly long heads;
        private readonly nn.Activations activation;

        internal TransformerEncoderLayer(long d_model, long nhead, long dim_feedforward, double dropout, nn.Activations activation) : base(nameof(TransformerEncoderLayer))
        {
            (heads, this.activation) = (nhead, activation);
            self_attn = nn.MultiheadAttention(d_model, nhead, dropout);
            linear1 = nn.Linear(d_model, dim_feedforward);
            this.dropout = nn.Dropout(dropout);
            linear2 = nn.Linear(dim_feedforward, d_model);
            norm1 = nn.LayerNorm(d_model);
            norm2 = nn.LayerNorm(d_model);
            dropout1 = nn.Dropout(dropout);
            dropout2 = nn.Dropout(dropout);
            RegisterComponents();
        }

        public override Tensor forward(Tensor src) => call(src, null!, null!);
        public Tensor call(Tensor src, Tensor? src_mask) => call(src, src_mask, null!);

        /// <inheritdoc cref="MultiheadAttention.call"/>
        public Tensor call(Tensor src, Tensor? src_mask, Tensor? src_key_padding_mask)
        {
            using var scope = NewDisposeScope();
            var (attended, _) = self_attn.call(src, src, src, src_key_padding_mask, false, src_mask);
            var x = norm1.call(src + dropout1.call(attended));
            var hidden = dropout.call(TransformerParts.Activate(linear1.call(x), activation));
            return norm2.call(x + dropout2.call(linear2.call(hidden))).MoveToOuterDisposeScope();
        }

        internal TransformerEncoderLayer Copy() =>
            TransformerParts.Copied(this, new(linear1.in_features, heads, linear1.out_features, dropout.p, activation), linear1.weight);
    }

    /// <summary>Layers one after another: (S, N, E) to the same.</summary>
    public sealed class TransformerEncoder : nn.Module<Tensor, Tensor, Tensor, Tensor>, nn.IModule<Tensor, Tensor, Tensor>, nn.IModule<Tensor, Tensor>
    {
        public enum Activations
        {
            ReLU = 0,
            GELU = 1,
        }

        private readonly ModuleList<TransformerEncoderLayer> layers;
        private readonly LayerNorm? norm;

        internal TransformerEncoder(TransformerEncoderLayer encoder_layer, long num_layers, LayerNorm? norm = null) : base(nameof(TransformerEncoder))
        {
            layers = new(Enumerable.Range(0, (int)num_layers).Select(_ => encoder_layer.Copy()).ToArray());
            this.norm = norm;
            RegisterComponents();
        }

        public Tensor call(Tensor src) => base.call(src, null!, null!);
        public Tensor call(Tensor src, Tensor? src_mask) => base.call(src, src_mask!, null!);

        /// <inheritdoc cref="MultiheadAttention.call"/>
        public override Tensor forward(Tensor src, Tensor? src_mask, Tensor? src_key_padding_mask)
        {
            using var scope = NewDisposeScope();
            var x = src.Handover();
            foreach (var layer in layers)
                x = layer.call(x, src_mask, src_key_padding_mask);
            return (norm?.call(x) ?? x).MoveToOuterDisposeScope();
        }
    }

    /// <summary>Self-attention, attention to the encoder's result and two linear layers, each with a way around and a norm behind.</summary>
    public sealed class TransformerDecoderLayer : nn.Module<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>, nn.IModule<Tensor, Tensor, Tensor>
    {
        private readonly MultiheadAttention self_attn;
        private readonly MultiheadAttention multihead_attn;
        private readonly Linear linear1;
        private readonly Dropout dropout;
        private readonly Linear linear2;
        private readonly LayerNorm norm1;
        private readonly LayerNorm norm2;
        private readonly LayerNorm norm3;
        private readonly Dropout dropout1;
        private readonly Dropout dropout2;
        private readonly Dropout dropout3;

        private readonly long heads;
        private readonly nn.Activations activation;

        internal TransformerDecoderLayer(long d_model, long nhead, long dim_feedforward, double dropout, nn.Activations activation) : base(nameof(TransformerDecoderLayer))
        {
            (heads, this.activation) = (nhead, activation);
            self_attn = nn.MultiheadAttention(d_model, nhead, dropout);
            multihead_attn = nn.MultiheadAttention(d_model, nhead, dropout);
            linear1 = nn.Linear(d_model, dim_feedforward);
            this.dropout = nn.Dropout(dropout);
            linear2 = nn.Linear(dim_feedforward, d_model);
            norm1 = nn.LayerNorm(d_model);
            norm2 = nn.LayerNorm(d_model);
            norm3 = nn.LayerNorm(d_model);
            dropout1 = nn.Dropout(dropout);
            dropout2 = nn.Dropout(dropout);
            dropout3 = nn.Dropout(dropout);
            RegisterComponents();
        }

        public Tensor call(Tensor tgt, Tensor memory) => base.call(tgt, memory, null!, null!, null!, null!);

        public new Tensor call(Tensor tgt, Tensor memory, Tensor? tgt_mask, Tensor? memory_mask = null, Tensor? tgt_key_padding_mask = null, Tensor? memory_key_padding_mask = null) =>
            base.call(tgt, memory, tgt_mask!, memory_mask!, tgt_key_padding_mask!, memory_key_padding_mask!);

        /// <param name="tgt">What is decoded so far: (T, N, E).</param>
        /// <param name="memory">The encoder's result: (S, N, E).</param>
        /// <returns>(T, N, E).</returns>
        public override Tensor forward(Tensor tgt, Tensor memory, Tensor? tgt_mask, Tensor? memory_mask, Tensor? tgt_key_padding_mask, Tensor? memory_key_padding_mask)
        {
            using var scope = NewDisposeScope();
            var (own, _) = self_attn.call(tgt, tgt, tgt, tgt_key_padding_mask, false, tgt_mask);
            var x = norm1.call(tgt + dropout1.call(own));
            var (seen, _) = multihead_attn.call(x, memory, memory, memory_key_padding_mask, false, memory_mask);
            x = norm2.call(x + dropout2.call(seen));
            var hidden = dropout.call(TransformerParts.Activate(linear1.call(x), activation));
            return norm3.call(x + dropout3.call(linear2.call(hidden))).MoveToOuterDisposeScope();
        }

        internal TransformerDecoderLayer Copy() =>
            TransformerParts.Copied(this, new(linear1.in_features, heads, linear1.out_features, dropout.p, activation), linear1.weight);
    }

    /// <summary>Layers one after another: (T, N, E) and the encoder's (S, N, E) to (T, N, E).</summary>
    public sealed class TransformerDecoder : nn.Module<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>
    {
        private readonly ModuleList<TransformerDecoderLayer> layers;
        private readonly LayerNorm? norm;

        internal TransformerDecoder(TransformerDecoderLayer decoder_layer, long num_layers, LayerNorm? norm = null) : base(nameof(TransformerDecoder))
        {
            layers = new(Enumerable.Range(0, (int)num_layers).Select(_ => decoder_layer.Copy()).ToArray());
            this.norm = norm;
            RegisterComponents();
        }

        public Tensor call(Tensor tgt, Tensor memory) => base.call(tgt, memory, null!, null!, null!, null!);

        public new Tensor call(Tensor tgt, Tensor memory, Tensor? tgt_mask, Tensor? memory_mask = null, Tensor? tgt_key_padding_mask = null, Tensor? memory_key_padding_mask = null) =>
            base.call(tgt, memory, tgt_mask!, memory_mask!, tgt_key_padding_mask!, memory_key_padding_mask!);

        /// <inheritdoc cref="TransformerDecoderLayer.forward"/>
        public override Tensor forward(Tensor tgt, Tensor memory, Tensor? tgt_mask, Tensor? memory_mask = null, Tensor? tgt_key_padding_mask = null, Tensor? memory_key_padding_mask = null)
        {
            using var scope = NewDisposeScope();
            var x = tgt.Handover();
            foreach (var layer in layers)
                x = layer.call(x, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask);
            return (norm?.call(x) ?? x).MoveToOuterDisposeScope();
        }
    }

    /// <summary>Encoder and decoder (Vaswani et al., 2017): source (S, N, E) and target (T, N, E) to (T, N, E).</summary>
    public sealed class Transformer : nn.Module<Tensor, Tensor, Tensor>
    {
        private readonly TransformerEncoder encoder;
        private readonly TransformerDecoder decoder;

        internal Transformer(long d_model, long nhead, long num_encoder_layers, long num_decoder_layers, long dim_feedforward, double dropout, nn.Activations activation) : base(nameof(Transformer))
        {
            using (var layer = new TransformerEncoderLayer(d_model, nhead, dim_feedforward, dropout, activation))
                encoder = new(layer, num_encoder_layers, nn.LayerNorm(d_model));
            using (var layer = new TransformerDecoderLayer(d_model, nhead, dim_feedforward, dropout, activation))
                decoder = new(layer, num_decoder_layers, nn.LayerNorm(d_model));
            RegisterComponents();
            foreach (var parameter in parameters())
                if (parameter.ndim > 1)
                    nn.init.xavier_uniform_(parameter);
        }

        public override Tensor forward(Tensor src, Tensor tgt) => call(src, tgt, null);

        /// <inheritdoc cref="MultiheadAttention.call"/>
        public Tensor call(Tensor src, Tensor tgt, Tensor? src_mask, Tensor? tgt_mask = null, Tensor? memory_mask = null, Tensor? src_key_padding_mask = null, Tensor? tgt_key_padding_mask = null, Tensor? memory_key_padding_mask = null)
        {
            using var memory = ((nn.IModule<Tensor, Tensor, Tensor, Tensor>)encoder).call(src, src_mask!, src_key_padding_mask!);
            return decoder.call(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask);
        }
    }

    internal static class TransformerParts
    {
        internal static Tensor Activate(Tensor x, nn.Activations activation) =>
            activation == nn.Activations.GELU ? nn.functional.gelu(x) : nn.functional.relu(x);

        /// <summary>Gives <paramref name="copy"/> the weights, type, device and mode of <paramref name="layer"/>.</summary>
        internal static T Copied<T>(T layer, T copy, Tensor like) where T : nn.Module
        {
            copy.to(like);
            copy.load_state_dict(layer.state_dict());
            copy.train(layer.training);
            return copy;
        }
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public enum Activations
            {
                ReLU = 0,
                GELU = 1,
            }

            public static TransformerEncoderLayer TransformerEncoderLayer(long d_model = 512, long nhead = 8, long dim_feedforward = 2048, double dropout = 0.1, Activations activation = Activations.ReLU) =>
                new(d_model, nhead, dim_feedforward, dropout, activation);

            /// <summary>Layers that start as copies of the one given.</summary>
            public static TransformerEncoder TransformerEncoder(TransformerEncoderLayer encoder_layer, long num_layers) => new(encoder_layer, num_layers);

            public static TransformerDecoderLayer TransformerDecoderLayer(long d_model = 512, long nhead = 8, long dim_feedforward = 2048, double dropout = 0.1, Activations activation = Activations.ReLU) =>
                new(d_model, nhead, dim_feedforward, dropout, activation);

            /// <inheritdoc cref="TransformerEncoder(Modules.TransformerEncoderLayer, long)"/>
            public static TransformerDecoder TransformerDecoder(TransformerDecoderLayer decoder_layer, long num_layers) => new(decoder_layer, num_layers);

            public static Transformer Transformer(long d_model = 512, long nhead = 8, long num_encoder_layers = 6, long num_decoder_layers = 6, long dim_feedforward = 2048, double dropout = 0.1, Activations activation = Activations.ReLU) =>
                new(d_model, nhead, num_encoder_layers, num_decoder_layers, dim_feedforward, dropout, activation);
        }
    }
}
