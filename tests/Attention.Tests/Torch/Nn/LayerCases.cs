using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Attention.Tests.Torch.Nn;

/// <summary>The calls of record.py, under the same names: the layer, what is done with it, and the shapes of the inputs.</summary>
internal static class LayerCases
{
    internal sealed record Case(Func<nn.Module?> Make, Func<nn.Module?, Tensor[], Tensor[]> Call, long[][] Shapes);

    internal static readonly Dictionary<string, Case> All = [];

    /// <summary>The type in which the cases are computed now.</summary>
    internal static ScalarType Type { get; set; } = ScalarType.Float64;

    private static void Add(string name, Func<Tensor[], Tensor[]> call, params long[][] shapes) =>
        All.Add(name, new(() => null, (_, x) => call(x), shapes));

    private static void Add<T>(string name, Func<T> make, Func<T, Tensor[], Tensor[]> call, params long[][] shapes) where T : nn.Module =>
        All.Add(name, new(make, (m, x) => call((T)m!, x), shapes));

    private static void Add(string name, Func<nn.Module<Tensor, Tensor>> make, params long[] shape) => Add(name, make, (m, x) => [m.call(x[0])], shape);

    private static T Eval<T>(T module) where T : nn.Module
    {
        module.eval();
        return module;
    }

    private static Tensor Numbers(params double[] values) => tensor(values).to(Type);
    private static Tensor Classes(params long[] values) => tensor(values);

    static LayerCases()
    {
        AddBasics();
        AddConvolutions();
        AddActivations();
        AddPooling();
        AddShapes();
        AddAttention();
        AddRecurrent();
        AddLosses();
    }

    private static void AddBasics()
    {
        Add("linear", () => Linear(3, 4), 2, 5, 3);
        Add("linear_no_bias", () => Linear(3, 4, false), 2, 3);
        Add("bilinear", () => Bilinear(3, 4, 2), (m, x) => [m.call(x[0], x[1])], [5, 3], [5, 4]);
        Add("identity", () => Identity(), 2, 3);
        var rows = new long[,] { { 0, 4, 2 }, { 2, 1, 2 } };
        Add("embedding", () => Embedding(5, 3), (m, _) => [m.call(tensor(rows))]);
        Add("embedding_padding", () => Embedding(5, 3, padding_idx: -3), (m, _) => [m.call(tensor(rows))]);
        foreach (var mode in Enum.GetValues<EmbeddingBagMode>())
            Add($"embedding_bag_{mode.ToString().ToLowerInvariant()}", () => EmbeddingBag(5, 3, mode: mode),
                (m, _) => [m.call(Classes(0, 4, 2, 2, 1), Classes(0, 2)), m.call(tensor(new long[,] { { 0, 4 }, { 2, 1 }, { 3, 3 } }))]);
        Add("layer_norm", () => LayerNorm([4, 3]), 2, 5, 4, 3);
        Add("layer_norm_plain", () => LayerNorm(3, 1e-3, false), 2, 5, 3);
        Add("group_norm", () => GroupNorm(2, 6), 2, 6, 4, 3);
        Add("batch_norm1d", () => BatchNorm1d(3), (m, x) => [m.call(x[0]), m.running_mean!, m.running_var!, m.num_batches_tracked!.to(Type)], [4, 3, 5]);
        Add("batch_norm2d", () => BatchNorm2d(3, momentum: 0.3), (m, x) => [m.call(x[0]), m.running_mean!, m.running_var!], [4, 3, 5, 2]);
        Add("batch_norm2d_eval", () => Eval(BatchNorm2d(3)), 4, 3, 5, 2);
        Add("batch_norm3d", () => BatchNorm3d(2, affine: false, track_running_stats: false), 2, 2, 3, 2, 2);
        Add("instance_norm1d", () => InstanceNorm1d(3), (m, x) => [m.call(x[0]), m.call(x[1])], [2, 3, 5], [3, 5]);
        Add("instance_norm2d", () => InstanceNorm2d(3, affine: true, track_running_stats: true), (m, x) => [m.call(x[0]), m.running_mean!, m.running_var!], [2, 3, 5, 4]);
        Add("instance_norm3d", () => InstanceNorm3d(2), 2, 2, 3, 2, 2);
        Add("local_response_norm", () => LocalResponseNorm(3, alpha: 0.1), (m, x) => [m.call(x[0]), m.call(x[1]), m.call(x[2])], [2, 5, 4, 3], [2, 5, 4], [2, 5, 2, 2, 3]);
        Add("normalize", x => [F.normalize(x[0]), F.normalize(x[0], 1, -1)], [4, 3]);
    }

    private static void AddConvolutions()
    {
        Add("conv1d", () => Conv1d(4, 6, 3, 2, 1, groups: 2), (m, x) => [m.call(x[0]), m.call(x[1])], [2, 4, 9], [4, 9]);
        Add("conv1d_circular", () => Conv1d(2, 3, 3, padding: 1, padding_mode: PaddingModes.Circular), 2, 2, 9);
        Add("conv2d", () => Conv2d(3, 4, (3, 2), (2, 1), (1, 0), (1, 2)), 2, 3, 7, 8);
        Add("conv2d_patch", () => Conv2d(3, 5, 4, 4), 2, 3, 8, 8);
        Add("conv2d_depthwise", () => Conv2d(4, 4, 3, padding: 1, groups: 4, bias: false), 2, 4, 5, 6);
        Add("conv2d_same", () => Conv2d(2, 3, (4, 3), Padding.Same, dilation: (1, 2)), 2, 2, 7, 8);
        Add("conv2d_reflect_same", () => Conv2d(2, 3, (4, 3), Padding.Same, padding_mode: PaddingModes.Reflect), 2, 2, 7, 8);
        Add("conv2d_replicate", () => Conv2d(2, 3, (3, 3), padding: (2, 1), padding_mode: PaddingModes.Replicate), 2, 2, 5, 6);
        Add("conv3d", () => Conv3d(2, 3, (2, 3, 3), padding: (0, 1, 1)), 1, 2, 4, 5, 3);
        Add("conv_transpose1d", () => ConvTranspose1d(3, 4, 3, 2, 1), (m, x) => [m.call(x[0]), m.forward(x[0], [10])], [2, 3, 5]);
        Add("conv_transpose2d", () => ConvTranspose2d(4, 6, (3, 2), (2, 2), (1, 0), (1, 1), (1, 2), groups: 2), 2, 4, 3, 4);
        Add("conv_transpose3d", () => ConvTranspose3d(2, 3, 2, 2), 1, 2, 2, 3, 2);
    }

    private static void AddActivations()
    {
        void Activation(string name, Func<nn.Module<Tensor, Tensor>> make) => Add(name, make, (m, x) => [m.call(x[0] * 3)], [2, 6, 3, 4]);
        Activation("celu", () => CELU(0.7));
        Activation("elu", () => ELU(0.7));
        Activation("gelu", () => GELU());
        Activation("gelu_tanh", () => GELU(TorchSharp.Modules.GELU.Approximate.tanh));
        Activation("glu", () => GLU(1));
        Activation("hardshrink", () => Hardshrink(0.3));
        Activation("hardsigmoid", () => Hardsigmoid());
        Activation("hardswish", () => Hardswish());
        Activation("hardtanh", () => Hardtanh(-0.4, 0.6));
        Activation("leaky_relu", () => LeakyReLU(0.2));
        Activation("log_sigmoid", () => LogSigmoid());
        Activation("log_softmax", () => LogSoftmax(1));
        Activation("mish", () => Mish());
        Activation("prelu", () => PReLU(6));
        Activation("relu", () => ReLU());
        Activation("relu6", () => ReLU6());
        Activation("rrelu_eval", () => Eval(RReLU()));
        Activation("selu", () => SELU());
        Activation("silu", () => SiLU());
        Activation("sigmoid", () => Sigmoid());
        Activation("softmax", () => Softmax(1));
        Activation("softmax2d", () => Softmax2d());
        Activation("softmin", () => Softmin(1));
        Activation("softplus", () => Softplus(2, 3));
        Activation("softshrink", () => Softshrink(0.3));
        Activation("softsign", () => Softsign());
        Activation("tanh", () => Tanh());
        Activation("tanhshrink", () => Tanhshrink());
        Activation("threshold", () => Threshold(0.1, -2));
    }

    private static void AddPooling()
    {
        Add("avg_pool", x =>
        [
            AvgPool1d(3, 2, 1, true).call(x[0]), AvgPool2d((3, 2), (2, 1), (1, 1), count_include_pad: false).call(x[1]),
            AvgPool2d(2, divisor_override: 3).call(x[1]), AvgPool3d(2).call(x[2]),
        ], [2, 3, 8], [2, 3, 6, 5], [2, 2, 4, 4, 2]);
        Add("max_pool", x =>
        [
            MaxPool1d(3, 2, 1).call(x[0]), MaxPool2d((3, 2), (2, 1), (1, 0), (1, 2)).call(x[1]), MaxPool2d(2, ceil_mode: true).call(x[1]),
            MaxPool3d(2).call(x[2]), MaxPool2d(2).forward_with_indices(x[1]).Indices.to(Type),
        ], [2, 3, 8], [2, 3, 6, 5], [2, 2, 4, 4, 2]);
        Add("adaptive_pool", x =>
        [
            AdaptiveAvgPool1d(3).call(x[0]), AdaptiveAvgPool2d((2, 3)).call(x[1]), AdaptiveAvgPool2d(1).call(x[1]), AdaptiveAvgPool3d(2).call(x[2]),
            AdaptiveMaxPool1d(3).call(x[0]), AdaptiveMaxPool2d([2, 3]).call(x[1]), AdaptiveMaxPool3d([2, 2, 1]).call(x[2]),
        ], [2, 3, 8], [2, 3, 6, 5], [2, 2, 4, 4, 2]);
        Add("lp_pool", x => [LPPool1d(2, 3, 2).call(x[0] + 2), LPPool2d(3, [2, 3]).call(x[1] + 2)], [2, 3, 8], [2, 3, 6, 5]);
        Add("max_unpool", x =>
        {
            var (y1, i1) = F.max_pool1d_with_indices(x[0], 2);
            var (y2, i2) = F.max_pool2d_with_indices(x[1], [2, 2]);
            var (y3, i3) = F.max_pool3d_with_indices(x[2], [2, 2, 2]);
            return [MaxUnpool1d(2).call(y1, i1), MaxUnpool2d(2).call(y2, i2, [6, 5]), MaxUnpool3d(2).call(y3, i3)];
        }, [2, 3, 8], [2, 3, 6, 5], [2, 2, 4, 4, 2]);
        Add("padding", x =>
        [
            ConstantPad1d((1, 2), 0.5).call(x[0]), ConstantPad2d(1, 0.5).call(x[1]), ZeroPad2d((1, 2, 0, 1)).call(x[1]), ConstantPad3d(1, 0.5).call(x[2]),
            ReflectionPad1d(2).call(x[0]), ReflectionPad2d((1, 2, 0, 1)).call(x[1]), ReflectionPad3d(1).call(x[2]),
            ReplicationPad1d(2).call(x[0]), ReplicationPad2d((1, 2, 0, 1)).call(x[1]), ReplicationPad3d(1).call(x[2]),
            F.pad(x[1], (1, 2, 3, 0), PaddingModes.Circular), F.pad(x[1], (-1, 2)),
        ], [2, 3, 5], [2, 3, 4, 5], [1, 2, 3, 4, 2]);
    }

    private static void AddShapes()
    {
        Add("shapes", x =>
        [
            Flatten().call(x[0]), Flatten(2).call(x[0]), Unflatten(1, [2, 4]).call(x[0]), Unfold((2, 3), (1, 1), (1, 0), (2, 1)).call(x[0]),
            Unfold(2).call(x[0]), Fold((4, 5), (2, 2)).call(Unfold(2).call(x[0])), PixelShuffle(2).call(x[0]), PixelUnshuffle(2).call(x[1]),
            ChannelShuffle(2).call(x[0].detach()),
        ], [2, 8, 4, 5], [2, 3, 4, 6]);
        Add("interpolate", x =>
        [
            F.interpolate(x[0], [7]), F.interpolate(x[0], scale_factor: [1.7], mode: InterpolationMode.Linear), F.interpolate(x[1], [7, 3]),
            F.interpolate(x[1], scale_factor: [1.6, 2.5], mode: InterpolationMode.NearestExact), F.interpolate(x[1], [7, 3], mode: InterpolationMode.Bilinear),
            F.interpolate(x[1], scale_factor: [1.6], mode: InterpolationMode.Bilinear, align_corners: true),
            F.interpolate(x[1], scale_factor: [1.7], mode: InterpolationMode.Bilinear, recompute_scale_factor: true),
            F.interpolate(x[1], [7, 3], mode: InterpolationMode.Bicubic), F.interpolate(x[1], [2, 3], mode: InterpolationMode.Bilinear, antialias: true),
            F.interpolate(x[1], [2, 3], mode: InterpolationMode.Bicubic, antialias: true), F.interpolate(x[1], [2, 3], mode: InterpolationMode.Area),
            F.interpolate(x[2], [5], mode: InterpolationMode.Trilinear, align_corners: true), F.interpolate(x[2], scale_factor: [2]),
        ], [2, 3, 5], [2, 3, 4, 5], [1, 2, 3, 4, 2]);
        Add("upsample", x =>
        [
            Upsample(scale_factor: [2]).call(x[0]), Upsample([7, 3], mode: UpsampleMode.Bilinear, align_corners: false).call(x[0]),
            Upsample(scale_factor: [2], mode: UpsampleMode.Bicubic, align_corners: true).call(x[0]),
        ], [2, 3, 4, 5]);
        Add("grid_sample", x =>
        [
            F.grid_sample(x[0], x[1]), F.grid_sample(x[0], x[1], padding_mode: GridSamplePaddingMode.Border, align_corners: true),
            F.grid_sample(x[0], x[1], GridSampleMode.Nearest, GridSamplePaddingMode.Reflection), F.affine_grid(x[2], [2, 3, 4, 5]),
        ], [2, 3, 4, 5], [2, 3, 3, 2], [2, 2, 3]);
        Add("distance", x => [CosineSimilarity().call(x[0], x[1]), PairwiseDistance(keepdim: true).call(x[0], x[1]), PairwiseDistance(1).call(x[0], x[1])], [4, 3], [4, 3]);
        Add("one_hot", _ => [F.one_hot(Classes(0, 3, 1)).to(Type), F.one_hot(tensor(new long[,] { { 0, 3 }, { 1, 1 } }), 5).to(Type)]);
    }

    private static void AddAttention()
    {
        Tensor Visible() => tensor(new[,] { { true, true, false, true }, { false, true, true, false }, { true, false, false, true } });
        Tensor Padded() => tensor(new[,] { { false, false, true, false }, { false, true, false, false } });
        Tensor Future() => tensor(new[,] { { false, true, true }, { false, false, true }, { false, false, false } });
        Tensor Short() => tensor(new[,] { { false, false, true }, { false, false, false } });

        Add("attention", x =>
        [
            F.scaled_dot_product_attention(x[0], x[1], x[2]), F.scaled_dot_product_attention(x[0], x[1], x[2], Visible()),
            F.scaled_dot_product_attention(x[0], x[1], x[2], x[3]), F.scaled_dot_product_attention(x[0], x[1], x[2], is_casual: true),
        ], [2, 2, 3, 5], [2, 2, 4, 5], [2, 2, 4, 6], [2, 1, 3, 4]);
        Add("multihead_attention", () => MultiheadAttention(6, 2), (m, x) =>
        {
            var (all, allWeights) = m.call(x[0], x[1], x[2]);
            var (own, _) = m.call(x[0], x[0], x[0], need_weights: false);
            var (masked, maskedWeights) = m.call(x[0], x[1], x[2], Padded(), true, Visible().logical_not());
            var (padded, none) = m.call(x[0], x[1], x[2], Padded(), false);
            Assert.Null(none);
            var (added, addedWeights) = m.call(x[0], x[1], x[2], attn_mask: x[3]);
            return [all, allWeights, own, masked, maskedWeights, padded, added, addedWeights];
        }, [3, 2, 6], [4, 2, 6], [4, 2, 6], [4, 3, 4]);
        Add("multihead_attention_all", () => MultiheadAttention(6, 2, 0, true, true, true, 5, 3), (m, x) =>
        {
            var (output, weights) = m.call(x[0], x[1], x[2], Padded());
            return [output, weights];
        }, [3, 2, 6], [4, 2, 5], [4, 2, 3]);
        Add("transformer_encoder_layer", () => TransformerEncoderLayer(6, 2, 8, 0, Activations.GELU),
            (m, x) => [m.call(x[0]), m.call(x[0], Future()), m.call(x[0], Future(), Short())], [3, 2, 6]);
        Add("transformer_decoder_layer", () => TransformerDecoderLayer(6, 2, 8, 0),
            (m, x) => [m.call(x[0], x[1]), m.call(x[0], x[1], Future(), null!, Short(), Padded())], [3, 2, 6], [4, 2, 6]);
        Add("transformer", () => Transformer(6, 2, 2, 1, 8, 0),
            (m, x) => [m.call(x[0], x[1]), m.call(x[0], x[1], null!, Future(), null, Padded(), null, Padded())], [4, 2, 6], [3, 2, 6]);
    }

    private static void AddRecurrent()
    {
        static nn.utils.rnn.PackedSequence Packed(Tensor x) => nn.utils.rnn.pack_padded_sequence(x, Classes(2, 4, 3), enforce_sorted: false);
        static Tensor[] Padded(nn.utils.rnn.PackedSequence sequence)
        {
            var (values, lengths) = nn.utils.rnn.pad_packed_sequence(sequence);
            return [values, lengths.to(Type)];
        }

        Tensor[] Rnn(RNN m, Tensor x)
        {
            var (y, h) = m.call(x);
            var (packed, end) = m.call(Packed(x));
            return [y, h, .. Padded(packed), end];
        }

        Tensor[] Lstm(LSTM m, Tensor x)
        {
            var (y, h, c) = m.call(x);
            var (packed, end, cells) = m.call(Packed(x));
            return [y, h, c, .. Padded(packed), end, cells];
        }

        Tensor[] Gru(GRU m, Tensor x)
        {
            var (y, h) = m.call(x);
            var (packed, end) = m.call(Packed(x));
            return [y, h, .. Padded(packed), end];
        }

        Add("rnn", () => RNN(3, 4), (m, x) => Rnn(m, x[0]), [4, 3, 3]);
        Add("rnn_relu", () => RNN(3, 4, nonLinearity: NonLinearities.ReLU, bias: false, bidirectional: true), (m, x) => Rnn(m, x[0]), [4, 3, 3]);
        Add("lstm", () => LSTM(3, 4), (m, x) => Lstm(m, x[0]), [4, 3, 3]);
        Add("lstm_deep", () => LSTM(3, 4, 2, bidirectional: true), (m, x) => Lstm(m, x[0]), [4, 3, 3]);
        Add("gru", () => GRU(3, 4), (m, x) => Gru(m, x[0]), [4, 3, 3]);
        Add("gru_deep", () => GRU(3, 4, 2, bidirectional: true), (m, x) => Gru(m, x[0]), [4, 3, 3]);
        Add("lstm_start", () => LSTM(3, 4, batchFirst: true), (m, x) =>
        {
            var (y, h, c) = m.call(x[0], (x[1], x[2]));
            return [y, h, c];
        }, [2, 5, 3], [1, 2, 4], [1, 2, 4]);
        Add("gru_single", () => GRU(3, 4), (m, x) =>
        {
            var (y, h) = m.call(x[0], x[1]);
            return [y, h];
        }, [5, 3], [1, 4]);
        Add("rnn_cell", () => RNNCell(3, 4), (m, x) => [m.call(x[0], null!), m.call(x[0], x[1])], [2, 3], [2, 4]);
        Add("gru_cell", () => GRUCell(3, 4), (m, x) => [m.call(x[0], null!), m.call(x[0], x[1])], [2, 3], [2, 4]);
        Add("lstm_cell", () => LSTMCell(3, 4), (m, x) =>
        {
            var (h, c) = m.call(x[0]);
            var (h1, c1) = m.call(x[0], (x[1], x[1]));
            return [h, c, h1, c1];
        }, [2, 3], [2, 4]);
    }

    private static void AddLosses()
    {
        static Tensor[] Reductions(Func<Reduction, Tensor> loss) => [loss(Reduction.None), loss(Reduction.Mean), loss(Reduction.Sum)];
        static Tensor Weight() => Numbers(0.5, 1, 2);
        static Tensor Signs() => Numbers(1, -1, -1, 1);
        static Tensor Targets() => Classes(2, 0, 1, 2);
        static Tensor Bits() => Numbers(1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0).reshape(4, 3);
        static Tensor Several() => Classes(2, 0, -1, 1, -1, 0, 0, 1, 2, -1, 0, 1).reshape(4, 3);

        Add("cross_entropy", x =>
        [
            .. Reductions(r => CrossEntropyLoss(reduction: r).call(x[0], Targets())), .. Reductions(r => CrossEntropyLoss(Weight(), 1, r).call(x[0], Targets())),
            F.cross_entropy(x[0], Targets(), label_smoothing: 0.1), F.cross_entropy(x[0], x[1].softmax(1)),
            new CrossEntropyLoss(label_smoothing: 0.2).call(x[0], x[1].softmax(1)),
        ], [4, 3], [4, 3]);
        Add("nll_loss", x =>
        [
            .. Reductions(r => NLLLoss(Weight(), r).call(F.log_softmax(x[0], 1), Targets())),
            F.nll_loss(F.log_softmax(x[1], 1), tensor(new long[,] { { 0, 2 }, { 1, 1 } })),
        ], [4, 3], [2, 3, 2]);
        Add("bce", x =>
        [
            .. Reductions(r => BCELoss(reduction: r).call(x[0].sigmoid(), Bits())), .. Reductions(r => BCEWithLogitsLoss(reduction: r).call(x[0], Bits())),
            BCELoss(Weight()).call(x[0].sigmoid(), Bits()), BCEWithLogitsLoss(Weight(), pos_weights: Weight() + 1).call(x[0], Bits()),
        ], [4, 3]);
        Add("regression", x =>
        [
            .. Reductions(r => MSELoss(r).call(x[0], x[1])), .. Reductions(r => L1Loss(r).call(x[0], x[1])),
            .. Reductions(r => SmoothL1Loss(r, 0.4).call(x[0], x[1])), .. Reductions(r => HuberLoss(0.4, r).call(x[0], x[1])),
        ], [4, 3], [4, 3]);
        Add("divergence", x =>
        [
            .. Reductions(r => KLDivLoss(true, r).call(F.log_softmax(x[0], 1), F.log_softmax(x[1], 1))), F.kl_div(F.log_softmax(x[0], 1), x[1].softmax(1), false),
            .. Reductions(r => PoissonNLLLoss(reduction: r).call(x[0], x[1].abs())), PoissonNLLLoss(false, true).call(x[0].abs() + 1, x[1].abs() * 3),
            .. Reductions(r => GaussianNLLLoss(eps: 0.25f, reduction: r).call(x[0], x[1], x[1].square())),
            F.gaussian_nll_loss(x[0], x[1], x[1].square().narrow(1, 0, 1), true),
        ], [4, 3], [4, 3]);
        Add("margin", x =>
        [
            .. Reductions(r => CosineEmbeddingLoss(0.2, r).call(x[0], x[1], Signs())), .. Reductions(r => HingeEmbeddingLoss(0.5, r).call(x[0].select(1, 0), Signs())),
            .. Reductions(r => MarginRankingLoss(0.2, r).call(x[0].select(1, 0), x[1].select(1, 0), Signs())), .. Reductions(r => SoftMarginLoss(r).call(x[0].select(1, 0), Signs())),
            .. Reductions(r => MultiLabelMarginLoss(r).call(x[0], Several())), .. Reductions(r => MultiLabelSoftMarginLoss(Weight(), r).call(x[0], Bits())),
            .. Reductions(r => MultiMarginLoss(2, 0.7, Weight(), r).call(x[0], Targets())),
        ], [4, 3], [4, 3]);
        Add("triplet", x =>
        [
            .. Reductions(r => TripletMarginLoss(reduction: r, swap: true).call(x[0], x[1], x[2])), .. Reductions(r => TripletMarginWithDistanceLoss(reduction: r).call(x[0], x[1], x[2])),
            TripletMarginWithDistanceLoss((a, b) => (a - b).abs().sum(-1), 0.5, true).call(x[0], x[1], x[2]),
        ], [4, 3], [4, 3], [4, 3]);
        Add("ctc", x => Reductions(r => CTCLoss(reduction: r).call(F.log_softmax(x[0], 2), Classes(1, 2, 2, 3, 1, 0).reshape(2, 3), Classes(6, 5), Classes(3, 2))), [6, 2, 4]);
    }
}
