using Attention.Modules;
using Attention.Torch;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Modules;

/// <summary>The fused steps of decoding against the same in plain operators, on random shapes.</summary>
public class DecodeProgramTests
{
    private static readonly ScalarType[] floating = [ScalarType.Float32, ScalarType.BFloat16];

    private static Parameter Random(ScalarType type, params long[] shape) => new(randn(shape).to(type), requires_grad: false);

    // The largest difference, relative to the largest value, of both ways through a program.
    private static double Difference(DecodeProgram program, DecodingCache cache, long[] tokens)
    {
        program.Run(tokens, plain: true);
        var plain = Enumerable.Range(0, program.Rows).SelectMany(row => program.Logits(row).ToArray()).ToArray();
        for (int row = 0; row < program.Rows; row++)
            program.Logits(row).Fill(float.NaN);
        cache.Clear();
        program.Run(tokens);
        var fused = Enumerable.Range(0, program.Rows).SelectMany(row => program.Logits(row).ToArray()).ToArray();
        cache.Clear();
        double difference = plain.Zip(fused, (a, b) => double.IsNaN(b) ? double.PositiveInfinity : Math.Abs(a - b)).Max();
        return difference / Math.Max(1, plain.Max(Math.Abs));
    }

    private static long[] Tokens(Random random, int rows, int vocabulary) => [.. Enumerable.Range(0, rows).Select(_ => (long)random.Next(vocabulary))];

    [Theory]
    [InlineData("fp32")]
    [InlineData("bf16")]
    [InlineData("int8")]
    public void Linear_layers_agree(string storage)
    {
        var random = new Random(1);
        for (int trial = 0; trial < 60; trial++)
        {
            manual_seed(trial);
            using var scope = NewDisposeScope();
            var type = storage == "bf16" ? ScalarType.BFloat16 : ScalarType.Float32;
            var (rows, inputs, outputs) = (random.Next(1, 10), random.Next(1, 300), random.Next(1, 700));
            using var weights = new DecodingWeights { IsInt8 = storage == "int8" };
            using var cache = new DecodingCache([], 4);
            using var program = new DecodeProgram(rows, cache, weights);
            bool transposed = random.Next(2) == 0;
            var x = program.Embed(Random(type, 20, inputs), factor: 0.5);
            var matrix = transposed ? Random(type, inputs, outputs) : Random(type, outputs, inputs);
            var bias = random.Next(2) == 0 ? Random(type, outputs) : null;
            Slot? to = random.Next(2) == 0 ? program.Embed(Random(type, 20, outputs)) : null;
            var activation = (DecodeActivation)random.Next(8);
            var before = matrix.clone();
            program.End(program.Linear(x, matrix, bias, transposed, to, activation, number: 3));
            Assert.Equal(before.shape, matrix.shape);
            if (storage != "int8")
                Assert.True(equal(before, matrix).item<bool>());
            double difference = Difference(program, cache, Tokens(random, rows, 20));
            Assert.True(difference < (storage == "int8" ? 3e-4 : 1e-5), $"{difference:G3}: {rows} rows, {inputs} to {outputs}, {activation}");
        }
    }

    [Fact]
    public void Attention_agrees_while_the_cache_fills_and_turns()
    {
        var random = new Random(2);
        for (int trial = 0; trial < 24; trial++)
        {
            manual_seed(trial);
            using var scope = NewDisposeScope();
            var type = floating[trial % 2];
            var (rows, groups, shared, dim) = (random.Next(1, 4), random.Next(1, 4), random.Next(1, 5), 2 * random.Next(1, 70));
            var (capacity, window) = (random.Next(1, 150), random.Next(2) == 0 ? random.Next(1, 80) : (int?)null);
            double? softcap = random.Next(2) == 0 ? 2 : null;
            long heads = groups * shared;
            var (q, k, v) = (Random(type, 30, heads * dim), Random(type, 30, groups * dim), Random(type, 30, groups * dim));
            using var rotary = new RotaryEmbedding(2 * random.Next(1, dim / 2 + 1), 100);
            var results = new List<Tensor>();
            foreach (bool plain in new[] { false, true })
            {
                var memory = new KeyValueCache(rows, groups, dim, capacity, window, type, CPU);
                using var cache = new DecodingCache([memory], capacity);
                using var weights = new DecodingWeights();
                using var program = new DecodeProgram(rows, cache, weights);
                var (queries, keys, values) = (program.Embed(q), program.Embed(k), program.Embed(v));
                program.Rotate(queries, heads, rotary);
                program.Rotate(keys, groups, rotary);
                program.End(program.Attend(queries, keys, values, heads, memory, 1 / Math.Sqrt(dim), softcap));
                var tokens = new Random(trial);
                for (int at = 0; at < capacity; at++)
                    program.Run(Tokens(tokens, rows, 30), plain);
                Assert.Equal(capacity, cache.Length);
                results.Add(stack(Enumerable.Range(0, rows).Select(row => tensor(program.Logits(row).ToArray())).ToArray()));
            }
            Assert.True(allclose(results[0], results[1], rtol: 1e-4, atol: type == ScalarType.Float32 ? 2e-5 : 2e-3),
                $"{(results[0] - results[1]).abs().max().item<float>()}: {rows} rows, {groups} groups of {shared}, {dim} channels, {capacity} tokens, window {window}");
        }
    }

    [Fact]
    public void Norms_gates_and_sums_agree()
    {
        var random = new Random(3);
        for (int trial = 0; trial < 40; trial++)
        {
            manual_seed(trial);
            using var scope = NewDisposeScope();
            var type = floating[trial % 2];
            var (rows, groups, dim) = (random.Next(1, 10), random.Next(1, 5), random.Next(2, 90));
            using var weights = new DecodingWeights { IsInt8 = trial % 3 == 0 };
            using var cache = new DecodingCache([], 4);
            using var program = new DecodeProgram(rows, cache, weights);
            var x = program.Embed(Random(type, 20, groups * dim), positions: Random(type, 4, groups * dim), factor: 3);
            var parts = program.Embed(Random(type, 20, 2 * groups * dim));
            var gated = program.Gated(parts.Part(0, groups * dim), parts.Part(groups * dim, groups * dim), (DecodeActivation)random.Next(7));
            program.Add(x, program.RmsNorm(gated, Random(type, dim), 1e-5, offset: trial % 2, groups));
            using var norm = nn.LayerNorm(groups * dim, eps: 1e-4, bias: trial % 4 != 0);
            nn.init.normal_(norm.weight);
            program.End(program.Norm(x, norm));
            double difference = Difference(program, cache, Tokens(random, rows, 20));
            Assert.True(difference < 2e-5, $"{difference:G3}: {rows} rows, {groups} groups of {dim}");
        }
    }

    [Fact]
    public void Layers_share_their_memory_and_keep_what_lies_outside()
    {
        manual_seed(4);
        using var scope = NewDisposeScope();
        using var weights = new DecodingWeights();
        using var cache = new DecodingCache([], 4);
        using var program = new DecodeProgram(2, cache, weights);
        var x = program.Embed(Random(ScalarType.Float32, 20, 33));
        var slots = new List<Slot>();
        for (int layer = 0; layer < 3; layer++)
            program.Layer(() =>
            {
                slots.Add(program.Linear(x, Random(ScalarType.Float32, 70, 33), activation: DecodeActivation.Tanh));
                program.Linear(slots[^1], Random(ScalarType.Float32, 33, 70), to: x);
            });
        program.End(x);
        Assert.Single(slots.Distinct());
        Assert.True(Difference(program, cache, [3, 4]) < 1e-5);
    }

    [Fact]
    public void Int8_keeps_a_row_within_half_a_step_and_twice_rounding_changes_nothing()
    {
        manual_seed(5);
        using var scope = NewDisposeScope();
        var matrix = randn(50, 100);
        matrix[7] = zeros(100);
        var stored = Int8Matrix.Round(matrix);
        var plain = stored.Plain();
        var half = matrix.abs().amax([1], keepdim: true) / 254;
        Assert.True(((plain - matrix).abs() <= half * 1.0001).all().item<bool>());
        Assert.True(allclose(Int8Matrix.Round(plain).Plain(), plain, rtol: 1e-6, atol: 0));
        Assert.Equal(50 * 128 + 50 * 4, stored.Bytes);
    }

    [Fact]
    public void Wrong_tokens_are_refused()
    {
        using var scope = NewDisposeScope();
        using var weights = new DecodingWeights();
        using var cache = new DecodingCache([], 1);
        using var program = new DecodeProgram(1, cache, weights);
        program.End(program.Embed(Random(ScalarType.Float32, 20, 8)));
        Assert.Contains("token 20 of 20", Assert.Throws<TorchException>(() => program.Run([20])).Message);
        Assert.Contains("2 tokens for 1 rows", Assert.Throws<ArgumentException>(() => program.Run([1, 2])).Message);
        program.Run([19]);
        Assert.Equal("2 tokens do not fit into a context of 1", Assert.Throws<UserError>(() => program.Run([1])).Message);
    }
}
