using Attention.Engine.Generation;
using Attention.Models.Language;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Engine.Generation;

public class SamplerTests
{
    private static readonly float[] logits = [1, 3, 2, -1, 2.5f];

    // How often each token is chosen in 4,000 draws.
    private static double[] Frequencies(SamplingConfig config, float[]? of = null)
    {
        var counts = new double[(of ?? logits).Length];
        for (int i = 0; i < 4000; i++)
            counts[new Sampler(config with { seed = i }).Next((float[])(of ?? logits).Clone(), [0])]++;
        return [.. counts.Select(count => count / 4000)];
    }

    private static double[] Softmax(double temperature, params int[] kept)
    {
        var weights = logits.Select((logit, i) => kept.Length == 0 || kept.Contains(i) ? Math.Exp(logit / temperature) : 0).ToArray();
        return [.. weights.Select(weight => weight / weights.Sum())];
    }

    private static void Close(double[] expected, double[] found)
    {
        foreach (var (a, b) in expected.Zip(found))
            Assert.Equal(a, b, 0.03);
    }

    [Fact]
    public void Temperature_shapes_the_softmax()
    {
        Close(Softmax(1), Frequencies(new SamplingConfig()));
        Close(Softmax(0.5), Frequencies(new SamplingConfig { temperature = 0.5 }));
        Assert.Equal(1, new Sampler(new SamplingConfig { temperature = 0 }).Next((float[])logits.Clone(), []));
    }

    [Fact]
    public void Only_the_likeliest_remain()
    {
        Close(Softmax(1, 1, 4), Frequencies(new SamplingConfig { top_k = 2 }));
        // Probabilities 0.46, 0.28, 0.17, 0.06, 0.01.
        Close(Softmax(1, 1, 4), Frequencies(new SamplingConfig { top_p = 0.7 }));
        Close(Softmax(1, 1, 4, 2), Frequencies(new SamplingConfig { top_p = 0.8 }));
        Close(Softmax(1, 1, 4, 2), Frequencies(new SamplingConfig { min_p = 0.3 }));
        Close(Softmax(2, 1, 4), Frequencies(new SamplingConfig { temperature = 2, top_k = 3, min_p = 0.7 }));
    }

    // What is left of a large vocabulary is what sorting all of it leaves.
    [Theory]
    [InlineData(300, null, null)]
    [InlineData(null, 0.3, null)]
    [InlineData(null, 0.97, null)]
    [InlineData(null, 1.0, null)]
    [InlineData(null, null, 0.02)]
    [InlineData(null, null, 0.0)]
    [InlineData(700, 0.8, 0.01)]
    [InlineData(null, 0.9, 0.3)]
    public void A_large_vocabulary_is_cut_like_a_small_one(int? top_k, double? top_p, double? min_p)
    {
        var random = new Random(1);
        // Many are equal.
        var many = Enumerable.Range(0, 5000).Select(_ => MathF.Round((float)(random.NextDouble() * 8), 2)).ToArray();
        var sorted = many.Select((logit, token) => (logit, token)).OrderByDescending(pair => pair.logit).ThenBy(pair => pair.token).Take(top_k ?? many.Length).ToArray();
        var weights = sorted.Select(pair => Math.Exp(pair.logit - sorted[0].logit)).ToArray();
        double sum = 0;
        int nucleus = top_p is { } share ? weights.TakeWhile(weight => (sum += weight) < share * weights.Sum()).Count() + 1 : weights.Length;
        int likely = min_p is { } least ? weights.Count(weight => weight >= least) : weights.Length;
        var kept = sorted.Take(Math.Min(nucleus, likely)).Select(pair => pair.token).ToHashSet();
        var config = new SamplingConfig { top_k = top_k, top_p = top_p, min_p = min_p };
        var chosen = Enumerable.Range(0, 300).Select(i => new Sampler(config with { seed = i }).Next((float[])many.Clone(), [])).ToArray();
        Assert.All(chosen, token => Assert.Contains(token, kept));
        // Each of the last half of those that are kept has its share of the draws.
        double half = weights.Take(kept.Count).Skip(kept.Count / 2).Sum() / weights.Take(kept.Count).Sum();
        var late = sorted.Take(kept.Count).Skip(kept.Count / 2).Select(pair => pair.token).ToHashSet();
        Assert.Equal(half, chosen.Count(late.Contains) / 300.0, 0.1);
    }

    [Fact]
    public void Choosing_takes_no_memory_after_the_first_token()
    {
        var random = new Random(2);
        var many = Enumerable.Range(0, 3000).Select(_ => (float)random.NextDouble() * 5).ToArray();
        var history = new List<int> { 1, 2, 3, 2 };
        foreach (var config in new[] { new SamplingConfig(), new() { top_k = 40 }, new() { top_p = 0.9, repetition_penalty = 1.2 }, new() { min_p = 0.1 }, new() { temperature = 0 } })
        {
            var sampler = new Sampler(config);
            sampler.Next(many, history);
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 20; i++)
                sampler.Next(many, history);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    [Fact]
    public void What_was_there_is_penalised()
    {
        var sampler = new Sampler(new SamplingConfig { temperature = 0, repetition_penalty = 2 });
        Assert.Equal(4, sampler.Next((float[])logits.Clone(), [1, 1, 1]));
        Assert.Equal(0, sampler.Next([-1, -1.5f], [1]));
        Assert.Equal(0, sampler.Next([-2.5f, -1.5f], [1]));
    }

    private static Gpt2 Small()
    {
        manual_seed(3);
        var model = new Gpt2(new Gpt2Config { vocab_size = 30, n_embd = 16, n_layer = 2, n_head = 2, n_positions = 24 });
        model.eval();
        return model;
    }

    private static int[][] Continue(Gpt2 model, SamplingConfig config, int[][] prompts, IReadOnlySet<int>? ends = null)
    {
        var results = prompts.Select(_ => new List<int>()).ToArray();
        foreach (var (sequence, token) in new TokenGenerator(model, config, ends).Generate(prompts))
            results[sequence].Add(token);
        return [.. results.Select(result => result.ToArray())];
    }

    [Fact]
    public void The_same_seed_gives_the_same_tokens_and_another_gives_others()
    {
        using var model = Small();
        var config = new SamplingConfig { max_new_tokens = 12, top_p = 0.95, seed = 7 };
        var first = Continue(model, config, [[1, 2, 3]]);
        Assert.Equal(first, Continue(model, config, [[1, 2, 3]]));
        Assert.NotEqual(first, Continue(model, config with { seed = 8 }, [[1, 2, 3]]));
    }

    [Fact]
    public void A_batch_gives_each_prompt_what_it_gets_alone()
    {
        using var model = Small();
        var config = new SamplingConfig { max_new_tokens = 8, temperature = 0 };
        int[][] prompts = [[1, 2, 3], [9, 8], [4, 5, 6]];
        var together = Continue(model, config, prompts);
        for (int i = 0; i < prompts.Length; i++)
            Assert.Equal(Continue(model, config, [prompts[i]])[0], together[i]);
    }

    [Fact]
    public void Generation_ends_at_an_end_token_and_at_the_context()
    {
        using var model = Small();
        var greedy = new SamplingConfig { max_new_tokens = 100, temperature = 0 };
        var free = Continue(model, greedy, [[1, 2, 3]])[0];
        Assert.Equal(21, free.Length);
        var ended = Continue(model, greedy, [[1, 2, 3]], new HashSet<int> { free[2] })[0];
        Assert.Equal(free[..(Array.IndexOf(free, free[2]) + 1)], ended);
        Assert.Equal("prompt 1 has 24 tokens, which leaves no room in the model's context of 24",
            Assert.Throws<UserError>(() => Continue(model, greedy, [new int[24]])).Message);
    }
}
