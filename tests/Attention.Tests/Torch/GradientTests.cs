using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch;

/// <summary>
/// Every differentiable operator in fp32 against fp64 on contiguous copies: its result and the gradients of its inputs,
/// for inputs and incoming gradients in several layouts, called through TorchSharp's API and by name.
/// </summary>
public sealed class GradientTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    // Ways to lay out the same values. A tensor with fewer than two dimensions has only the last besides the first.
    private static readonly (string Name, Func<Tensor, Tensor> Apply)[] layouts =
    [
        ("contiguous", t => t.contiguous()),
        ("transposed", t => Permuted(t, Enumerable.Range(0, (int)t.ndim).Reverse().Select(d => (long)d).ToArray())),
        ("channels last", t => t.ndim < 3 ? t : Permuted(t, [0, .. Enumerable.Range(2, (int)t.ndim - 2).Select(d => (long)d), 1])),
        ("strided", t => t.ndim == 0 ? t : t.repeat_interleave(2, -1).slice(-1, 0, t.shape[^1] * 2, 2)),
    ];

    private static Tensor Permuted(Tensor t, long[] order)
    {
        var inverse = new long[order.Length];
        for (int i = 0; i < order.Length; i++)
            inverse[order[i]] = i;
        return t.permute(order).contiguous().permute(inverse);
    }

    public static TheoryData<string> Operators => new(GradientCases.All.Select(c => c.Name));

    [Theory]
    [MemberData(nameof(Operators))]
    public void AgreesWithDoubleOnContiguousCopies(string name)
    {
        var entry = GradientCases.All.Single(c => c.Name == name);
        manual_seed(17);
        var values = entry.Inputs.Select(input => input.Make()).ToArray();
        var reference = entry.ByName ?? entry.Run;
        var wide = values.Select(v => v.to_type(ScalarType.Float64).requires_grad_()).ToArray();
        var expected = reference(wide);
        var weights = randn(expected.shape);
        expected.backward([weights.to_type(ScalarType.Float64)]);
        Assert.Contains(wide, w => w.grad is { } g && g.abs().sum().item<double>() > 0);

        var runs = new List<(string Way, Func<Tensor[], Tensor> Run)> { ("TorchSharp", entry.Run) };
        if (entry.ByName is { } byName)
            runs.Add(("by name", byName));
        foreach (var (way, run) in runs)
            foreach (var (inputLayout, arrange) in layouts)
                foreach (var (gradientLayout, arrangeGradient) in layouts)
                {
                    using var inner = NewDisposeScope();
                    var inputs = values.Select(v => arrange(v).detach().requires_grad_()).ToArray();
                    var result = run(inputs);
                    var where = $"{way}, {inputLayout} input, {gradientLayout} gradient";
                    Assert.Equal(ScalarType.Float32, result.dtype);
                    Compare(expected, result, entry.Tolerance, $"{where}: result");
                    result.backward([arrangeGradient(weights)]);
                    for (int i = 0; i < inputs.Length; i++)
                        Compare(wide[i].grad, inputs[i].grad, entry.Tolerance, $"{where}: gradient of input {i}");
                }

        // A gradient without strides, as that of sum(): gradients of normalisations are sums that cancel.
        foreach (var w in wide)
            w.grad = null;
        reference(wide).sum().backward();
        var plain = values.Select(v => v.clone().requires_grad_()).ToArray();
        entry.Run(plain).sum().backward();
        for (int i = 0; i < plain.Length; i++)
            Compare(wide[i].grad, plain[i].grad, entry.Tolerance, $"expanded gradient: gradient of input {i}", floor: 1e-5);
    }

    private static void Compare(Tensor? expected, Tensor? actual, double tolerance, string where, double floor = 1e-7)
    {
        Assert.True((expected is null) == (actual is null), where);
        if (expected is null)
            return;
        Assert.Equal(expected.shape, actual!.shape);
        var wide = actual.detach().to_type(ScalarType.Float64);
        // Relative to the elements, and to their typical size where they cancel.
        var bound = (expected.abs() + expected.square().mean().sqrt()) * tolerance + floor;
        var error = (wide - expected).abs();
        Assert.True(error.le(bound).all().item<bool>(), $"{where}: off by {error.max().item<double>():g3}, largest {expected.abs().max().item<double>():g3}");
    }
}

/// <summary>Values for one input of an operator.</summary>
internal sealed record GradientInput(long[] Shape, Domain Domain)
{
    public Tensor Make() => Domain switch
    {
        Domain.Any => randn(Shape),
        Domain.Positive => rand(Shape) * 2 + 0.1,
        Domain.Unit => rand(Shape) * 0.9 + 0.05,
        Domain.Symmetric => rand(Shape) * 1.8 - 0.9,
        Domain.AboveOne => rand(Shape) + 1.1,
        Domain.Distinct => (randperm(Shape.Aggregate(1L, (a, b) => a * b)).to_type(ScalarType.Float32).reshape(Shape) * 0.01) - 1,
        Domain.PositiveDefinite => PositiveDefinite(),
        _ => throw new ArgumentOutOfRangeException(nameof(Domain)),
    };

    private Tensor PositiveDefinite()
    {
        var root = randn(Shape);
        return root.matmul(root.transpose(-2, -1)) * (1.0 / Shape[^1]) + eye(Shape[^1]);
    }
}

internal enum Domain
{
    Any,
    Positive,
    Unit,
    Symmetric,
    AboveOne,
    Distinct,
    PositiveDefinite,
}

/// <summary>An operator: how TorchSharp's API calls it, and how it is called by name where that is another way.</summary>
internal sealed record GradientCase(string Name, GradientInput[] Inputs, Func<Tensor[], Tensor> Run, Func<Tensor[], Tensor>? ByName = null, double Tolerance = 5e-5);
