using Attention.Engine.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Checkpoints;

public sealed class WeightResamplingTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private static double Difference(Tensor a, Tensor b) => (a - b).abs().max().item<float>();

    private static Tensor Resize(Tensor images, long size) =>
        nn.functional.interpolate(images, [size, size], mode: InterpolationMode.Bicubic, align_corners: false, antialias: true);

    [Fact]
    public void A_larger_patch_embedding_answers_a_resized_patch_as_the_smaller_did()
    {
        manual_seed(0);
        var (weight, patches) = (randn(6, 3, 8, 8), randn(10, 3, 8, 8));
        var expected = nn.functional.conv2d(patches, weight);
        var found = nn.functional.conv2d(Resize(patches, 16), WeightResampling.PatchEmbedding(weight, 16, 16));
        Assert.True(Difference(expected, found) < 1e-4);
    }

    /// <summary>timm's own functions, recorded by make_resampling.py.</summary>
    public static TheoryData<string> Recorded()
    {
        using var file = CheckpointReader.Open(CheckpointFiles.Of("resampling.pth"));
        return [.. file.Entries.Select(entry => entry.Name).Where(name => !name.EndsWith("/in", StringComparison.Ordinal))];
    }

    [Theory]
    [MemberData(nameof(Recorded))]
    public void Resampling_agrees_with_timm(string name)
    {
        using var file = CheckpointReader.Open(CheckpointFiles.Of("resampling.pth"));
        var (value, expected) = (file.Read(name + "/in"), file.Read(name));
        var shape = expected.shape;
        var found = name.Split('/')[0].Split('-')[0] switch
        {
            "positions" => WeightResampling.Positions(value, shape[1]),
            "map" => WeightResampling.PositionMap(value, shape[1], shape[2]),
            "bias" => WeightResampling.BiasTable(value, shape),
            "levit" => WeightResampling.AttentionBiases(value, shape[1]),
            "patch" => WeightResampling.PatchEmbedding(value, shape[2], shape[3]),
            _ => WeightResampling.InputChannels(value, shape[1]),
        };
        if (name == "map/1x6x9x3")
            Assert.Null(found);
        else
            Assert.True(Difference(expected, found!) < 2e-4 * expected.abs().max().item<float>(), $"{Difference(expected, found!)}");
    }

    [Fact]
    public void One_channel_takes_the_sum_and_many_repeat_the_three()
    {
        var weight = randn(4, 3, 2, 2);
        Assert.True(Difference(weight.sum(1, keepdim: true), WeightResampling.InputChannels(weight, 1)) < 1e-6);
        var five = WeightResampling.InputChannels(weight, 5);
        Assert.True(Difference(cat([weight, weight[.., ..2]], 1) * 0.6, five) < 1e-6);
    }

    [Fact]
    public void Positions_keep_their_prefix()
    {
        var positions = randn(1, 5 + 49, 8);
        var resampled = WeightResampling.Positions(positions, 5 + 81)!;
        Assert.Equal([1, 86, 8], resampled.shape);
        Assert.Equal(0, Difference(positions[.., ..5], resampled[.., ..5]));
        Assert.Null(WeightResampling.Positions(positions, 5 + 82));
    }

    [Theory]
    [InlineData(13 * 13, 23 * 23)]
    [InlineData(13 * 13 + 3, 23 * 23 + 3)]
    [InlineData(23 * 23, 13 * 13)]
    public void A_bias_table_keeps_constants_its_centre_and_its_extra_entries(int old, int size)
    {
        var constant = WeightResampling.BiasTable(full([old, 2], 3.5), [size, 2])!;
        Assert.True(Difference(constant, full([size, 2], 3.5)) < 1e-5);
        var table = randn(old, 2);
        var resampled = WeightResampling.BiasTable(table, [size, 2])!;
        int grid = (int)Math.Sqrt(old), target = (int)Math.Sqrt(size);
        Assert.True(Difference(table[grid * grid / 2], resampled[target * target / 2]) < 1e-5);
        if (old > grid * grid)
            Assert.Equal(0, Difference(table[(grid * grid)..], resampled[(target * target)..]));
    }

    [SkippableFact]
    public void A_bias_table_is_resampled_as_timm_does()
    {
        manual_seed(2);
        var table = randn(13 * 13, 3);
        PyTorchFile.Write(folder.File("x.pth"), new Dictionary<string, Tensor> { ["table"] = table, ["wide"] = WeightResampling.BiasTable(table, [23 * 23, 3])! });
        CheckpointFiles.RunPython("-c", """
            import sys, numpy, torch
            state = {name: tensor.double().numpy() for name, tensor in torch.load(sys.argv[1]).items()}
            # The ratio q for which 1 + q + ... + q^5 is 11.
            q = [r.real for r in numpy.roots([1, 1, 1, 1, 1, 1 - 11]) if abs(r.imag) < 1e-9 and r.real > 0][0]
            side = numpy.cumsum(q ** numpy.arange(6))
            places = numpy.concatenate([-side[::-1], [0], side])
            wanted = numpy.arange(-11, 12)
            weights = numpy.stack([numpy.interp(wanted, places, unit) for unit in numpy.eye(13)], 1)
            grid = state["table"].T.reshape(3, 13, 13)
            expected = (weights @ grid @ weights.T).reshape(3, -1).T
            assert abs(expected - state["wide"]).max() < 1e-4, abs(expected - state["wide"]).max()
            """, folder.File("x.pth"));
    }

    // Of timm's resize_rel_pos_bias_table, for a table of sin(0.1 i + head).
    [Theory]
    [InlineData(13, 15, 2, new[] { 0, 75, 112, 223 }, new[] { 0.841471, -0.024019, 0.024775, -0.900889 })]
    [InlineData(13, 23, 2, new[] { 0, 176, 264, 527 }, new[] { 0.841471, -0.514624, 0.024775, -0.882635 })]
    [InlineData(27, 13, 1, new[] { 0, 56, 84, 167 }, new[] { 0.546003, -0.562546, -0.96332, 0.284324 })]
    public void Tables_of_MaxViT_have_the_values_of_timm(int old, int size, int heads, int[] places, double[] expected)
    {
        var table = (arange(old * old) * 0.1f).unsqueeze(1).add(arange(heads).unsqueeze(0)).sin();
        var flat = WeightResampling.BiasTable(table, [size * size, heads])!;
        Assert.All(places.Zip(expected), pair => Assert.Equal(pair.Second, flat[pair.First, heads - 1].item<float>(), 1e-4));
        // As TensorFlow has it, by rows and columns.
        var grid = WeightResampling.BiasTable(table.t().reshape(heads, old, old), [heads, size, size])!;
        Assert.True(Difference(flat, grid.reshape(heads, -1).t()) < 1e-6);
    }

    [Fact]
    public void A_table_by_rows_and_columns_is_resampled_too() =>
        Assert.Equal([4, 23, 27], WeightResampling.BiasTable(randn(4, 13, 13), [4, 23, 27])!.shape);

    [Fact]
    public void What_is_no_table_of_a_square_window_is_left_alone() => Assert.Null(WeightResampling.BiasTable(randn(13 * 13, 2), [13 * 15, 2]));
}
