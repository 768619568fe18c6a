using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using F = TorchSharp.torch.nn.functional;

namespace Attention.Tests.Torch.Nn;

/// <summary>What the comparison with PyTorch does not show: randomness, calls in place, limits and utilities.</summary>
public sealed class FunctionalTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public FunctionalTests() => manual_seed(7);

    public void Dispose() => scope.Dispose();

    [Fact]
    public void DropoutKeepsTheMean()
    {
        var x = ones(200, 300);
        var y = F.dropout(x, 0.3);
        Assert.InRange((y == 0).to(ScalarType.Float32).mean().ToDouble(), 0.29, 0.31);
        Assert.InRange(y.mean().ToDouble(), 0.99, 1.01);
        Assert.True(F.dropout(x, 0.3, training: false).equal(x).ToBoolean());
        Assert.True(F.dropout(x, 0).equal(x).ToBoolean());
        Assert.Equal(0, F.dropout(x, 1).abs().sum().ToDouble());
        Assert.Throws<ArgumentOutOfRangeException>(() => F.dropout(x, 1.5));
        F.dropout(x, 0.5, inplace: true);
        Assert.InRange((x == 0).to(ScalarType.Float32).mean().ToDouble(), 0.49, 0.51);
        using var layer = Dropout(0.5);
        layer.eval();
        Assert.Equal(4, layer.call(ones(4)).sum().ToDouble());
    }

    [Fact]
    public void ChannelDropoutTakesWholeChannels()
    {
        void Whole(Tensor y, int channelDims)
        {
            var flat = y.flatten(channelDims, -1);
            Assert.True(flat.amin(-1).equal(flat.amax(-1)).ToBoolean());
            Assert.InRange((flat.select(-1, 0) == 0).to(ScalarType.Float32).mean().ToDouble(), 0.4, 0.6);
        }

        Whole(F.dropout1d(ones(30, 40, 5)), 2);
        Whole(F.dropout1d(ones(900, 5)), 1);
        Whole(F.dropout2d(ones(30, 40, 5, 2)), 2);
        Whole(F.dropout3d(ones([30, 40, 2, 2, 2])), 2);
        Whole(F.dropout3d(ones(900, 2, 2, 2)), 1);
    }

    [Fact]
    public void AlphaDropoutKeepsMoments()
    {
        var x = randn(100_000);
        foreach (var y in new[] { F.alpha_dropout(x, 0.2, true), F.feature_alpha_dropout(x.reshape(50_000, 2), 0.2, true) })
        {
            Assert.InRange(y.mean().ToDouble(), -0.02, 0.02);
            Assert.InRange(y.std().ToDouble(), 0.97, 1.03);
        }
    }

    [Fact]
    public void InPlaceCallsGiveASecondObjectOverTheSameMemory()
    {
        var calls = new Dictionary<string, (Func<Tensor, Tensor> InPlace, Func<Tensor, Tensor> Plain)>
        {
            ["relu"] = (x => F.relu(x, true), x => F.relu(x)),
            ["gelu"] = (x => F.gelu(x, true), F.gelu),
            ["silu"] = (x => F.silu(x, true), x => F.silu(x)),
            ["elu"] = (x => F.elu(x, 0.5, true), x => F.elu(x, 0.5)),
            ["hardtanh"] = (x => F.hardtanh(x, -1, 1, true), x => F.hardtanh(x)),
            ["softsign"] = (x => F.softsign(x, true), x => F.softsign(x)),
            ["tanhshrink"] = (x => F.tanhshrink(x, true), x => F.tanhshrink(x)),
            ["threshold"] = (x => F.threshold(x, 0.1, 3, true), x => F.threshold(x, 0.1, 3)),
            ["mish"] = (x => F.mish(x, true), x => F.mish(x)),
        };
        foreach (var (name, (inPlace, plain)) in calls)
        {
            var x = randn(20);
            var expected = plain(x);
            var y = inPlace(x);
            Assert.True(x.allclose(expected), name);
            Assert.NotSame(x, y);
            y.Dispose();
            Assert.False(x.IsInvalid);
        }
    }

    [Fact]
    public void AttentionDropsWeights()
    {
        var q = randn(2, 4, 8);
        var v = ones(2, 4, 8);
        Assert.True(F.scaled_dot_product_attention(q, q, v).allclose(v));
        Assert.False(F.scaled_dot_product_attention(q, q, v, p: 0.5).allclose(v));
        Assert.ThrowsAny<Exception>(() => F.scaled_dot_product_attention(q, q, v, zeros(4, 4), is_casual: true));
    }

    [Fact]
    public void EmbeddingsRenormalizeWhatIsUsed()
    {
        using var table = Embedding(4, 3, max_norm: 1);
        using (no_grad())
            table.weight!.fill_(2);
        Assert.Equal(1, table.call(tensor(new long[] { 1 })).norm().ToDouble(), 4);
        Assert.Equal(6, table.weight![0].sum().ToDouble());
        using var bag = EmbeddingBag_from_pretrained(ones(4, 3), max_norm: 1);
        Assert.Equal(1, bag.call(tensor(new long[,] { { 1, 1 } })).norm().ToDouble(), 4);
        Assert.False(bag.weight!.requires_grad);
        using var copy = Embedding_from_pretrained(ones(4, 3), freeze: false);
        Assert.True(copy.weight!.requires_grad);
        Assert.Throws<ArgumentException>(() => bag.call(tensor(new long[] { 1 })));
    }

    [Fact]
    public void FractionalPoolingFillsTheOutput()
    {
        var x = arange(2 * 3 * 49, ScalarType.Float32).reshape(2, 3, 7, 7);
        var (values, indices) = F.fractional_max_pool2d_with_indices(x, 2, 3);
        Assert.Equal([2, 3, 3, 3], values.shape);
        Assert.True(values.equal(x.flatten(2).gather(2, indices.flatten(2)).reshape(2, 3, 3, 3)).ToBoolean());
        Assert.Equal([2, 3, 3, 4], FractionalMaxPool2d((2, 2), output_ratio: (0.5, 0.6)).call(x).shape);
        Assert.Equal([3, 2, 2, 2], FractionalMaxPool3d(2, 2).call(rand(3, 4, 5, 6)).shape);
        Assert.Throws<ArgumentException>(() => F.fractional_max_pool2d(x, 2L));
    }

    [Fact]
    public void WrongArgumentsAreNamed()
    {
        var x = zeros(1, 2, 4, 4);
        Assert.Contains("a size or a scale_factor", Assert.Throws<ArgumentException>(() => F.interpolate(x)).Message, StringComparison.Ordinal);
        Assert.Contains("3 entries for 2", Assert.Throws<ArgumentException>(() => F.interpolate(x, [1, 2, 3])).Message, StringComparison.Ordinal);
        Assert.Contains("mode Trilinear", Assert.Throws<ArgumentException>(() => F.interpolate(x, [2], mode: InterpolationMode.Trilinear)).Message, StringComparison.Ordinal);
        Assert.Contains("size 13 in dimension 1 is out of reach, 8 to 9", Assert.Throws<ArgumentException>(() => ConvTranspose2d(2, 2, 2, 2).forward(x, [8, 13])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Conv2d(2, 2, 3, Padding.Same, stride: 2));
        Assert.Throws<ArgumentException>(() => GroupNorm(3, 4));
        Assert.Throws<ArgumentException>(() => MultiheadAttention(5, 2));
    }

    [Fact]
    public void ClipsGradients()
    {
        using var layer = Linear(3, 2);
        layer.weight.grad = full([2, 3], 2.0f);
        layer.bias!.grad = full([2], -1.0f);
        double norm = Math.Sqrt(6 * 4 + 2);
        Assert.Equal(norm, nn.utils.clip_grad_norm_(layer.parameters(), 10), 5);
        Assert.Equal(2, layer.weight.grad!.max().ToDouble());
        Assert.Equal(norm, nn.utils.clip_grad_norm_(layer.parameters(), 1), 5);
        Assert.Equal(2 / norm, layer.weight.grad!.max().ToDouble(), 4);
        Assert.Equal(2 / norm, nn.utils.clip_grad_norm_(layer.parameters(), 1, double.PositiveInfinity), 4);
        nn.utils.clip_grad_value_(layer.parameters(), 0.1);
        Assert.Equal(0.1, layer.weight.grad!.max().ToDouble(), 6);
        Assert.Equal(-0.1, layer.bias.grad!.min().ToDouble(), 6);
        layer.weight.grad = full([2, 3], float.NaN);
        Assert.True(double.IsNaN(nn.utils.clip_grad_norm_(layer.parameters(), 1)));
        layer.zero_grad();
        Assert.Equal(0, nn.utils.clip_grad_norm_(layer.parameters(), 1));
    }

    [Fact]
    public void ParametersAsOneVector()
    {
        using var layer = Linear(3, 2);
        using var other = Linear(3, 2);
        var vector = nn.utils.parameters_to_vector(layer.parameters());
        Assert.Equal([8], vector.shape);
        nn.utils.vector_to_parameters(vector, other.parameters());
        Assert.True(other.weight.allclose(layer.weight) && other.bias!.allclose(layer.bias!));
        Assert.True(other.weight.is_leaf);
    }

    [Fact]
    public void FusesNormalizationIntoTheLayerBefore()
    {
        using var linear = Linear(3, 4);
        using var norm = BatchNorm1d(4);
        norm.call(linear.call(randn(50, 3)) * 2 + 1);
        using (no_grad())
            norm.weight.normal_();
        linear.eval();
        norm.eval();
        var x = randn(5, 3);
        using var fused = nn.utils.fuse_linear_bn_eval(linear, norm);
        Assert.True(fused.call(x).allclose(norm.call(linear.call(x)), atol: 1e-5));

        using var convolution = ConvTranspose2d(2, 4, 3);
        using var norm2 = BatchNorm2d(4);
        var image = randn(2, 2, 5, 5);
        norm2.call(convolution.call(image));
        norm2.eval();
        var (weight, bias) = nn.utils.fuse_conv_bn_weights(convolution.weight, convolution.bias, norm2.running_mean!, norm2.running_var!, norm2.eps, norm2.weight, norm2.bias, transpose: true);
        Assert.True(F.conv_transpose2d(image, weight, bias).allclose(norm2.call(convolution.call(image)), atol: 1e-5));
    }

    [Fact]
    public void PacksAndPadsSequences()
    {
        Tensor[] sequences = [arange(2.0f), arange(4.0f), arange(3.0f)];
        var padded = nn.utils.rnn.pad_sequence(sequences, batch_first: true, padding_value: -1);
        Assert.Equal([0, 1, -1, -1, 0, 1, 2, 3, 0, 1, 2, -1], padded.data<float>().ToArray().Select(v => (int)v));
        using var packed = nn.utils.rnn.pack_sequence(sequences, enforce_sorted: false);
        Assert.Equal([3, 3, 2, 1], packed.batch_sizes.data<long>().ToArray());
        Assert.Equal([0, 0, 0, 1, 1, 1, 2, 2, 3], packed.data.data<float>().ToArray().Select(v => (int)v));
        var (back, lengths) = nn.utils.rnn.pad_packed_sequence(packed, batch_first: true, padding_value: -1);
        Assert.True(back.equal(padded).ToBoolean());
        Assert.Equal([2, 4, 3], lengths.data<long>().ToArray());
        Assert.ThrowsAny<Exception>(() => nn.utils.rnn.pack_sequence(sequences));
    }

    [Fact]
    public void RunningMeanOfAllBatches()
    {
        using var norm = BatchNorm1d(1);
        norm.momentum = null;
        norm.call(tensor(new[,] { { 1f }, { 3f } }));
        norm.call(tensor(new[,] { { 5f }, { 7f } }));
        Assert.Equal(4, norm.running_mean!.ToDouble(), 5);
        norm.reset_running_stats();
        Assert.Equal((0, 1, 0), (norm.running_mean!.ToDouble(), norm.running_var!.ToDouble(), norm.num_batches_tracked!.ToInt64()));
    }
}
