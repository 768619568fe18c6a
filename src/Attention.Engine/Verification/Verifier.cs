using System.Globalization;
using Attention.Engine.Configuration;
using Attention.Models;
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
    private readonly nn.Module<Tensor, Tensor> model;
    private readonly Dictionary<string, Tensor> state;
    private readonly List<string> problems = [];
    private double outputError, featureError, gradientError;

    private Verifier(Recording recording, nn.Module<Tensor, Tensor> model)
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
        return factory is not null && ModelRegistry.Names.Contains(factory) ? factory : Path.GetFileNameWithoutExtension(path);
    }

    private static nn.Module<Tensor, Tensor> Build(string name, Recording recording)
    {
        var options = recording.kwargs.Where(pair => pair.Key != "name").Select(pair => (pair.Key, (object?)Plain(pair.Value))).ToArray();
        return ModelBuilder.Build(new NamedPart(name, options)) as nn.Module<Tensor, Tensor>
            ?? throw new UserError($"'{name}' takes more than one input", "verify compares models that map one tensor to one");
    }

    private static object? Plain(System.Text.Json.JsonElement value) => value.ValueKind switch
    {
        System.Text.Json.JsonValueKind.Number => value.TryGetInt64(out long whole) ? whole : value.GetDouble(),
        System.Text.Json.JsonValueKind.True => true,
        System.Text.Json.JsonValueKind.False => false,
        System.Text.Json.JsonValueKind.String => value.GetString(),
        _ => null,
    };

    // --- names and shapes ------------------------------------------------------------------------

    private bool StateAgrees()
    {
        var expected = recording.state.ToDictionary(entry => entry.name);
        problems.AddRange(expected.Keys.Except(state.Keys).Select(name => $"missing '{name}' ({Shape(expected[name].shape)})"));
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
        var input = recording.inputs[0];
        var output = model.call(input.kind == "int"
            ? FormulaFill.IntegerInput(input.name, input.shape, input.high)
            : FormulaFill.Input(input.name, input.shape));

        outputError = Difference(recording.outputs[0], output, "output");
        foreach (var feature in recording.features)
            if (features.TryGetValue(feature.name, out var found))
                featureError = Math.Max(featureError, Difference(feature, found, $"feature '{feature.name}'"));
            else if (!feature.name.Contains('#') && !feature.name.EndsWith(".0", StringComparison.Ordinal))
                problems.Add($"no module '{feature.name}' to compare a feature of");

        if (recording.backward is null)
            return;
        using var probe = FormulaFill.Probe("grad_probe", output.shape);
        ((output * probe).sum() / output.numel()).backward();
        foreach (var gradient in recording.backward.grads)
            CompareGradient(gradient);
    }

    private void Fill()
    {
        using var _ = no_grad();
        foreach (var entry in recording.state)
        {
            if (entry.fill == "computed")
                continue;
            using var values = FormulaFill.Parameter(entry.alias_of ?? entry.name, entry.shape, entry.fill, entry.gain ?? recording.gain);
            state[entry.name].copy_(values);
        }
    }

    private void WatchFeatures(Dictionary<string, Tensor> features)
    {
        var wanted = recording.features.Select(feature => feature.name).ToHashSet();
        foreach (var (name, module) in model.named_modules())
        {
            // A list of blocks stands for its last one.
            var names = wanted.Where(w => w == name || name.StartsWith(w + ".", StringComparison.Ordinal) && IsLastOfList(w, name)).ToArray();
            if (names.Length > 0 && module is nn.Module<Tensor, Tensor> part)
                part.register_forward_hook((_, _, result) =>
                {
                    foreach (var each in names)
                        features[each] = result.detach().DetachFromDisposeScope();
                    return result;
                });
            if (module is nn.Module<Tensor[], Tensor[]> parts)
                parts.register_forward_hook((_, _, results) =>
                {
                    for (int i = 0; i < results.Length; i++)
                        if (wanted.Contains($"{name}.{i}"))
                            features[$"{name}.{i}"] = results[i].detach().DetachFromDisposeScope();
                    return results;
                });
        }
    }

    private bool IsLastOfList(string list, string child)
    {
        var module = model.named_modules().FirstOrDefault(m => m.name == list).module;
        return module is not null and not nn.Module<Tensor, Tensor> && module.named_children().LastOrDefault() is { module: not null } last && $"{list}.{last.name}" == child;
    }

    private double Difference(RecordedTensor expected, Tensor found, string what)
    {
        if (!found.shape.AsSpan().SequenceEqual(expected.shape) && !IsMapOf(found.shape, expected.shape))
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
        using var gradient = ((Parameter)state[expected.name]).grad;
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
