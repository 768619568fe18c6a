using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Torch;

/// <summary>Parameters that share a learning rate and a weight decay.</summary>
/// <param name="parameters">The parameters, each with the name that its state has in a checkpoint.</param>
/// <param name="learningRate">The learning rate, free to change before every step.</param>
/// <param name="weightDecay">The weight decay: part of the gradient in SGD and Adam, decoupled elsewhere.</param>
/// <param name="rateScale">What a schedule's learning rate is multiplied by for this group, as in layer-wise decay.</param>
public sealed class FusedParameterGroup(IEnumerable<(string Name, Tensor Parameter)> parameters, double learningRate, double weightDecay = 0, double rateScale = 1)
{
    public IReadOnlyList<(string Name, Tensor Parameter)> Parameters { get; } = parameters.ToArray();
    public double LearningRate { get; set; } = learningRate;
    public double WeightDecay { get; set; } = weightDecay;
    public double RateScale { get; } = rateScale;
}

/// <summary>
/// An optimizer that takes a step for all parameters of a group in one pass over memory. State is made at the first
/// step that has a gradient for the parameter; a parameter without a gradient stays as it is.
/// </summary>
public abstract class FusedOptimizer : IDisposable
{
    private const string StepSuffix = ".step";
    private const string ForeignAdvice = "the checkpoint is of another model or optimizer, or incomplete: start without its optimizer state";
    private readonly string[] stateNames;
    private readonly Member[][] members;

    /// <param name="groups">Parameters with their learning rates and weight decays.</param>
    /// <param name="stateNames">The states of every parameter, each of its shape, where <see cref="StateOf"/> does not say otherwise.</param>
    private protected FusedOptimizer(IEnumerable<FusedParameterGroup> groups, params string[] stateNames)
    {
        Groups = groups.ToArray();
        this.stateNames = stateNames;
        members = Groups.Select(group => group.Parameters.Select(p => new Member(p.Name, p.Parameter, StateOf(p.Name, p.Parameter))).ToArray()).ToArray();
        var seen = new HashSet<string>();
        foreach (var member in members.SelectMany(group => group))
            if (!seen.Add(member.Name))
                throw new ArgumentException($"two parameters of the optimizer have the name '{member.Name}'");
    }

    /// <summary>The groups, in the order given.</summary>
    public IReadOnlyList<FusedParameterGroup> Groups { get; }

    /// <summary>All parameters, group after group.</summary>
    public IEnumerable<Tensor> Parameters => members.SelectMany(group => group).Select(member => member.Parameter);

    /// <summary>One step from the gradients that backward left.</summary>
    /// <param name="gradScale">A factor for all gradients: that of clipping, and of a loss scaler.</param>
    public void Step(double gradScale = 1)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        gradScale = Scale(gradScale);
        for (int i = 0; i < members.Length; i++)
        {
            // A parameter that had no gradient in some step lags behind: those that agree go together.
            var active = members[i].Select(member => (Member: member, Gradient: member.Parameter.grad)).Where(pair => pair.Gradient is not null);
            foreach (var batch in active.GroupBy(pair => (pair.Member.Steps, pair.Member.States.Count)))
            {
                var batchMembers = batch.Select(pair => pair.Member).ToArray();
                foreach (var member in batchMembers)
                {
                    member.Steps++;
                    member.State ??= member.States.Select(kind => NewState(member.Parameter, kind.Shape).DetachFromDisposeScope()).ToArray();
                }
                var state = Enumerable.Range(0, batch.Key.Count).Select(n => batchMembers.Select(m => m.State![n]).ToArray()).ToArray();
                Update(Groups[i], batchMembers.Select(m => m.Parameter).ToArray(), batch.Select(pair => pair.Gradient!).ToArray(), state, batch.Key.Steps + 1, gradScale);
            }
        }
    }

    /// <summary>Frees all gradients: the next backward makes new ones.</summary>
    public void ZeroGrad()
    {
        foreach (var parameter in Parameters)
            parameter.grad = null;
    }

    /// <summary>The state for a checkpoint, named "PARAMETER.exp_avg" and so on. Step counts are new tensors, the caller's.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> StateTensors()
    {
        foreach (var member in members.SelectMany(group => group))
        {
            if (member.State is not { } state)
                continue;
            for (int n = 0; n < state.Length; n++)
                yield return ($"{member.Name}.{member.States[n].Name}", state[n]);
            yield return (member.Name + StepSuffix, tensor(member.Steps));
        }
    }

    /// <summary>Takes over a state that <see cref="StateTensors"/> gave. Values are copied; parameters without an entry start anew.</summary>
    /// <exception cref="UserError">A tensor is missing or has another shape, or one belongs to no parameter; nothing has changed then.</exception>
    public void LoadState(IReadOnlyDictionary<string, Tensor> state)
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        var unused = new HashSet<string>(state.Keys);
        var loaded = new Dictionary<Member, (Tensor[] State, long Steps)>();
        foreach (var member in members.SelectMany(group => group))
        {
            if (!unused.Remove(member.Name + StepSuffix))
                continue;
            var tensors = member.States.Select(kind => Find($"{member.Name}.{kind.Name}", member.Parameter, kind.Shape)).ToArray();
            loaded[member] = (tensors, state[member.Name + StepSuffix].item<long>());
        }
        if (unused.Count > 0)
            throw new UserError($"the optimizer state '{unused.Order().First()}' belongs to no parameter", ForeignAdvice);

        foreach (var member in members.SelectMany(group => group))
        {
            member.Forget();
            if (loaded.TryGetValue(member, out var found))
                (member.State, member.Steps) = (Array.ConvertAll(found.State, t => t.DetachFromDisposeScope()), found.Steps);
        }

        Tensor Find(string name, Tensor parameter, long[] shape)
        {
            unused.Remove(name);
            if (!state.TryGetValue(name, out var source))
                throw new UserError($"the optimizer state has no '{name}'", ForeignAdvice);
            if (!source.shape.SequenceEqual(shape))
                throw new UserError($"the optimizer state '{name}' has shape ({string.Join(", ", source.shape)}), its parameter needs ({string.Join(", ", shape)})", ForeignAdvice);
            return NewState(parameter, shape).copy_(source);
        }
    }

    public void Dispose()
    {
        foreach (var member in members.SelectMany(group => group))
            member.Forget();
        GC.SuppressFinalize(this);
    }

    /// <summary>The states that are kept for a parameter. Parameters with as many states are updated in one call.</summary>
    private protected virtual IReadOnlyList<(string Name, long[] Shape)> StateOf(string name, Tensor parameter) =>
        Array.ConvertAll(stateNames, name => (name, parameter.shape));

    /// <summary>The factor for all gradients, where an optimizer has a say in it.</summary>
    private protected virtual double Scale(double gradScale) => gradScale;

    /// <summary>Changes parameters and state. <paramref name="state"/> has a list of tensors for each name of state.</summary>
    private protected abstract void Update(FusedParameterGroup group, Tensor[] parameters, Tensor[] gradients, Tensor[][] state, long step, double gradScale);

    // State is fp32 at least: running averages of half precision lose small gradients. Where it can, it has the
    // parameter's layout.
    private static Tensor NewState(Tensor parameter, long[] shape)
    {
        var type = parameter.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        return shape.SequenceEqual(parameter.shape) ? parameter.zeros_like(type) : zeros(shape, type, parameter.device);
    }

    private sealed class Member(string name, Tensor parameter, IReadOnlyList<(string Name, long[] Shape)> states)
    {
        public readonly string Name = name;
        public readonly Tensor Parameter = parameter;
        public readonly IReadOnlyList<(string Name, long[] Shape)> States = states;
        public Tensor[]? State;
        public long Steps;

        public void Forget()
        {
            foreach (var tensor in State ?? [])
                tensor.Dispose();
            State = null;
            Steps = 0;
        }
    }
}
