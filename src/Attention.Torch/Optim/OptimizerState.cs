using static TorchSharp.torch;

namespace TorchSharp.Modules;

/// <summary>What an optimizer keeps for one parameter.</summary>
public abstract class OptimizerState
{
    protected Parameter _parameter;

    protected OptimizerState(Parameter parameter) => _parameter = parameter;

    /// <summary>Sets the state to that before the first step.</summary>
    public abstract void Initialize(OptimizerOptions options);
    public abstract void SaveStateDict(BinaryWriter writer);
    public abstract void LoadStateDict(BinaryReader reader);
    public abstract void LoadStateDict(OptimizerState source);

    /// <summary>Hands every field to the visitor, in the order of the saved format.</summary>
    private protected abstract void Visit(Visitor visitor);

    /// <summary>Whether the other is a state of the same kind with nearly the same values.</summary>
    public virtual bool ApproximatelyEquals(OptimizerState other) =>
        other.GetType() == GetType() && Values().Zip(other.Values()).All(pair => (pair.First, pair.Second) switch
        {
            (Tensor a, Tensor b) => a.allclose(b),
            var (a, b) => Equals(a, b),
        });

    public virtual void to(Device device) => Visit(new Mover(device));

    protected static void SaveConditionalStateTensor(BinaryWriter writer, Tensor tensor)
    {
        writer.Write(tensor is not null);
        tensor?.Save(writer);
    }

    protected static void LoadConditionalStateTensor(BinaryReader reader, ref Tensor result, Device device)
    {
        var old = result;
        result = null!;
        if (reader.ReadBoolean())
        {
            result = TensorExtensionMethods.Load(reader).to(device, disposeAfter: true).DetachFromDisposeScope();
        }
        old?.Dispose();
    }

    private protected void Save(BinaryWriter writer) => Visit(new Writer(writer));
    private protected void Load(BinaryReader reader) => Visit(new Reader(reader, _parameter.device));
    private protected void CopyFrom(OptimizerState source) => Visit(new Assigner(source.Values(), _parameter.device));

    /// <summary>Zeros, or another value, in the parameter's shape, in no dispose scope.</summary>
    private protected Tensor Filled(double value = 0) => full_like(_parameter, value).DetachFromDisposeScope();

    internal void DisposeTensors() => Visit(new Disposer());

    private List<object?> Values()
    {
        var collector = new Collector();
        Visit(collector);
        return collector.values;
    }

    private protected abstract class Visitor
    {
        public abstract void Count(ref long value);
        public abstract void Number(ref double value);
        public abstract void Required(ref Tensor tensor);

        /// <summary>A tensor that may be null.</summary>
        public abstract void Optional(ref Tensor tensor);
    }

    private abstract class TensorVisitor : Visitor
    {
        protected abstract void Change(ref Tensor tensor);

        public override void Count(ref long value)
        {
        }

        public override void Number(ref double value)
        {
        }

        public override void Required(ref Tensor tensor) => Change(ref tensor);

        public override void Optional(ref Tensor tensor)
        {
            if (tensor is not null)
                Change(ref tensor);
        }
    }

    private sealed class Mover(Device device) : TensorVisitor
    {
        protected override void Change(ref Tensor tensor) => tensor = tensor.to(device, disposeAfter: true).DetachFromDisposeScope();
    }

    private sealed class Disposer : TensorVisitor
    {
        protected override void Change(ref Tensor tensor)
        {
            tensor.Dispose();
            tensor = null!;
        }

        public override void Required(ref Tensor tensor) => Optional(ref tensor);
    }

    private sealed class Writer(BinaryWriter writer) : Visitor
    {
        public override void Count(ref long value) => writer.Write(value);
        public override void Number(ref double value) => writer.Write(value);
        public override void Required(ref Tensor tensor) => tensor.Save(writer);
        public override void Optional(ref Tensor tensor) => SaveConditionalStateTensor(writer, tensor);
    }

    private sealed class Reader(BinaryReader reader, Device device) : Visitor
    {
        public override void Count(ref long value) => value = reader.ReadInt64();
        public override void Number(ref double value) => value = reader.ReadDouble();
        public override void Required(ref Tensor tensor) => tensor.Load(reader);
        public override void Optional(ref Tensor tensor) => LoadConditionalStateTensor(reader, ref tensor, device);
    }

    private sealed class Collector : Visitor
    {
        public readonly List<object?> values = [];
        public override void Count(ref long value) => values.Add(value);
        public override void Number(ref double value) => values.Add(value);
        public override void Required(ref Tensor tensor) => values.Add(tensor);
        public override void Optional(ref Tensor tensor) => values.Add(tensor);
    }

    private sealed class Assigner(List<object?> values, Device device) : Visitor
    {
        private int next;

        public override void Count(ref long value) => value = (long)values[next++]!;
        public override void Number(ref double value) => value = (double)values[next++]!;
        public override void Required(ref Tensor tensor) => Optional(ref tensor);

        public override void Optional(ref Tensor tensor)
        {
            var source = (Tensor?)values[next++];
            var copy = source?.to(device, copy: true).DetachFromDisposeScope();
            tensor?.Dispose();
            tensor = copy!;
        }
    }
}
