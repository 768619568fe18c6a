using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>A matrix (rows, channels) as decoding reads it.</summary>
/// <param name="Data">fp32 or bf16 as it is; int8 packed: see <see cref="Int8Matrix"/>.</param>
/// <param name="Scales">Of int8 rows, (rows); else null.</param>
/// <param name="Channels">Of a row.</param>
public sealed record StoredMatrix(Tensor Data, Tensor? Scales, long Channels)
{
    /// <summary>Rows of the matrix.</summary>
    public long Rows => Data.shape[0];

    /// <summary>Bytes that are read when all of it is used once.</summary>
    public long Bytes => Data.numel() * Data.element_size() + (Scales?.numel() ?? 0) * sizeof(float);

    /// <summary>The matrix in fp32.</summary>
    public Tensor Plain() => Scales is null ? Data.to(ScalarType.Float32) : Int8Matrix.Unpack(Data, Channels) * Scales.unsqueeze(1);
}

/// <summary>
/// Weights of 8 bits: each row is whole numbers of -127 to 127 times a scale of its own. Rows are padded to 64 channels; of these,
/// channel 16 j + i stands at 4 i + j, as native/decode_kernels.h wants it.
/// </summary>
public static class Int8Matrix
{
    private const long Block = 64, Lanes = 16;

    /// <summary>Rounds a matrix (rows, channels).</summary>
    public static StoredMatrix Round(Tensor matrix)
    {
        using var scope = NewDisposeScope();
        var wide = matrix.detach().to(ScalarType.Float32);
        var largest = wide.abs().amax([1], keepdim: true);
        var scales = where(largest.eq(0), ones_like(largest), largest / 127);
        var whole = (wide / scales).round().clamp(-127, 127).to(ScalarType.Int8);
        var (data, flat) = (Pack(whole), scales.flatten().contiguous());
        scope.MoveToOuter(data);
        scope.MoveToOuter(flat);
        return new StoredMatrix(data, flat, matrix.shape[1]);
    }

    private static Tensor Pack(Tensor whole)
    {
        long rows = whole.shape[0], channels = whole.shape[1], padded = (channels + Block - 1) / Block * Block;
        var filled = zeros([rows, padded], ScalarType.Int8, whole.device);
        filled.narrow(1, 0, channels).copy_(whole);
        return filled.view(rows, padded / Block, Block / Lanes, Lanes).transpose(2, 3).reshape(rows, padded);
    }

    /// <summary>The whole numbers in their order, in fp32.</summary>
    internal static Tensor Unpack(Tensor data, long channels)
    {
        long rows = data.shape[0], padded = data.shape[1];
        return data.view(rows, padded / Block, Lanes, Block / Lanes).transpose(2, 3).reshape(rows, padded).narrow(1, 0, channels).to(ScalarType.Float32);
    }
}

/// <summary>A model's large matrices for decoding: its parameters themselves, or 8-bit copies of them, made once.</summary>
public sealed class DecodingWeights : IDisposable
{
    private readonly Dictionary<Parameter, StoredMatrix> rounded = new(ReferenceEqualityComparer.Instance);

    /// <summary>Whether matrices are rounded to 8 bits. Parameters are then given the rounded values too.</summary>
    public bool IsInt8 { get; init; }

    /// <summary>A parameter as a matrix (outputs, inputs).</summary>
    /// <param name="parameter">(outputs, inputs).</param>
    /// <param name="transposed">It is (inputs, outputs); its memory is laid out anew, its shape stays.</param>
    public StoredMatrix Of(Parameter parameter, bool transposed = false)
    {
        using var _ = no_grad();
        if (!IsInt8)
        {
            if (transposed && !parameter.t().is_contiguous())
                parameter.set_(parameter.t().contiguous().t());
            var matrix = (transposed ? parameter.t() : parameter).detach();
            return new StoredMatrix(matrix.is_contiguous() ? matrix : matrix.contiguous(), null, matrix.shape[1]);
        }
        if (!rounded.TryGetValue(parameter, out var stored))
        {
            using var scope = NewDisposeScope();
            stored = Int8Matrix.Round(transposed ? parameter.t() : parameter);
            stored.Data.DetachFromDisposeScope();
            stored.Scales!.DetachFromDisposeScope();
            var plain = stored.Plain();
            parameter.copy_(transposed ? plain.t() : plain);
            rounded[parameter] = stored;
        }
        return stored;
    }

    public void Dispose()
    {
        foreach (var (data, scales, _) in rounded.Values)
        {
            data.Dispose();
            scales!.Dispose();
        }
        rounded.Clear();
    }
}
