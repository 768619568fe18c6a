using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Optim;

/// <summary>The parameters and gradients of record.py, in any type and layout.</summary>
internal static class Trajectory
{
    public static Tensor[] Start(ScalarType dtype = ScalarType.Float64) =>
    [
        arange(6, dtype: ScalarType.Float64).sin().reshape(2, 3).to_type(dtype).requires_grad_(),
        arange(4, dtype: ScalarType.Float64).cos().to_type(dtype).requires_grad_(),
    ];

    public static void SetGradients(IEnumerable<Tensor> parameters, int step, double scale = 1)
    {
        foreach (var p in parameters)
        {
            var wave = (arange(p.numel(), dtype: ScalarType.Float64) * (step + 1)).cos().reshape(p.shape);
            p.grad = ((p.detach().to_type(ScalarType.Float64) * 0.3 + wave) * scale).to_type(p.dtype);
        }
    }

    public static double[] Values(IEnumerable<Tensor> parameters) =>
        parameters.SelectMany(p => p.detach().to_type(ScalarType.Float64).reshape(-1).data<double>().ToArray()).ToArray();

    public static void AssertClose(double[] expected, double[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * Math.Max(1, Math.Abs(expected[i])), $"element {i}: expected {expected[i]}, got {actual[i]}");
    }
}
