using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Nn;

/// <summary>Every layer and loss beside PyTorch's: names of its state, outputs, and gradients of inputs and parameters.</summary>
public sealed class LayerTests : IDisposable
{
    private static readonly JsonElement reference = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Torch", "Nn", "reference.json"))).RootElement;

    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        LayerCases.Type = ScalarType.Float64;
        scope.Dispose();
    }

    public static TheoryData<string> Names => [.. reference.EnumerateObject().Select(entry => entry.Name)];

    [Fact]
    public void EveryCaseHasItsReference() =>
        Assert.Equal(LayerCases.All.Keys.Order(StringComparer.Ordinal), reference.EnumerateObject().Select(entry => entry.Name).Order(StringComparer.Ordinal));

    [Theory, MemberData(nameof(Names))]
    public void MatchesPyTorch(string name)
    {
        var expected = reference.GetProperty(name);
        var run = Run(name, ScalarType.Float64);

        Assert.Equal(expected.GetProperty("state").EnumerateArray().Select(key => key.GetString()), run.State);
        var outputs = expected.GetProperty("outputs").EnumerateArray().ToList();
        Assert.Equal(outputs.Count, run.Outputs.Length);
        foreach (var (output, y) in outputs.Zip(run.Outputs))
        {
            Assert.Equal(Longs(output.GetProperty("shape")), y.shape);
            var first = output.GetProperty("first").EnumerateArray().Select(value => value.GetDouble()).ToArray();
            using var flat = y.detach().reshape(-1);
            for (int i = 0; i < first.Length; i++)
                Near(first[i], flat[i].ToDouble());
            Near(output.GetProperty("sum").GetDouble(), Sum(y, 200));
        }
        foreach (var (sum, x) in expected.GetProperty("inputs").EnumerateArray().Zip(run.Inputs))
            NearGradient(sum, x);
        var parameters = expected.GetProperty("parameters").EnumerateObject().ToList();
        Assert.Equal(parameters.Select(entry => entry.Name), run.Parameters.Select(entry => entry.Name));
        foreach (var (entry, (_, parameter)) in parameters.Zip(run.Parameters))
        {
            Assert.Equal(Longs(entry.Value.GetProperty("shape")), parameter.shape);
            NearGradient(entry.Value.GetProperty("sum"), parameter);
        }
    }

    /// <summary>In single precision and with gradients that are not contiguous, or inputs neither, the same comes out.</summary>
    [Theory, MemberData(nameof(Names))]
    public void StridesAndPrecisionDoNotMatter(string name)
    {
        var exact = Run(name, ScalarType.Float64);
        Same(exact, Run(name, ScalarType.Float32, stridedGradients: true));
        Same(exact, Run(name, ScalarType.Float32, stridedInputs: true, stridedGradients: true));
    }

    private static void Same(Result exact, Result single)
    {
        foreach (var (a, b) in exact.Outputs.Zip(single.Outputs))
            Close(a, b);
        foreach (var (a, b) in exact.Inputs.Concat(exact.Parameters.Select(p => p.Tensor)).Zip(single.Inputs.Concat(single.Parameters.Select(p => p.Tensor))))
        {
            Assert.Equal(a.grad is null, b.grad is null);
            if (a.grad is { } gradient)
                Close(gradient, b.grad!);
        }
    }

    private sealed record Result(List<string> State, Tensor[] Outputs, Tensor[] Inputs, List<(string Name, Tensor Tensor)> Parameters);

    private static Result Run(string name, ScalarType type, bool stridedInputs = false, bool stridedGradients = false)
    {
        LayerCases.Type = type;
        manual_seed(1);
        var (make, call, shapes) = LayerCases.All[name];
        var module = make();
        module?.to(type);
        var parameters = (module?.named_parameters() ?? []).OrderBy(entry => entry.name, StringComparer.Ordinal).Select(entry => (entry.name, (Tensor)entry.parameter)).ToList();
        using (no_grad())
            for (int i = 0; i < parameters.Count; i++)
                parameters[i].Item2.copy_(Fill(parameters[i].Item2.shape, 1 + i));
        var inputs = shapes.Select((shape, i) => Laid(Fill(shape, 10 + i).to(type), stridedInputs).detach().requires_grad_()).ToArray();

        var outputs = call(module, inputs);
        var traced = outputs.Select((y, i) => (y, weight: Laid(Fill(y.shape, 100 + i).to(type), stridedGradients))).Where(pair => pair.y.requires_grad).ToList();
        if (traced.Count > 0)
            autograd.backward(traced.Select(pair => pair.y).ToList(), traced.Select(pair => pair.weight).ToList());
        return new([.. module?.state_dict().Keys ?? Enumerable.Empty<string>()], outputs, inputs, parameters);
    }

    // The same values, with the dimensions in the opposite order in memory.
    private static Tensor Laid(Tensor x, bool strided)
    {
        if (!strided || x.ndim < 2)
            return x;
        var reversed = Enumerable.Range(0, (int)x.ndim).Reverse().Select(i => (long)i).ToArray();
        return x.permute(reversed).contiguous().permute(reversed);
    }

    private static Tensor Fill(long[] shape, double seed)
    {
        long count = shape.Aggregate(1L, (product, size) => product * size);
        return (arange(count, ScalarType.Float64) * 0.7 + seed).sin().reshape(shape);
    }

    private static double Sum(Tensor x, double seed) => (x.detach() * Fill(x.shape, seed)).sum().ToDouble();

    private static long[] Longs(JsonElement list) => list.EnumerateArray().Select(value => value.GetInt64()).ToArray();

    private static void Near(double expected, double actual) =>
        Assert.True(Math.Abs(expected - actual) <= 1e-9 * Math.Max(1, Math.Abs(expected)), $"expected {expected:R}, got {actual:R}");

    private static void NearGradient(JsonElement sum, Tensor x)
    {
        using var gradient = x.grad;
        Assert.Equal(sum.ValueKind == JsonValueKind.Null, gradient is null);
        if (gradient is not null)
            Near(sum.GetDouble(), Sum(gradient, 300));
    }

    private static void Close(Tensor exact, Tensor single)
    {
        double scale = Math.Max(1, exact.detach().abs().max().ToDouble());
        double error = (exact.detach() - single.detach()).abs().max().ToDouble();
        Assert.True(error <= 2e-5 * scale, $"off by {error}");
    }
}
