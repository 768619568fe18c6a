using System.Runtime.InteropServices;
using Attention.Modules;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models.Language;

/// <summary>
/// Decoding of some sequences side by side: tokens in, the logits of what follows out. Single tokens go through one fused operator in
/// memory that was taken at the start, where the machine and the model allow it, and else, as longer portions do, through the
/// model's layers.
/// </summary>
public sealed class DecodingSession : IDisposable
{
    /// <summary>Beyond these sequences, libtorch's matrix products are as fast.</summary>
    public const int MostFusedRows = 8;

    private readonly LanguageModel model;
    private readonly DecodingCache cache;
    private readonly DecodeProgram? program;
    private readonly float[] logits = [];
    private readonly Device device;

    internal DecodingSession(LanguageModel model, int batch, long? capacity)
    {
        using var scope = NewDisposeScope();
        (this.model, Batch) = (model, batch);
        var weight = model.parameters().First();
        device = weight.device;
        cache = model.CreateCache(batch, Math.Min(capacity ?? long.MaxValue, model.max_position_embeddings));
        WhyPlain = !DecodeKernels.IsAvailable ? "the official TorchSharp package has no kernels for it"
            : device.type != DeviceType.CPU ? "it is for the CPU"
            : weight.dtype is not (ScalarType.Float32 or ScalarType.BFloat16) ? $"it is for fp32 and bf16, not {weight.dtype}"
            : batch > MostFusedRows ? $"it is for at most {MostFusedRows} sequences side by side"
            : null;
        if (WhyPlain is null)
        {
            program = model.WriteProgram(batch, cache, out var reason);
            WhyPlain = reason;
        }
        if (program is null)
            logits = new float[batch * model.vocab_size];
    }

    /// <summary>Sequences side by side.</summary>
    public int Batch { get; }

    /// <summary>Tokens so far, of each sequence.</summary>
    public long Length => cache.Length;

    /// <summary>Why single tokens go through the model's layers; null where the fused operator takes them.</summary>
    public string? WhyPlain { get; }

    /// <summary>Bytes of weights that a token reads in the fused operator; 0 without it.</summary>
    public long WeightBytes => program?.WeightBytes ?? 0;

    /// <summary>Takes in tokens (batch, T), the rows one after the other.</summary>
    /// <exception cref="UserError">There is no room for them.</exception>
    public void Feed(ReadOnlySpan<long> tokens)
    {
        if (program is not null && tokens.Length == Batch)
            program.Run(tokens);
        else
            Layers(tokens);
    }

    /// <summary>The logits after a sequence's last token, until the next are fed; the caller may change them.</summary>
    public Span<float> Logits(int row) => program is not null ? program.Logits(row) : logits.AsSpan(row * model.vocab_size, model.vocab_size);

    /// <summary>Forgets the tokens; the memory stays.</summary>
    public void Clear() => cache.Clear();

    private void Layers(ReadOnlySpan<long> tokens)
    {
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        var input = tensor(tokens.ToArray(), [Batch, tokens.Length / Batch]).to(device);
        var output = model.forward(input, cache).to(ScalarType.Float32).cpu().contiguous();
        var values = MemoryMarshal.Cast<byte, float>(output.bytes);
        for (int row = 0; row < Batch; row++)
            values.Slice(row * model.vocab_size, model.vocab_size).CopyTo(Logits(row));
    }

    public void Dispose()
    {
        program?.Dispose();
        cache.Dispose();
    }
}
