using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What is done to the result of a step; the twin of Activation in native/decode_kernels.h.</summary>
public enum DecodeActivation
{
    None,
    Gelu,
    GeluTanh,
    QuickGelu,
    Relu,
    Silu,
    Tanh,

    /// <summary>limit · tanh(x / limit)</summary>
    Softcap,
}

/// <summary>What the plain form of the steps computes with.</summary>
internal sealed record PlainCall(Tensor Memory, Tensor Tokens, long Position)
{
    public long Rows => Tokens.shape[0];
    public Tensor this[Slot slot] => slot.View(Memory, Rows);
}

/// <summary>
/// A step of a <see cref="DecodeProgram"/> on fp32 rows: data that can write itself down for the fused operator, and the same in
/// plain operators, on which that one is tested.
/// </summary>
internal abstract record DecodeStep
{
    /// <summary>Numbers of an encoded step.</summary>
    public const int Fields = 16;

    /// <summary>Its numbers, the kind first, in the order that native/decode.cpp reads them.</summary>
    public abstract void Encode(StepWriter writer);

    public abstract void Run(PlainCall call);

    internal static Tensor Activate(Tensor x, DecodeActivation activation, double number) => activation switch
    {
        DecodeActivation.None => x,
        DecodeActivation.Gelu => x.gelu(),
        DecodeActivation.GeluTanh => x.gelu(GELU.Approximate.tanh),
        DecodeActivation.QuickGelu => x * sigmoid(x * 1.702),
        DecodeActivation.Relu => x.relu(),
        DecodeActivation.Silu => x.silu(),
        DecodeActivation.Tanh => x.tanh(),
        DecodeActivation.Softcap => (x / number).tanh() * number,
        _ => throw new ArgumentOutOfRangeException(nameof(activation)),
    };
}

/// <summary>Rows of a table, times a factor, plus the row of the position.</summary>
internal sealed record EmbedStep(Slot Out, StoredMatrix Table, StoredMatrix? Positions, double Factor) : DecodeStep
{
    public override void Encode(StepWriter writer) => writer.Step(0).Slot(Out).Tensor(Table.Data).Tensor(Table.Scales).Tensor(Positions?.Data).Constant(Factor);

    public override void Run(PlainCall call)
    {
        var rows = Table.Plain().index_select(0, call.Tokens) * Factor;
        call[Out].copy_(Positions is null ? rows : rows + Positions.Plain()[call.Position]);
    }
}

/// <summary>Layer norm, or root-mean-square norm, of each group of channels.</summary>
internal sealed record NormStep(Slot X, Slot Out, long Groups, Tensor? Weight, Tensor? Bias, bool Rms, double Eps) : DecodeStep
{
    public override void Encode(StepWriter writer) =>
        writer.Step(1).Slot(X).Slot(Out).Number(Groups).Tensor(Weight).Tensor(Bias).Number(Rms ? 1 : 0).Constant(Eps);

    public override void Run(PlainCall call)
    {
        long width = X.Width / Groups;
        var x = call[X].reshape(call.Rows, Groups, width);
        var normal = Rms ? x * (x.square().mean([-1], keepdim: true) + Eps).rsqrt() : nn.functional.layer_norm(x, [width], eps: Eps);
        if (Weight is not null)
            normal = normal * Weight;
        if (Bias is not null)
            normal = normal + Bias;
        call[Out].copy_(normal.view(call.Rows, X.Width));
    }
}

/// <summary>activation(x Wᵀ + bias), plus an addend, which may be the result's own place.</summary>
internal sealed record LinearStep(Slot X, Slot Out, Slot? Addend, StoredMatrix Weight, Tensor? Bias, DecodeActivation Activation, double Number) : DecodeStep
{
    public override void Encode(StepWriter writer)
    {
        var numbers = writer.Step(2).Slot(X).Slot(Out);
        numbers = Addend is { } addend ? numbers.Number(addend.Offset).Number(addend.Start).Number(addend.Stride) : numbers.Number(-1).Number(0).Number(0);
        numbers.Tensor(Weight.Data).Tensor(Weight.Scales).Tensor(Bias).Constants((double)Activation, Number);
    }

    public override void Run(PlainCall call)
    {
        var result = Activate(nn.functional.linear(call[X], Weight.Plain(), Bias), Activation, Number);
        call[Out].copy_(Addend is { } addend ? result + call[addend] : result);
    }
}

/// <summary>activation(a) · b</summary>
internal sealed record GatedStep(Slot A, Slot B, Slot Out, DecodeActivation Activation) : DecodeStep
{
    public override void Encode(StepWriter writer) => writer.Step(3).Slot(A).Slot(B).Slot(Out).Number((long)Activation);

    public override void Run(PlainCall call) => call[Out].copy_(Activate(call[A], Activation, 0) * call[B]);
}

/// <summary>a + b</summary>
internal sealed record AddStep(Slot A, Slot B, Slot Out) : DecodeStep
{
    public override void Encode(StepWriter writer) => writer.Step(4).Slot(A).Slot(B).Slot(Out);

    public override void Run(PlainCall call) => call[Out].copy_(call[A] + call[B]);
}

/// <summary>Rotary positions, in place: channel i of a head turns with channel i + half by the angles (positions, half).</summary>
internal sealed record RotateStep(Slot X, long Heads, Tensor Cosines, Tensor Sines) : DecodeStep
{
    public override void Encode(StepWriter writer) => writer.Step(5).Slot(X).Number(Heads).Tensor(Cosines).Tensor(Sines);

    public override void Run(PlainCall call)
    {
        long half = Cosines.shape[1];
        var x = call[X].reshape(call.Rows, Heads, X.Width / Heads);
        var (a, b, rest) = (x.narrow(2, 0, half), x.narrow(2, half, half), x.narrow(2, 2 * half, x.shape[2] - 2 * half));
        var (cos, sin) = (Cosines[call.Position], Sines[call.Position]);
        call[X].copy_(cat([a * cos - b * sin, b * cos + a * sin, rest], 2).view(call.Rows, X.Width));
    }
}

/// <summary>Keys and values into a cache (rows, heads, room, d); when it is full, from its beginning again.</summary>
internal sealed record AppendStep(Slot Keys, Slot Values, Tensor KeyCache, Tensor ValueCache) : DecodeStep
{
    public override void Encode(StepWriter writer) => writer.Step(6).Slot(Keys).Slot(Values).Tensor(KeyCache).Tensor(ValueCache);

    public override void Run(PlainCall call)
    {
        Write(call[Keys], KeyCache);
        Write(call[Values], ValueCache);

        void Write(Tensor x, Tensor cache) =>
            cache.narrow(0, 0, call.Rows).select(2, call.Position % cache.shape[2]).copy_(x.reshape(call.Rows, cache.shape[1], cache.shape[3]));
    }
}

/// <summary>One query for each head against what a cache has of this and earlier tokens.</summary>
internal sealed record AttendStep(Slot Queries, Slot Out, long Heads, Tensor KeyCache, Tensor ValueCache, double Scale, double? Softcap) : DecodeStep
{
    public override void Encode(StepWriter writer) =>
        writer.Step(7).Slot(Queries).Slot(Out).Number(Heads).Tensor(KeyCache).Tensor(ValueCache).Constant(Scale).Constant(Softcap ?? 0);

    public override void Run(PlainCall call)
    {
        long seen = Math.Min(call.Position + 1, KeyCache.shape[2]);
        var q = call[Queries].reshape(call.Rows, Heads, 1, KeyCache.shape[3]);
        var (k, v) = (Seen(KeyCache), Seen(ValueCache));
        call[Out].copy_(ScaledDotProduct.AttendGrouped(q, k, v, null, Scale, Softcap).reshape(call.Rows, Out.Width));

        Tensor Seen(Tensor cache) => cache.narrow(0, 0, call.Rows).narrow(2, 0, seen).to(ScalarType.Float32);
    }
}

/// <summary>Collects the numbers of encoded steps, and the tensors and constants that they refer to.</summary>
internal sealed class StepWriter
{
    private readonly List<long> numbers = [];
    private readonly List<Tensor> tensors = [];
    private readonly List<double> constants = [];
    private readonly Dictionary<Tensor, int> places = new(ReferenceEqualityComparer.Instance);

    public Tensor[] AllTensors => [.. tensors];
    public double[] AllConstants => [.. constants];

    /// <summary>All numbers, steps filled up to their fixed length.</summary>
    public long[] Numbers()
    {
        FillUp();
        return [.. numbers];
    }

    public StepWriter Step(long kind)
    {
        FillUp();
        return Number(kind);
    }

    public StepWriter Number(long value)
    {
        numbers.Add(value);
        return this;
    }

    public StepWriter Slot(Slot slot) => Number(slot.Offset).Number(slot.Start).Number(slot.Stride).Number(slot.Width);

    public StepWriter Tensor(Tensor? tensor)
    {
        if (tensor is null)
            return Number(-1);
        if (!places.TryGetValue(tensor, out int place))
        {
            places[tensor] = place = tensors.Count;
            tensors.Add(tensor);
        }
        return Number(place);
    }

    public StepWriter Constant(double value) => Constants(value);

    public StepWriter Constants(params ReadOnlySpan<double> values)
    {
        Number(constants.Count);
        constants.AddRange(values);
        return this;
    }

    private void FillUp()
    {
        while (numbers.Count % DecodeStep.Fields != 0)
            numbers.Add(0);
    }
}
