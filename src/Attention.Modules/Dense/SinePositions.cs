using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules.Dense;

/// <summary>Positions as sines and cosines of several wavelengths, as DETR and its followers have them.</summary>
public static class SinePositions
{
    private const double Epsilon = 1e-6;

    /// <summary>Of each place of a map that may be padded, (B, C, H, W): half of the channels tell y, the others x.</summary>
    /// <param name="inside">(B, H, W), true where a place belongs to the image and is no padding.</param>
    /// <param name="channels">C, a multiple of four.</param>
    /// <param name="temperature">The longest wavelength over the shortest, of y and of x.</param>
    /// <param name="shift">Added to a place's number, which counts from 1: -0.5 for its centre.</param>
    public static Tensor OfMap(Tensor inside, long channels, (double Y, double X) temperature, double shift = 0)
    {
        using var scope = NewDisposeScope();
        Tensor Along(int dim, double longest)
        {
            var count = inside.to(ScalarType.Float32).cumsum(dim);
            var place = (count + shift) / (count.narrow(dim, count.shape[dim] - 1, 1) + Epsilon) * (2 * Math.PI);
            return Waves(place, channels / 2, longest);
        }
        return scope.MoveToOuter(cat([Along(1, temperature.Y), Along(2, temperature.X)], -1).permute(0, 3, 1, 2));
    }

    /// <summary>Of numbers from 0 to 1, (..., K) to (..., K * channels): of each its waves, in the order given.</summary>
    /// <param name="numbers">Such as the centre and the size of a box.</param>
    /// <param name="channels">Of each number.</param>
    /// <param name="temperature">The longest wavelength over the shortest.</param>
    public static Tensor OfNumbers(Tensor numbers, long channels, double temperature = 10000)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Waves(numbers * (2 * Math.PI), channels, temperature).flatten(-2));
    }

    /// <summary>Of points (..., 2) as x and y from 0 to 1: (..., C), y before x.</summary>
    public static Tensor OfPoints(Tensor points, long channels, double temperature = 10000)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(OfNumbers(points.flip(-1), channels / 2, temperature));
    }

    // (...) to (..., channels): sine and cosine of each wavelength side by side.
    private static Tensor Waves(Tensor angles, long channels, double temperature)
    {
        var pair = arange(channels, dtype: ScalarType.Float32, device: angles.device).div(2, RoundingMode.floor);
        var wavelengths = tensor((float)temperature, device: angles.device).pow(2 * pair / channels);
        var scaled = (angles.unsqueeze(-1) / wavelengths).unflatten(-1, channels / 2, 2);
        return stack([scaled.select(-1, 0).sin(), scaled.select(-1, 1).cos()], -1).flatten(-2);
    }
}
