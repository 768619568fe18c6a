using Attention.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Modules;

/// <summary>Mixers whose definition can be written out: neighbourhoods, scans, spectra, wavelets.</summary>
public class MixerDefinitionTests
{
    // The positions along an axis that a query meets, by the definition: of those with its remainder, the k nearest that stay inside.
    private static List<int> Neighbours(int position, int length, int kernel, int dilation)
    {
        var group = Enumerable.Range(0, length).Where(i => i % dilation == position % dilation).ToList();
        int start = Math.Clamp(group.IndexOf(position) - kernel / 2, 0, group.Count - kernel);
        return group.GetRange(start, kernel);
    }

    [Theory]
    [InlineData(3, 1, 5, 7)]
    [InlineData(3, 2, 7, 6)]
    [InlineData(5, 1, 5, 9)]
    public void Neighbourhood_attention_is_attention_with_all_others_masked(int kernel, int dilation, int height, int width)
    {
        using var scope = NewDisposeScope();
        manual_seed(0);
        using var module = new NeighborhoodAttention(8, new NeighborhoodAttentionConfig { num_heads = 2, kernel_size = kernel, dilation = dilation });
        var parameters = module.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        var x = randn(2, height, width, 8);
        int tokens = height * width;
        var bias = new float[2 * tokens * tokens];
        Array.Fill(bias, float.NegativeInfinity);
        for (int head = 0; head < 2; head++)
            for (int query = 0; query < tokens; query++)
                foreach (int row in Neighbours(query / width, height, kernel, dilation))
                    foreach (int column in Neighbours(query % width, width, kernel, dilation))
                        bias[(head * tokens + query) * tokens + row * width + column] =
                            parameters["rpb"][head, (row - query / width) / dilation + kernel - 1, (column - query % width) / dilation + kernel - 1].item<float>();
        var parts = nn.functional.linear(x, parameters["qkv.weight"], parameters["qkv.bias"]).reshape(2, tokens, 3, 2, 4).permute(2, 0, 3, 1, 4);
        var weights = (matmul(parts[0] * 0.5, parts[1].transpose(-2, -1)) + tensor(bias, [2, tokens, tokens])).softmax(-1);
        var expected = nn.functional.linear(matmul(weights, parts[2]).transpose(1, 2).reshape(2, height, width, 8), parameters["proj.weight"], parameters["proj.bias"]);
        Assert.True(allclose(expected, module.call(x), rtol: 1e-4, atol: 1e-5));
    }

    [Fact]
    public void A_selective_scan_is_the_sum_of_decayed_inputs()
    {
        using var scope = NewDisposeScope();
        manual_seed(0);
        const int length = 6, channels = 3, states = 2;
        var (u, delta, a) = (randn(1, 1, channels, length), randn(1, 1, channels, length), -rand(1, channels, states) - 0.1);
        var (b, c, d, shift) = (randn(1, 1, states, length), randn(1, 1, states, length), randn(1, channels), randn(1, channels));
        var found = SelectiveScan.Run(u, delta, a, b, c, d, shift);
        for (int channel = 0; channel < channels; channel++)
            for (int t = 0; t < length; t++)
            {
                double Step(int i) => Math.Log(1 + Math.Exp(delta[0, 0, channel, i].item<float>() + shift[0, channel].item<float>()));
                double expected = d[0, channel].item<float>() * u[0, 0, channel, t].item<float>();
                for (int from = 0; from <= t; from++)
                    for (int state = 0; state < states; state++)
                    {
                        double between = Enumerable.Range(from + 1, t - from).Sum(Step);
                        expected += c[0, 0, state, t].item<float>() * Math.Exp(between * a[0, channel, state].item<float>())
                            * Step(from) * b[0, 0, state, from].item<float>() * u[0, 0, channel, from].item<float>();
                    }
                Assert.Equal(expected, found[0, 0, channel, t].item<float>(), 1e-4);
            }
    }

    [Theory]
    [InlineData(6, 5)]
    [InlineData(9, 4)]
    public void A_spectral_filter_of_ones_changes_nothing_at_any_size(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var module = new SpectralGating(3, 6, 5);
        var weight = module.parameters().Single();
        weight.fill_(0);
        weight[.., .., .., 0].fill_(1);
        var x = randn(2, height, width, 3);
        Assert.True(allclose(x, module.call(x), rtol: 1e-4, atol: 1e-5));
    }

    [Fact]
    public void The_wavelet_transform_has_its_inverse()
    {
        using var scope = NewDisposeScope();
        var x = randn(2, 3, 6, 8);
        var filters = HaarTransform.Filters(3);
        var bands = HaarTransform.Forward(x, filters);
        Assert.Equal(new long[] { 2, 12, 3, 4 }, bands.shape);
        Assert.True(allclose(x, HaarTransform.Inverse(bands, filters), rtol: 1e-4, atol: 1e-5));
    }
}
