using System.Globalization;
using System.Text.Json;
using Attention.Engine.Configuration;
using Attention.Models;
using Attention.Models.Language;
using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>How far a model is from its recording.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="OutputError">Largest difference of an output sample, relative to the output's largest absolute value.</param>
/// <param name="FeatureError">The same over the intermediate features.</param>
/// <param name="GradientError">Largest relative difference of a gradient's norm, or of a sample relative to itself or the typical element.</param>
/// <param name="Parameters">Parameters of the model.</param>
/// <param name="Problems">What is wrong, one line each; none where the model agrees.</param>
public sealed record Verification(
    string Model, double OutputError, double FeatureError, double GradientError, long Parameters, IReadOnlyList<string> Problems)
{
    public bool Agrees => Problems.Count == 0;
}

/// <summary>Compares a model of the registry with a recording of its reference: names, shapes, outputs, features, gradients.</summary>
public sealed class Verifier
{
    /// <summary>What outputs and features may differ by, relative to their largest absolute value.</summary>
    public const double OutputTolerance = 1e-4;

    /// <summary>What gradients may differ by, relative to their norm.</summary>
    public const double GradientTolerance = 1e-3;

    /// <summary>Where the reference's own rounding is larger, this many times of it.</summary>
    public const double NoiseFactor = 20;

    private readonly Recording recording;
    private readonly nn.Module model;
    private readonly Dictionary<string, Tensor> state;
    private readonly List<string> problems = [];
    private double outputError, featureError, gradientError;

    private Verifier(Recording recording, nn.Module model)
    {
        this.recording = recording;
        this.model = model;
        state = model.state_dict();
    }

    /// <summary>Builds the recording's model and compares it.</summary>
    public static Verification Run(string path)
    {
        var recording = Recording.Load(path);
        using var scope = NewDisposeScope();
        var name = Name(recording, path);
        using var model = Build(name, recording);
        var verifier = new Verifier(recording, model);
        if (verifier.StateAgrees())
            verifier.Compare();
        return new Verification(name, verifier.outputError, verifier.featureError, verifier.gradientError,
            model.parameters().Sum(p => p.numel()), verifier.problems);
    }

    private static string Name(Recording recording, string path)
    {
        var factory = recording.factory?[(recording.factory.IndexOf(':') + 1)..];
        // A factory of many models takes the name as an argument; some authors write theirs in capitals.
        var given = recording.kwargs.TryGetValue("name", out var name) && name.ValueKind == JsonValueKind.String ? name.GetString() : null;
        return new[] { given, factory, factory?.ToLowerInvariant() }.FirstOrDefault(each => each is not null && ModelRegistry.Names.Contains(each))
            ?? Path.GetFileNameWithoutExtension(path);
    }

    private static nn.Module Build(string name, Recording recording)
    {
        if (recording.hf_config is { } config)
            return HuggingFaceDecoders.Create(HuggingFaceDecoders.Read(config));
        var fields = ModelRegistry.Names.Contains(name) ? ModelRegistry.Family(name).Config(name).GetType() : null;
        // References that take a list take one number for all as well.
        object? Fitted(string key, object? value) => value is not object?[] && fields?.GetProperty(key)?.PropertyType.IsArray == true ? new[] { value } : value;
        var options = recording.kwargs.Where(pair => pair.Key != "name").Select(pair => (pair.Key, Fitted(pair.Key, Plain(pair.Value)))).ToArray();
        return ModelBuilder.Build(new NamedPart(name, options));
    }

    private static object? Plain(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.TryGetInt64(out long whole) ? whole : value.GetDouble(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Array => value.EnumerateArray().Select(Plain).ToArray(),
        _ => null,
    };

    // --- names and shapes ------------------------------------------------------------------------

    private bool StateAgrees()
    {
        var expected = recording.state.ToDictionary(entry => entry.name);
        // A tied tensor may be there once only.
        problems.AddRange(expected.Keys.Except(state.Keys).Where(name => expected[name].alias_of is null).Select(name => $"missing '{name}' ({Shape(expected[name].shape)})"));
        problems.AddRange(state.Keys.Except(expected.Keys).Select(name => $"unexpected '{name}' ({Shape(state[name].shape)})"));
        foreach (var (name, tensor) in state)
            if (expected.TryGetValue(name, out var entry) && !entry.shape.AsSpan().SequenceEqual(tensor.shape))
                problems.Add($"'{name}' is ({Shape(tensor.shape)}), the reference has ({Shape(entry.shape)})");
        long count = model.parameters().Distinct().Sum(p => p.numel());
        if (problems.Count == 0 && count != recording.parameter_count)
            problems.Add($"{count} parameters, the reference has {recording.parameter_count}");
        return problems.Count == 0;
    }

    private static string Shape(long[] shape) => string.Join(", ", shape);

    // --- forward and backward --------------------------------------------------------------------

    private void Compare()
    {
        Fill();
        model.eval();
        var features = new Dictionary<string, Tensor>();
        WatchFeatures(features);
        var inputs = recording.inputs.Select(input => input.kind == "int"
            ? FormulaFill.IntegerInput(input.name, input.shape, input.high)
            : FormulaFill.Input(input.name, input.shape)).ToArray();
        var output = Call(inputs);

        outputError = Difference(recording.outputs[0], output, "output");
        foreach (var feature in recording.features)
            if (features.TryGetValue(feature.name, out var found))
                featureError = Math.Max(featureError, Difference(feature, found, $"feature '{feature.name}'"));
            else if (!feature.name.Contains('#') && !feature.name.EndsWith(".0", StringComparison.Ordinal))
                problems.Add($"no module '{feature.name}' to compare a feature of");

        if (recording.decode is { } decoding && model is LanguageModel language)
            CompareDecoding(language, decoding);
        if (recording.backward is null)
            return;
        using var probe = FormulaFill.Probe("grad_probe", output.shape);
        ((output * probe).sum() / output.numel()).backward();
        foreach (var gradient in recording.backward.grads)
            CompareGradient(gradient);
    }

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

    private Tensor Call(Tensor[] inputs) => (model, inputs.Length) switch
    {
        (nn.Module<Tensor, Tensor> one, 1) => one.call(inputs[0]),
        (nn.Module<Tensor, Tensor, Tensor> two, 2) => two.call(inputs[0], inputs[1]),
        (nn.Module<Tensor, Tensor, Tensor, Tensor> three, 3) => three.call(inputs[0], inputs[1], inputs[2]),
        _ => throw new UserError($"the recording has {inputs.Length} inputs, the model takes another number", "verify compares models of up to three tensors that give one"),
    };

    private void Fill()
    {
        using var _ = no_grad();
        foreach (var entry in recording.state)
        {
            if (entry.fill == "computed" || !state.ContainsKey(entry.name))
                continue;
            using var values = FormulaFill.Parameter(entry.alias_of ?? entry.name, entry.shape, entry.fill, entry.gain ?? recording.gain);
            state[entry.name].copy_(values);
        }
    }

    private void WatchFeatures(Dictionary<string, Tensor> features)
    {
        var wanted = recording.features.Select(feature => feature.name).ToHashSet();
        var known = model.named_modules().Select(pair => pair.name).ToHashSet();
        foreach (var (name, module) in model.named_modules())
        {
            if (module is nn.Module<Tensor[], Tensor[]> parts)
                parts.register_forward_hook((_, _, results) =>
                {
                    for (int i = 0; i < results.Length; i++)
                        if (wanted.Contains($"{name}.{i}"))
                            features[$"{name}.{i}"] = results[i].detach().DetachFromDisposeScope();
                    return results;
                });
            // A list of blocks stands for its last one; the first of several results for the only one.
            var names = wanted.Where(w => w == name || w == $"{name}.0" && !known.Contains(w)
                || name.StartsWith(w + ".", StringComparison.Ordinal) && IsLastOfList(w, name)).ToArray();
            if (names.Length == 0)
                continue;
            Tensor Keep(Tensor result)
            {
                foreach (var each in names)
                    features[each] = result.detach().DetachFromDisposeScope();
                return result;
            }
            if (module is nn.Module<Tensor, Tensor> part)
                part.register_forward_hook((_, _, result) => Keep(result));
            else if (module is nn.Module<Tensor, Tensor, Tensor> pair)
                pair.register_forward_hook((_, _, _, result) => Keep(result));
        }
    }

    private bool IsLastOfList(string list, string child)
    {
        var module = model.named_modules().FirstOrDefault(m => m.name == list).module;
        return module is not null and not nn.Module<Tensor, Tensor> && module.named_children().LastOrDefault() is { module: not null } last && $"{list}.{last.name}" == child;
    }

    private double Difference(RecordedTensor expected, Tensor found, string what)
    {
        if (!found.shape.AsSpan().SequenceEqual(expected.shape) && !IsMapOf(found.shape, expected.shape) && !IsMapOf(expected.shape, found.shape))
        {
            problems.Add($"{what} is ({Shape(found.shape)}), the reference has ({Shape(expected.shape)})");
            return double.PositiveInfinity;
        }
        var samples = At(found, expected.indices);
        double worst = samples.Zip(expected.samples, (a, b) => Math.Abs(a - b)).Max() / Math.Max(expected.max_abs, 1e-30);
        Judge(worst, Math.Max(OutputTolerance, NoiseFactor * expected.noise), what);
        return worst;
    }

    // A map (B, H, W, C) holds the tokens (B, H * W, C) in the same order.
    private static bool IsMapOf(long[] map, long[] tokens) =>
        map.Length == 4 && tokens.Length == 3 && map[0] == tokens[0] && map[1] * map[2] == tokens[1] && map[3] == tokens[2];

    private void CompareGradient(RecordedGradient expected)
    {
        if (!state.TryGetValue(expected.name, out var parameter))
            return;
        using var gradient = ((Parameter)parameter).grad;
        if (expected.l2 is not { } norm || expected.zero)
        {
            if (expected.l2 is null && gradient is not null && gradient.abs().max().item<float>() != 0)
                problems.Add($"a gradient reaches '{expected.name}', in the reference none does");
            return;
        }
        if (gradient is null)
        {
            problems.Add($"no gradient reaches '{expected.name}'");
            return;
        }
        double typical = norm / Math.Sqrt(gradient.numel());
        double ours = gradient.norm().item<float>();
        double error = Math.Abs(ours - norm) / norm;
        var indices = Enumerable.Range(0, expected.samples!.Length).Select(k => k * expected.stride % gradient.numel()).ToArray();
        // A sample is measured by the typical element, or by itself where it is larger: the norm of all would hide anything.
        foreach (var (a, b) in At(gradient, indices).Zip(expected.samples))
            error = Math.Max(error, Math.Abs(a - b) / Math.Max(Math.Abs(b), typical));
        gradientError = Math.Max(gradientError, error);
        Judge(error, Math.Max(GradientTolerance, NoiseFactor * expected.noise), $"gradient of '{expected.name}'");
    }

    private void Judge(double error, double tolerance, string what)
    {
        if (!(error <= tolerance))
            problems.Add(string.Create(CultureInfo.InvariantCulture, $"{what} differs by {error:e2}, {tolerance:e0} is allowed"));
    }

    private static double[] At(Tensor tensor, long[] indices)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().contiguous().view(-1).index_select(0, torch.tensor(indices)).to(ScalarType.Float64).data<double>().ToArray();
    }
}
