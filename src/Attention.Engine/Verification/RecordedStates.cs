using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>A model's parameters and buffers beside the recorded ones.</summary>
internal static class RecordedStates
{
    /// <summary>What differs in names and shapes, a line each.</summary>
    public static IEnumerable<string> Differences(IReadOnlyList<RecordedState> recorded, IReadOnlyDictionary<string, Tensor> state)
    {
        var expected = recorded.ToDictionary(entry => entry.name);
        // A tied tensor may be there once only.
        foreach (var name in expected.Keys.Except(state.Keys).Where(name => expected[name].alias_of is null))
            yield return $"missing '{name}' ({Shape(expected[name].shape)})";
        foreach (var name in state.Keys.Except(expected.Keys))
            yield return $"unexpected '{name}' ({Shape(state[name].shape)})";
        foreach (var (name, tensor) in state)
            if (expected.TryGetValue(name, out var entry) && !entry.shape.AsSpan().SequenceEqual(tensor.shape))
                yield return $"'{name}' is ({Shape(tensor.shape)}), the reference has ({Shape(entry.shape)})";
    }

    /// <summary>Fills a model as the reference was filled.</summary>
    public static void Fill(IReadOnlyList<RecordedState> recorded, IReadOnlyDictionary<string, Tensor> state, double gain)
    {
        using var _ = no_grad();
        var gains = recorded.ToDictionary(entry => entry.name, entry => entry.gain);
        foreach (var entry in recorded)
        {
            if (entry.fill == "computed" || !state.TryGetValue(entry.name, out var own))
                continue;
            var source = entry.alias_of ?? entry.name;
            using var values = FormulaFill.Parameter(source, entry.shape, entry.fill, gains[source] ?? gain);
            own.copy_(values);
        }
    }

    /// <summary>Where a gradient is that should not be, or the other way round.</summary>
    public static string? GradientProblem(RecordedGradient expected, Tensor? gradient) => expected.l2 switch
    {
        null when gradient is not null && gradient.abs().max().item<float>() != 0 => $"a gradient reaches '{expected.name}', in the reference none does",
        not null when gradient is null && !expected.zero => $"no gradient reaches '{expected.name}'",
        _ => null,
    };

    /// <summary>The largest difference of a gradient's norm, or of a sample; null where there is nothing to compare.</summary>
    public static double? GradientError(RecordedGradient expected, Tensor? gradient)
    {
        if (expected.l2 is not { } norm || expected.zero || gradient is null)
            return null;
        double typical = norm / Math.Sqrt(gradient.numel());
        double error = Math.Abs(gradient.norm().item<float>() - norm) / norm;
        var indices = Enumerable.Range(0, expected.samples!.Length).Select(k => k * expected.stride % gradient.numel()).ToArray();
        // A sample is measured by the typical element, or by itself where it is larger: the norm of all would hide anything.
        foreach (var (a, b) in At(gradient, indices).Zip(expected.samples))
            error = Math.Max(error, Math.Abs(a - b) / Math.Max(Math.Abs(b), typical));
        return error;
    }

    /// <summary>Elements at flat row-major positions.</summary>
    public static double[] At(Tensor tensor, long[] indices)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().contiguous().view(-1).index_select(0, torch.tensor(indices)).to(ScalarType.Float64).data<double>().ToArray();
    }

    internal static string Shape(long[] shape) => string.Join(", ", shape);
}
