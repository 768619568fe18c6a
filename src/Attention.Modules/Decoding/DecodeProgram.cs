using System.Runtime.InteropServices;
using Attention.Torch;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>Why a model's decoding steps cannot be written as a program.</summary>
public sealed class NotDecodableException(string reason) : Exception(reason);

/// <summary>
/// One token's way through a decoder for a fixed number of sequences, as a list of simple steps that a model writes once: embedding,
/// norms, linear layers, attention over caches. A run of it takes no memory. The fused operator runs it whole with fp32 activations,
/// reading weights as they are stored (fp32, bf16, int8); the plain form runs the steps one by one with libtorch's operators.
/// It is for inference on the CPU, and sees weights as they were when it was written.
/// </summary>
/// <param name="rows">Sequences side by side.</param>
/// <param name="cache">Their keys and values.</param>
/// <param name="weights">How matrices are stored.</param>
public sealed class DecodeProgram(int rows, DecodingCache cache, DecodingWeights weights) : IDisposable
{
    // Rows begin at 64 bytes.
    private const long Alignment = 16;

    private readonly List<DecodeStep> steps = [];
    private readonly List<KeyValueCache> caches = [];
    private readonly List<Tensor> owned = [];
    private readonly Dictionary<RotaryEmbedding, (Tensor Cosines, Tensor Sines)> angles = [];
    private long used, most;

    private Tensor[] tensors = [];
    private Tensor? memory, numbers, constants, tokens;
    private Slot logits;

    /// <summary>Sequences side by side.</summary>
    public int Rows { get; } = rows;

    /// <summary>Bytes of matrices that a step reads, tables of embeddings not counted.</summary>
    public long WeightBytes { get; private set; }

    // --- writing ---------------------------------------------------------------------------------

    /// <summary>The cache of the attention with this number.</summary>
    /// <exception cref="NotDecodableException">It is of another kind.</exception>
    public KeyValueCache CacheOf(int layer) => cache.Layer(layer) as KeyValueCache
        ?? throw new NotDecodableException($"layer {layer}'s attention keeps something else than keys and values");

    /// <summary>Ends what is written where it began: slots made meanwhile are free for others.</summary>
    public void Layer(Action write)
    {
        long before = used;
        write();
        used = before;
    }

    /// <summary>Rows of a table (vocabulary, C), times a factor, plus the position's row of another.</summary>
    public Slot Embed(Parameter table, Parameter? positions = null, double factor = 1)
    {
        var stored = weights.Of(table);
        var place = positions is null ? null : Keep(new StoredMatrix(positions.detach().contiguous(), null, positions.shape[1]));
        return Put(stored.Channels, to => new EmbedStep(to, Keep(stored), place, factor));
    }

    /// <summary>What a LayerNorm gives.</summary>
    public Slot Norm(Slot x, LayerNorm norm) =>
        Put(x.Width, to => new NormStep(x, to, 1, Vector(norm.weight), Vector(norm.bias), false, norm.eps));

    /// <summary>x / sqrt(mean(x²) + eps) · (weight + offset) of each of <paramref name="groups"/> groups of channels.</summary>
    public Slot RmsNorm(Slot x, Tensor weight, double eps, double offset = 0, long groups = 1) =>
        Put(x.Width, to => new NormStep(x, to, groups, Vector(weight, offset), null, true, eps));

    /// <summary>activation(x Wᵀ + bias), added to <paramref name="to"/> where that is given.</summary>
    /// <param name="x">(rows, inputs)</param>
    /// <param name="weight">(outputs, inputs)</param>
    /// <param name="bias">(outputs), or null.</param>
    /// <param name="transposed">The weight is (inputs, outputs).</param>
    /// <param name="to">(rows, outputs), which the result is added to; null for a slot of its own.</param>
    /// <param name="activation">What is done to the result.</param>
    /// <param name="number">The activation's number, where it has one.</param>
    public Slot Linear(Slot x, Parameter weight, Parameter? bias = null, bool transposed = false, Slot? to = null,
        DecodeActivation activation = DecodeActivation.None, double number = 0)
    {
        var stored = Keep(weights.Of(weight, transposed));
        WeightBytes += stored.Bytes;
        LinearStep Step(Slot place) => new(x, place, to, stored, Vector(bias), activation, number);
        return to is { } sum ? Put(sum, Step(sum)) : Put(stored.Rows, Step);
    }

    /// <inheritdoc cref="Linear(Slot, Parameter, Parameter?, bool, Slot?, DecodeActivation, double)"/>
    /// <exception cref="NotDecodableException">The layer has something of its own, such as an adapter of LoRA.</exception>
    public Slot Linear(Slot x, Linear layer, Slot? to = null, DecodeActivation activation = DecodeActivation.None) =>
        layer.children().Any() ? throw new NotDecodableException("a linear layer has an adapter")
        : Linear(x, layer.weight, layer.bias, false, to, activation);

    /// <summary>activation(a) · b</summary>
    public Slot Gated(Slot a, Slot b, DecodeActivation activation) => Put(a.Width, to => new GatedStep(a, b, to, activation));

    /// <summary>Adds to a slot.</summary>
    public void Add(Slot to, Slot x) => Put(to, new AddStep(to, x, to));

    /// <summary>Turns the heads of a slot to their position, in place.</summary>
    public void Rotate(Slot x, long heads, RotaryEmbedding rotary)
    {
        if (!angles.TryGetValue(rotary, out var tables))
        {
            tables = rotary.Tables(cache.Capacity);
            Keep(tables.Cosines);
            Keep(tables.Sines);
            angles[rotary] = tables;
        }
        Put(x, new RotateStep(x, heads, tables.Cosines, tables.Sines));
    }

    /// <summary>Keys and values into a cache, and its attention for the queries.</summary>
    public Slot Attend(Slot queries, Slot keys, Slot values, long heads, KeyValueCache into, double scale, double? softcap = null)
    {
        caches.Add(into);
        steps.Add(new AppendStep(keys, values, into.Keys, into.Values));
        return Put(queries.Width, to => new AttendStep(queries, to, heads, into.Keys, into.Values, scale, softcap));
    }

    /// <summary>The activation of this name.</summary>
    /// <exception cref="NotDecodableException">There is no step for it.</exception>
    public static DecodeActivation Activation(string name) => name switch
    {
        "gelu" => DecodeActivation.Gelu,
        "gelu_tanh" => DecodeActivation.GeluTanh,
        "quick_gelu" => DecodeActivation.QuickGelu,
        "relu" => DecodeActivation.Relu,
        "silu" => DecodeActivation.Silu,
        "tanh" => DecodeActivation.Tanh,
        _ => throw new NotDecodableException($"there is no decoding step for {name}"),
    };

    private Slot Put(long width, Func<Slot, DecodeStep> step)
    {
        long stride = (width + Alignment - 1) / Alignment * Alignment;
        var slot = new Slot(used, 0, stride, width);
        used += Rows * stride;
        most = Math.Max(most, used);
        return Put(slot, step(slot));
    }

    private Slot Put(Slot slot, DecodeStep step)
    {
        steps.Add(step);
        return slot;
    }

    private Tensor? Vector(Tensor? parameter, double offset = 0)
    {
        if (parameter is null)
            return null;
        using var scope = NewDisposeScope();
        return Keep(scope.MoveToOuter((parameter.detach().to(ScalarType.Float32) + offset).contiguous()));
    }

    private Tensor Keep(Tensor tensor)
    {
        owned.Add(tensor.DetachFromDisposeScope());
        return tensor;
    }

    // Packed matrices belong to the weights.
    private StoredMatrix Keep(StoredMatrix matrix)
    {
        if (matrix.Scales is null)
            Keep(matrix.Data);
        return matrix;
    }

    /// <summary>Ends the writing: where the logits (rows, vocabulary) are.</summary>
    public void End(Slot result)
    {
        using var scope = NewDisposeScope();
        logits = result;
        var writer = new StepWriter();
        foreach (var step in steps)
            step.Encode(writer);
        tensors = writer.AllTensors;
        numbers = Keep(tensor(writer.Numbers()).view(-1, DecodeStep.Fields));
        constants = Keep(tensor(writer.AllConstants));
        memory = Keep(zeros(most, ScalarType.Float32));
        tokens = Keep(zeros(Rows, ScalarType.Int64));
        DecodeKernels.UseLargePages(tensors);
    }

    // --- running ---------------------------------------------------------------------------------

    /// <summary>Takes in the next token of each sequence, and leaves the logits of what follows.</summary>
    /// <param name="next">One for each row.</param>
    /// <param name="plain">By libtorch's operators, one after the other.</param>
    /// <exception cref="UserError">The cache is full.</exception>
    public void Run(ReadOnlySpan<long> next, bool plain = false)
    {
        if (next.Length != Rows)
            throw new ArgumentException($"{next.Length} tokens for {Rows} rows");
        cache.Reserve(1);
        next.CopyTo(MemoryMarshal.Cast<byte, long>(tokens!.bytes));
        if (plain)
            RunPlain();
        else
            DecodeKernels.Step(tensors, memory!, numbers!, constants!, tokens, cache.Length);
        foreach (var each in caches)
            each.Advance();
        cache.Advance(1);
    }

    private void RunPlain()
    {
        using var mode = no_grad();
        foreach (var step in steps)
        {
            using var scope = NewDisposeScope();
            step.Run(new PlainCall(memory!, tokens!, cache.Length));
        }
    }

    /// <summary>The logits of a row, until the next run; the caller may change them.</summary>
    public Span<float> Logits(int row) =>
        MemoryMarshal.Cast<byte, float>(memory!.bytes).Slice((int)(logits.Offset + logits.Start + row * logits.Stride), (int)logits.Width);

    public void Dispose()
    {
        foreach (var tensor in owned)
            tensor.Dispose();
    }
}
