using Attention.Modules.Dense;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Modules;

/// <summary>Our kernels of dense operators against their plain forms, forward and backward, on random shapes.</summary>
public sealed class DenseKernelTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Random random = new(7);

    public DenseKernelTests() => manual_seed(7);

    public void Dispose() => scope.Dispose();

    private static double Tolerance(ScalarType type) => type == ScalarType.Float64 ? 1e-12 : 2e-5;

    // Strides that no kernel expects.
    private Tensor Scattered(Tensor x) => random.Next(2) == 0 ? x : x.transpose(0, -1).contiguous().transpose(0, -1);

    private static void RequireClose(Tensor expected, Tensor actual, double tolerance, string what)
    {
        Assert.Equal(expected.shape, actual.shape);
        Assert.Equal(expected.dtype, actual.dtype);
        if (expected.numel() == 0)
            return;
        double most = (expected - actual).abs().max().to(ScalarType.Float64).item<double>(), scale = Math.Max(1, expected.abs().max().to(ScalarType.Float64).item<double>());
        Assert.True(most <= tolerance * scale, $"{what}: off by {most} of {scale}");
    }

    /// <summary>Outputs and the gradients of the inputs, with our kernels and without.</summary>
    private void Compare(Func<Tensor[], Tensor> compute, Tensor[] inputs, double tolerance, string what, int differentiable = int.MaxValue)
    {
        var probe = new Tensor?[1];
        Tensor[] Run(bool plainly)
        {
            using var off = plainly ? Kernels.Off() : null;
            var leaves = inputs.Select((input, i) => i < differentiable ? Scattered(input.detach().clone()).requires_grad_() : input).ToArray();
            var output = compute(leaves);
            probe[0] ??= Scattered(randn(output.shape, dtype: output.dtype));
            output.backward([probe[0]!]);
            return [output.detach(), .. leaves.Take(differentiable).Select(leaf => leaf.grad ?? zeros_like(leaf))];
        }
        var (expected, actual) = (Run(plainly: true), Run(plainly: false));
        for (int i = 0; i < expected.Length; i++)
            RequireClose(expected[i], actual[i], tolerance, i == 0 ? what : $"{what}, gradient {i - 1}");
    }

    private Tensor RandomRegions(int count, int images, double extent, ScalarType type)
    {
        var rows = Enumerable.Range(0, count).SelectMany(_ =>
        {
            var (x, y) = (random.NextDouble() * 1.4 * extent - 0.2 * extent, random.NextDouble() * 1.4 * extent - 0.2 * extent);
            var (wide, tall) = (random.NextDouble() * random.Next(0, 2) * extent, random.NextDouble() * extent / random.Next(1, 9));
            return new[] { random.Next(images), x, y, x + wide, y + tall };
        }).ToArray();
        return tensor(rows, dtype: type).reshape(count, 5);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Regions(ScalarType type)
    {
        for (int trial = 0; trial < 40; trial++)
        {
            int images = random.Next(1, 4), channels = random.Next(1, 40), height = random.Next(1, 50), width = random.Next(1, trial % 4 == 0 ? 100 : 40);
            var size = trial % 5 == 0 ? (14, 14) : (random.Next(1, 9), random.Next(1, trial % 3 == 0 ? 36 : 9));
            var (samples, aligned) = (random.Next(-1, 4), random.Next(2) == 0);
            var regions = RandomRegions(random.Next(0, 30), images, Math.Max(height, width) * 4, type);
            Compare(inputs => RoiAlign.Cut(inputs[0], regions, size, 0.25, samples, aligned), [randn(images, channels, height, width, dtype: type)],
                Tolerance(type), $"{images}x{channels}x{height}x{width} to {size}, {samples} samples, aligned {aligned}");
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Regions_of_several_maps(ScalarType type)
    {
        var align = new MultiScaleRoiAlign(7, 2);
        foreach (int count in (int[])[1, 25])
        {
            Tensor[] maps = [.. new[] { 64, 32, 16, 8 }.Select(side => randn(2, 5, side, side + 3, dtype: type))];
            Tensor[] boxes = [.. Enumerable.Range(0, 2).Select(_ => RandomRegions(count, 1, 256, type).narrow(1, 1, 4))];
            Compare(inputs => align.Cut(inputs, boxes, 256), maps, Tolerance(type), $"{count} boxes");
        }
    }

    [Fact]
    public void Regions_in_bfloat16_are_computed_in_float32()
    {
        var map = randn(1, 3, 20, 20, dtype: ScalarType.BFloat16);
        var regions = RandomRegions(5, 1, 40, ScalarType.Float32);
        var cut = RoiAlign.Cut(map, regions, (7, 7), 0.5);
        Assert.Equal(ScalarType.BFloat16, cut.dtype);
        Assert.True(cut.allclose(RoiAlign.Cut(map.to(ScalarType.Float32), regions, (7, 7), 0.5).to(ScalarType.BFloat16), 0, 0));
    }

    [Fact]
    public void Regions_of_images_that_are_not_there_are_refused() =>
        Assert.ThrowsAny<Exception>(() => RoiAlign.Cut(zeros(1, 2, 4, 4), tensor(new float[] { 1, 0, 0, 2, 2 }, 1, 5), (2, 2), 1));

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Deformable_attention(ScalarType type)
    {
        foreach (int depth in (int[])[1, 5, 8, 16, 32, 40, 64])
            for (int trial = 0; trial < 4; trial++)
            {
                (long, long)[] maps = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => ((long)random.Next(1, 12), (long)random.Next(1, 12)))];
                int batch = random.Next(1, 4), queries = trial == 3 ? 0 : random.Next(1, 80), heads = random.Next(1, 5), points = random.Next(1, 6);
                long places = maps.Sum(map => map.Item1 * map.Item2);
                // Some are outside.
                var locations = rand([batch, queries, heads, maps.Length, points, 2], dtype: type) * 1.6 - 0.3;
                Compare(inputs => DeformableSampling.Attend(inputs[0], maps, inputs[1], inputs[2]),
                    [randn(batch, places, heads, depth, dtype: type), locations, randn([batch, queries, heads, maps.Length, points], dtype: type)],
                    5 * Tolerance(type), $"depth {depth}, {string.Join(" ", maps)}, {batch}x{queries}x{heads}x{points}");
            }
    }

    [Fact]
    public void Far_locations_of_deformable_attention_read_nothing()
    {
        var locations = tensor(new float[] { 1e30f, 0.5f, -1e30f, 0.5f, 0.5f, float.PositiveInfinity, 0.5f, 0.5f }, [1, 1, 1, 1, 4, 2]);
        var sum = DeformableSampling.Attend(ones(1, 9, 1, 16), [(3, 3)], locations, ones([1, 1, 1, 1, 4]));
        Assert.True(sum.allclose(ones(1, 1, 16), 0, 0));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void Suppressed_boxes(ScalarType type)
    {
        foreach (int count in (int[])[0, 1, 2, 63, 64, 65, 300, 999, 1000, 1001, 2500])
        {
            // Whole numbers: many overlaps and scores are equal.
            var corners = randint(0, 60, [count, 2]).to(type);
            var boxes = Scattered(cat([corners, corners + randint(0, 30, [count, 2]).to(type)], 1));
            var (scores, labels) = (randint(0, 200, [count]).to(type) / 200, randint(0, 7, [count]));
            foreach (double threshold in (double[])[0.3, 0.5, 0.7, 1])
            {
                Assert.Equal(Plainly(() => Suppression.Keep(boxes, scores, threshold)), Suppression.Keep(boxes, scores, threshold).data<long>().ToArray());
                Assert.Equal(Plainly(() => Suppression.KeepPerLabel(boxes, scores, labels, threshold)), Suppression.KeepPerLabel(boxes, scores, labels, threshold).data<long>().ToArray());
            }
        }

        static long[] Plainly(Func<Tensor> keep)
        {
            using var off = Kernels.Off();
            return keep().data<long>().ToArray();
        }
    }

    [Fact]
    public void Pasted_masks()
    {
        foreach (int side in (int[])[1, 7, 28, 30, 31, 45])
        {
            var masks = rand(12, 1, side, side);
            var boxes = RandomRegions(12, 1, 90, ScalarType.Float32).narrow(1, 1, 4);
            Tensor expected;
            using (Kernels.Off())
                expected = MaskPasting.Paste(masks, boxes, 80, 101);
            RequireClose(expected, MaskPasting.Paste(masks, boxes, 80, 101), 2e-6, $"masks of {side}");
        }
        Assert.Equal([0, 1, 5, 6], MaskPasting.Paste(zeros(0, 1, 28, 28), zeros(0, 4), 5, 6).shape);
        var learnt = rand(1, 1, 4, 4).requires_grad_();
        MaskPasting.Paste(learnt, tensor(new float[] { 1, 1, 9, 9 }, 1, 4), 12, 12).sum().backward();
        Assert.True(learnt.grad!.min().item<float>() > 0);
    }

    [Fact]
    public void The_number_of_threads_does_not_change_a_bit()
    {
        int threads = get_num_threads();
        try
        {
            Tensor[] Run(int count)
            {
                set_num_threads(count);
                manual_seed(1);
                var map = randn(2, 20, 30, 40).requires_grad_();
                var regions = cat([randint(0, 2, [30, 1]).to(ScalarType.Float32), (rand(30, 4) * 40).sort(1).Values], 1);
                var cut = RoiAlign.Cut(map, regions, (7, 7), 1, 2);
                var value = randn(2, 60, 4, 16).requires_grad_();
                var sum = DeformableSampling.Attend(value, [(6, 10)], rand([2, 50, 4, 1, 3, 2]), rand([2, 50, 4, 1, 3]));
                (cut.sum() + sum.square().sum()).backward();
                return [cut.detach(), sum.detach(), map.grad!, value.grad!];
            }
            foreach (var (one, two) in Run(1).Zip(Run(2)))
                Assert.True(one.allclose(two, 0, 0));
        }
        finally
        {
            set_num_threads(threads);
        }
    }
}
