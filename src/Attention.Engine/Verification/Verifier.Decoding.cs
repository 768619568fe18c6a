using Attention.Models.Language;
using Attention.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

public sealed partial class Verifier
{
    // One token at a time, then in two portions: the same logits must come out.
    private void CompareDecoding(LanguageModel language, RecordedDecoding expected)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var input = recording.inputs[0];
        var tokens = FormulaFill.IntegerInput(input.name, input.shape, input.high);
        using var cache = language.CreateCache(input.shape[0]);
        var steps = expected.steps.ToDictionary(step => step.position);
        for (long position = 0; position < input.shape[1]; position++)
        {
            var logits = language.forward(tokens.narrow(1, position, 1), cache);
            if (steps.TryGetValue(position, out var step))
                CompareStep(step, logits, $"decoding at position {position}");
        }
        if (expected.greedy is { } greedy)
            CompareGreedy(language, cache, tokens, greedy);

        long half = input.shape[1] / 2;
        cache.Clear();
        language.forward(tokens.narrow(1, 0, half), cache).Dispose();
        var rest = language.forward(tokens.narrow(1, half, input.shape[1] - half), cache, last_only: false);
        foreach (var step in expected.steps.Where(step => step.position >= half))
            CompareStep(step, rest.narrow(1, step.position - half, 1), $"prefill in two portions at position {step.position}");
    }

    private void CompareStep(RecordedStep expected, Tensor logits, string what) => outputError = Math.Max(outputError, Difference(
        new RecordedTensor(what, expected.shape, 0, expected.max_abs, expected.indices, expected.samples, expected.noise), logits.squeeze(1), what));

    private void CompareGreedy(LanguageModel language, DecodingCache cache, Tensor tokens, RecordedGreedy greedy)
    {
        var next = language.forward(tokens.narrow(1, tokens.shape[1] - 1, 1), Rewound(language, cache, tokens)).argmax(-1);
        for (int i = 0; i < greedy.tokens[0].Length; i++)
        {
            for (int row = 0; row < greedy.tokens.Length; row++)
                if (next[row, 0].item<long>() != greedy.tokens[row][i])
                {
                    problems.Add($"greedy token {i} of row {row} is {next[row, 0].item<long>()}, the reference has {greedy.tokens[row][i]}");
                    return;
                }
            if (i + 1 < greedy.tokens[0].Length)
                next = language.forward(next, cache).argmax(-1);
        }
    }

    // The cache with all but the last token.
    private static DecodingCache Rewound(LanguageModel language, DecodingCache cache, Tensor tokens)
    {
        cache.Clear();
        language.forward(tokens.narrow(1, 0, tokens.shape[1] - 1), cache).Dispose();
        return cache;
    }
}
