using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>Compares a detector, a segmenter or a part of one with a recording of its reference, stage by stage.</summary>
internal sealed class DenseVerifier
{
    private readonly DenseRecording recording;
    private readonly DenseSystem system;
    private readonly Dictionary<string, Tensor> state;
    private readonly List<string> problems = [];
    private double outputError, featureError, gradientError;

    private DenseVerifier(DenseRecording recording, DenseSystem system)
    {
        this.recording = recording;
        this.system = system;
        state = system.Model?.state_dict() ?? [];
    }

    /// <summary>Builds the recording's system and compares it. What goes wrong is a problem of the result.</summary>
    /// <exception cref="UserError">The recording cannot be read, or its system is not known.</exception>
    public static Verification Run(string path)
    {
        using var scope = NewDisposeScope();
        var recording = DenseRecording.Load(path);
        using var system = DenseSystems.Open(recording);
        return new DenseVerifier(recording, system).Compare(Path.GetFileNameWithoutExtension(path));
    }

    private Verification Compare(string name)
    {
        long parameters = system.Model?.parameters().Distinct<Tensor>(ReferenceEqualityComparer.Instance).Sum(p => p.numel()) ?? 0;
        try
        {
            problems.AddRange(RecordedStates.Differences(recording.state, state));
            if (problems.Count == 0 && recording.Find("parameter_count") is { } count && count.GetInt64() != parameters)
                problems.Add($"{parameters} parameters, the reference has {count}");
            if (problems.Count == 0)
                CompareValues();
        }
        catch (Exception failure) when (failure is not (UserError or OperationCanceledException))
        {
            problems.Add($"it fails: {failure.Message.Split('\n')[0]} ({failure.GetType().Name})");
        }
        return new Verification(name, outputError, featureError, gradientError, parameters, problems);
    }

    private void CompareValues()
    {
        RecordedStates.Fill(recording.state, state, recording.Number("gain", 1));
        system.Model?.eval();
        var features = system.Model is null ? null : new FeatureWatch(system.Model, recording.FeatureRows.Select(row => row.Path));
        var values = system.Compute();
        foreach (var row in recording.Rows)
            if (values.TryGetValue(row.Path, out var found))
                Compare(row, found, ref outputError);
            else if (!system.LeavesOut(row.Path))
                problems.Add($"nothing to compare with '{row.Path}'");
        var rows = recording.Rows.Select(row => row.Path).ToHashSet();
        foreach (var (path, found) in values)
            if (!rows.Contains(path) && recording.Find(path) is { } numbers)
                Compare(DenseRow.Plain(numbers, path, found.shape), found, ref outputError);
        foreach (var row in recording.FeatureRows)
            if ((values.GetValueOrDefault($"features.{row.Path}") ?? features?.Find(row.Path)) is { } found)
                Compare(row with { Path = $"feature '{row.Path}'" }, system.Feature(row.Path, found), ref featureError);
            else if (recording.state.Any(entry => entry.name.StartsWith(row.Path.Split('#')[0] + ".", StringComparison.Ordinal)))
                problems.Add($"no module '{row.Path}' to compare a feature of");
        foreach (var (path, list) in recording.GradientLists)
            foreach (var gradient in list)
                CompareGradient(gradient, system.Gradient(path, gradient.name));
    }

    private void Compare(DenseRow row, Tensor found, ref double worst)
    {
        using var scope = NewDisposeScope();
        if (!found.shape.AsSpan().SequenceEqual(row.Shape))
        {
            problems.Add($"{row.Path} is ({string.Join(", ", found.shape)}), the reference has ({string.Join(", ", row.Shape)})");
            worst = double.PositiveInfinity;
            return;
        }
        var flat = found.detach().to(ScalarType.Float64).reshape(-1);
        if (row.Values.Length != (row.Indices is null ? flat.numel() : row.Indices.Length))
        {
            problems.Add($"{row.Path} has {flat.numel()} numbers, the reference {row.Values.Length}");
            return;
        }
        var ours = (row.Indices is null ? flat : flat.index_select(0, tensor(row.Indices))).contiguous().data<double>().ToArray();
        double largest = Math.Max(row.Largest, 1e-30), error = 0;
        foreach (var (a, b) in ours.Zip(row.Values))
            if (!(a == b || double.IsNaN(a) && double.IsNaN(b)))
                error = Math.Max(error, double.IsNaN(a) || double.IsNaN(b) ? double.PositiveInfinity : Math.Abs(a - b) / largest);
        // Samples may miss what the norm of all does not.
        if (row.Indices is not null && row.Norm is { } norm)
            error = Math.Max(error, Math.Abs(flat.norm().item<double>() - norm) / Math.Max(norm, 1e-30));
        worst = Math.Max(worst, error);
        Judge(error, row.IsExact ? 0 : Math.Max(Verifier.OutputTolerance, Verifier.NoiseFactor * row.Noise), row.Path);
    }

    private void CompareGradient(RecordedGradient expected, Tensor? gradient)
    {
        if (RecordedStates.GradientProblem(expected, gradient) is { } problem)
            problems.Add(problem);
        if (RecordedStates.GradientError(expected, gradient) is not { } error)
            return;
        gradientError = Math.Max(gradientError, error);
        Judge(error, Math.Max(Verifier.GradientTolerance, Verifier.NoiseFactor * expected.noise), $"gradient of '{expected.name}'");
    }

    private void Judge(double error, double tolerance, string what)
    {
        if (!(error <= tolerance))
            problems.Add(string.Create(CultureInfo.InvariantCulture, $"{what} differs by {error:e2}, {tolerance:e0} is allowed"));
    }
}
