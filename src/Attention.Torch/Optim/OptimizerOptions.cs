namespace TorchSharp.Modules;

/// <summary>The hyperparameters of a parameter group. What is null comes from the optimizer.</summary>
public class OptimizerOptions
{
    public double? LearningRate { get; set; }
    public double InitialLearningRate { get; set; }

    /// <summary>Hands every further field to the visitor, in the order of the saved format.</summary>
    private protected virtual void Visit(Visitor visitor)
    {
    }

    public virtual void SaveStateDict(BinaryWriter writer)
    {
        writer.Write(InitialLearningRate);
        writer.Write(LearningRate!.Value);
        Visit(new Writer(writer));
    }

    public virtual void LoadStateDict(BinaryReader reader)
    {
        InitialLearningRate = reader.ReadDouble();
        LearningRate = reader.ReadDouble();
        Visit(new Reader(reader));
    }

    public virtual void LoadStateDict(OptimizerOptions source)
    {
        InitialLearningRate = source.InitialLearningRate;
        LearningRate = source.LearningRate;
        Visit(new Assigner(source.Values(), onlyMissing: false));
    }

    /// <summary>Sets what is null to the other's value.</summary>
    internal void TakeMissing(OptimizerOptions defaults)
    {
        LearningRate ??= defaults.LearningRate;
        Visit(new Assigner(defaults.Values(), onlyMissing: true));
    }

    private Queue<object?> Values()
    {
        var collector = new Collector();
        Visit(collector);
        return collector.values;
    }

    private protected abstract class Visitor
    {
        public abstract void Number(ref double? value);
        public abstract void Flag(ref bool? value);
    }

    private sealed class Writer(BinaryWriter writer) : Visitor
    {
        public override void Number(ref double? value) => writer.Write(value!.Value);
        public override void Flag(ref bool? value) => writer.Write(value!.Value);
    }

    private sealed class Reader(BinaryReader reader) : Visitor
    {
        public override void Number(ref double? value) => value = reader.ReadDouble();
        public override void Flag(ref bool? value) => value = reader.ReadBoolean();
    }

    private sealed class Collector : Visitor
    {
        public readonly Queue<object?> values = [];
        public override void Number(ref double? value) => values.Enqueue(value);
        public override void Flag(ref bool? value) => values.Enqueue(value);
    }

    private sealed class Assigner(Queue<object?> values, bool onlyMissing) : Visitor
    {
        public override void Number(ref double? value) => value = Choose(value);
        public override void Flag(ref bool? value) => value = Choose(value);

        private T? Choose<T>(T? present) where T : struct
        {
            var other = (T?)values.Dequeue();
            return onlyMissing && present.HasValue ? present : other;
        }
    }
}
