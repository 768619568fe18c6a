using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace TorchSharp.Modules;

/// <summary>What all optimizers with parameter groups share.</summary>
public abstract class OptimizerHelper : Optimizer
{
    protected OptimizerOptions _defaults = null!;
    private readonly Dictionary<IntPtr, OptimizerState> states = [];

    public OptimizerHelper() : base(IntPtr.Zero)
    {
    }

    /// <summary>Kinds of values in a saved state.</summary>
    protected enum TypeCode
    {
        Double = 0,
        Long = 1,
        Tensor = 2,
        Options = 3,
        State = 4,
    }

    private protected override void DisposeState()
    {
        foreach (var state in states.Values)
            state.DisposeTensors();
    }

    /// <summary>Adds a group whose missing options are the optimizer's, with fresh state for its parameters.</summary>
    private protected void AddGroup<TOptions>(ParamGroup group, Func<Parameter, OptimizerState> state) where TOptions : OptimizerOptions, new()
    {
        group.Options ??= new TOptions();
        group.Options.TakeMissing(_defaults);
        group.Options.InitialLearningRate = group.Options.LearningRate!.Value;
        // Enumerated at every step, and it may be a query.
        group.Parameters = group.Parameters.ToArray();
        _parameter_groups.Add(group);
        foreach (var parameter in group.Parameters)
        {
            var fresh = state(parameter);
            states[parameter.Handle] = fresh;
            fresh.Initialize(group.Options);
        }
    }

    /// <summary>Calls <paramref name="body"/> for every group, without recording gradients.</summary>
    protected Tensor _step<T>(Action<T> body, Func<Tensor> loss_closure = null!) where T : ParamGroup
    {
        Tensor loss = null!;
        if (loss_closure is not null)
            using (enable_grad())
                loss = loss_closure();
        using (no_grad())
        using (NewDisposeScope())
            foreach (var group in _parameter_groups)
                body((T)group);
        return loss;
    }

    /// <summary>Calls <paramref name="update"/> for every parameter that has a gradient; its temporaries end with it.</summary>
    private protected Tensor Step<TOptions, TState>(Func<Tensor> closure, Action<TOptions, Parameter, Tensor, TState> update)
        where TOptions : OptimizerOptions where TState : OptimizerState =>
        _step<ParamGroup>(group =>
        {
            foreach (var parameter in group.Parameters)
            {
                using var scope = NewDisposeScope();
                if (parameter.grad is { } grad)
                    update((TOptions)group.Options, parameter, grad, (TState)states[parameter.Handle]);
            }
        }, closure);

    /// <summary>Moves all state to a device.</summary>
    public void to(Device device)
    {
        foreach (var state in states.Values)
            state.to(device);
    }

    public virtual StateDictionary state_dict()
    {
        var dictionary = new StateDictionary();
        foreach (var group in _parameter_groups)
        {
            dictionary.Options.Add(group.Options);
            var indices = new List<int>();
            foreach (var parameter in group.Parameters)
            {
                indices.Add(dictionary.State.Count);
                dictionary.State.Add(states[parameter.Handle]);
            }
            dictionary.StateIndexRef.Add(indices);
        }
        return dictionary;
    }

    /// <summary>Copies options and state of an optimizer of the same kind, with as many groups and parameters.</summary>
    public virtual void load_state_dict(StateDictionary state_dict)
    {
        var own = this.state_dict();
        CheckCounts(own, state_dict.Options.Count, state_dict.State.Count);
        foreach (var (mine, source) in own.Options.Zip(state_dict.Options))
            if (!ReferenceEquals(mine, source))
                mine.LoadStateDict(source);
        foreach (var (mine, source) in own.State.Zip(state_dict.State))
            if (!ReferenceEquals(mine, source))
                mine.LoadStateDict(source);
    }

    /// <summary>Writes options and state in TorchSharp's format.</summary>
    public void save_state_dict(BinaryWriter writer)
    {
        var dictionary = state_dict();
        writer.Write(GetType().Name);
        writer.Write7BitEncodedInt64(dictionary.Options.Count);
        writer.Write7BitEncodedInt64(dictionary.State.Count);
        foreach (var options in dictionary.Options)
            options.SaveStateDict(writer);
        foreach (var state in dictionary.State)
            state.SaveStateDict(writer);
    }

    public void save_state_dict(string location)
    {
        using var writer = new BinaryWriter(File.Create(location));
        save_state_dict(writer);
    }

    /// <summary>Reads what <see cref="save_state_dict(BinaryWriter)"/> wrote.</summary>
    /// <exception cref="InvalidDataException">It is of another kind of optimizer.</exception>
    public void load_state_dict(BinaryReader reader)
    {
        var saved = reader.ReadString();
        if (saved != GetType().Name)
            throw new InvalidDataException($"the state is of the optimizer {saved}, not of {GetType().Name}");
        var dictionary = state_dict();
        CheckCounts(dictionary, (int)reader.Read7BitEncodedInt64(), (int)reader.Read7BitEncodedInt64());
        foreach (var options in dictionary.Options)
            options.LoadStateDict(reader);
        foreach (var state in dictionary.State)
            state.LoadStateDict(reader);
    }

    public void load_state_dict(string location)
    {
        using var reader = new BinaryReader(File.OpenRead(location));
        load_state_dict(reader);
    }

    private static void CheckCounts(StateDictionary own, int groups, int parameters)
    {
        if (groups != own.Options.Count)
            throw new ArgumentException($"the state has {groups} parameter groups, the optimizer {own.Options.Count}");
        if (parameters != own.State.Count)
            throw new ArgumentException($"the state has {parameters} parameters, the optimizer {own.State.Count}");
    }
}

/// <summary>Parameters that share their options.</summary>
public class ParamGroup : ILearningRateController
{
    public IEnumerable<Parameter> Parameters { get; set; } = [];
    public OptimizerOptions Options { get; set; } = null!;

    public double LearningRate
    {
        get => Options.LearningRate!.Value;
        set => Options.LearningRate = value;
    }

    public double InitialLearningRate
    {
        get => Options.InitialLearningRate;
        set => Options.InitialLearningRate = value;
    }
}

/// <summary>Parameters that share options of one optimizer's kind.</summary>
public class ParamGroup<TOptions> : ParamGroup where TOptions : OptimizerOptions
{
    public ParamGroup()
    {
    }

    public ParamGroup(IEnumerable<Parameter> parameters, TOptions options = null!)
    {
        Parameters = parameters;
        Options = options;
    }

    public new TOptions Options
    {
        get => (TOptions)base.Options;
        set => base.Options = value;
    }
}
