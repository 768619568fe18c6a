using TorchSharp.Modules;

namespace Attention.Modules;

/// <summary>A module that multiplies by a matrix, (..., in) to (..., out), and is no <see cref="Linear"/>.</summary>
public interface ILinearMap
{
    /// <summary>The matrix: (out, in), or (in, out) where <see cref="IsTransposed"/>.</summary>
    Parameter Weight { get; }

    /// <summary>Whether the matrix has a row for each input.</summary>
    bool IsTransposed { get; }
}
