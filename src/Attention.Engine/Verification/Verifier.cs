using System.Globalization;
using Attention.Models.Language;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>How far a model is from its recording.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="OutputError">Largest difference of an output sample, relative to the output's largest absolute value.</param>
/// <param name="FeatureError">The same over the intermediate features.</param>
/// <param name="GradientError">Largest relative difference of a gradient's norm, or of a sample relative to itself or the typical element.</param>
/// <param name="Parameters">Parameters of the model, shared ones once.</param>
/// <param name="Problems">What is wrong, one line each; none where the model agrees.</param>
public sealed record Verification(
    string Model, double OutputError, double FeatureError, double GradientError, long Parameters, IReadOnlyList<string> Problems)
{
    /// <summary>False where there was nothing to compare: no such model, or no recording of one.</summary>
    public bool IsCompared { get; init; } = true;

    public bool Agrees => Problems.Count == 0;

    /// <summary>The largest of the three errors.</summary>
    public double LargestError => Math.Max(OutputError, Math.Max(FeatureError, GradientError));
}

/// <summary>Compares a model of the registry with a recording of its reference: names, shapes, outputs, features, gradients.</summary>
public sealed partial class Verifier
{
    /// <summary>What outputs and features may differ by, relative to their largest absolute value.</summary>
    public const double OutputTolerance = 1e-4;

    /// <summary>What gradients may differ by, relative to their norm.</summary>
    public const double GradientTolerance = 1e-3;

    /// <summary>Where the reference's own rounding is larger, this many times of it.</summary>
    public const double NoiseFactor = 20;

    private readonly Recording recording;
    private readonly nn.Module model;
    private readonly Func<Tensor[], IReadOnlyList<Tensor>> call;
    private readonly Dictionary<string, Tensor> state;
    private readonly List<string> problems = [];
    private double outputError, featureError, gradientError;

    private Verifier(Recording recording, nn.Module model, Func<Tensor[], IReadOnlyList<Tensor>>? call = null)
    {
        this.recording = recording;
        this.model = model;
        this.call = call ?? (inputs => RecordedModel.Call(model, inputs));
        state = model.state_dict();
    }

    private long Parameters => model.parameters().Distinct<Tensor>(ReferenceEqualityComparer.Instance).Sum(p => p.numel());

    /// <summary>Builds the recording's model and compares it. What goes wrong is a problem of the result, never an exception.</summary>
    public static Verification Run(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        using var scope = NewDisposeScope();
        try
        {
            if (DenseRecording.IsOne(path))
                return DenseVerifier.Run(path);
            var recording = Recording.Load(path);
            if (RecordedModules.Name(recording) is { } part)
            {
                var (module, call) = RecordedModules.Build(recording);
                using (module)
                    return new Verifier(recording, module, call).Compare(part);
            }
            name = RecordedModel.Name(recording, path);
            using var model = RecordedModel.Build(name, recording);
            return new Verifier(recording, model).Compare(name);
        }
        catch (UserError error)
        {
            return new Verification(name, 0, 0, 0, 0, [error.Message]) { IsCompared = false };
        }
    }

    private Verification Compare(string name)
    {
        try
        {
            if (StateAgrees())
                CompareValues();
        }
        catch (Exception failure) when (failure is not (UserError or OperationCanceledException))
        {
            problems.Add($"it fails: {failure.Message.Split('\n')[0]} ({failure.GetType().Name})");
        }
        return new Verification(name, outputError, featureError, gradientError, Parameters, problems);
    }

    // --- names and shapes ------------------------------------------------------------------------

    private bool StateAgrees()
    {
        problems.AddRange(RecordedStates.Differences(recording.state, state));
        if (problems.Count == 0 && Parameters != recording.parameter_count)
            problems.Add($"{Parameters} parameters, the reference has {recording.parameter_count}");
        return problems.Count == 0;
    }

    // --- forward and backward --------------------------------------------------------------------

    private void CompareValues()
    {
        RecordedStates.Fill(recording.state, state, recording.gain);
        model.eval();
        var features = new FeatureWatch(model, recording.features.Select(feature => feature.name));
        var inputs = RecordedModel.Inputs(recording);
        foreach (var (recorded, input) in recording.inputs.Zip(inputs))
            input.requires_grad = recorded.grad;
        var outputs = call(inputs);
        if (outputs.Count != recording.outputs.Count)
        {
            problems.Add($"{outputs.Count} outputs, the reference has {recording.outputs.Count}");
            return;
        }
        foreach (var (expected, found) in recording.outputs.Zip(outputs))
            outputError = Math.Max(outputError, Difference(expected, found, outputs.Count == 1 ? "output" : $"output '{expected.name}'"));
        foreach (var feature in recording.features)
            if (features.Find(feature.name) is { } found)
                featureError = Math.Max(featureError, Difference(feature, found, $"feature '{feature.name}'"));
            else if (HasParameters(feature.name))
                problems.Add($"no module '{feature.name}' to compare a feature of");

        if (recording.decode is { } decoding && model is LanguageModel language)
            CompareDecoding(language, decoding);
        if (recording.backward is null)
            return;
        Loss(outputs).backward();
        foreach (var gradient in recording.backward.grads)
            if (state.TryGetValue(gradient.name, out var tensor))
                CompareGradient(gradient, tensor);
        foreach (var gradient in recording.backward.input_grads ?? [])
            CompareGradient(gradient, recording.inputs.Zip(inputs).First(each => each.First.name == gradient.name).Second);
    }

    // What a port writes as a function, such as an activation, has no module to watch; what has parameters must have one.
    private bool HasParameters(string feature) =>
        recording.state.Any(entry => entry.name.StartsWith(feature.Split('#')[0] + ".", StringComparison.Ordinal));

    private static Tensor Loss(IReadOnlyList<Tensor> outputs) => outputs
        .Select((output, i) => (output, probe: i == 0 ? "grad_probe" : $"grad_probe.{i}"))
        .Where(each => each.output.requires_grad)
        .Select(each => (each.output * FormulaFill.Probe(each.probe, each.output.shape)).sum() / each.output.numel())
        .Aggregate((sum, term) => sum + term);

    private double Difference(RecordedTensor expected, Tensor found, string what)
    {
        if (!found.shape.AsSpan().SequenceEqual(expected.shape) && !IsMapOf(found.shape, expected.shape) && !IsMapOf(expected.shape, found.shape))
        {
            problems.Add($"{what} is ({RecordedStates.Shape(found.shape)}), the reference has ({RecordedStates.Shape(expected.shape)})");
            return double.PositiveInfinity;
        }
        var samples = RecordedStates.At(found, expected.indices);
        double worst = samples.Zip(expected.samples, (a, b) => Math.Abs(a - b)).Max() / Math.Max(expected.max_abs, 1e-30);
        Judge(worst, Math.Max(OutputTolerance, NoiseFactor * expected.noise), what);
        return worst;
    }

    // A map (B, H, W, C) holds the tokens (B, H * W, C) in the same order.
    private static bool IsMapOf(long[] map, long[] tokens) =>
        map.Length == 4 && tokens.Length == 3 && map[0] == tokens[0] && map[1] * map[2] == tokens[1] && map[3] == tokens[2];

    private void CompareGradient(RecordedGradient expected, Tensor tensor)
    {
        if (!tensor.requires_grad)
        {
            problems.Add($"'{expected.name}' is no parameter, in the reference a gradient reaches it");
            return;
        }
        using var gradient = tensor.grad;
        if (RecordedStates.GradientProblem(expected, gradient) is { } problem)
            problems.Add(problem);
        if (RecordedStates.GradientError(expected, gradient) is not { } error)
            return;
        gradientError = Math.Max(gradientError, error);
        Judge(error, Math.Max(GradientTolerance, NoiseFactor * expected.noise), $"gradient of '{expected.name}'");
    }

    private void Judge(double error, double tolerance, string what)
    {
        if (!(error <= tolerance))
            problems.Add(string.Create(CultureInfo.InvariantCulture, $"{what} differs by {error:e2}, {tolerance:e0} is allowed"));
    }
}
