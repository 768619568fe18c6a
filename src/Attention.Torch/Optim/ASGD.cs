using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            /// <summary>Averaged gradient descent (Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging").</summary>
            public static ASGD ASGD(IEnumerable<Parameter> parameters, double lr = 1e-3, double lambd = 1e-4, double alpha = 0.75, double t0 = 1000000, double weight_decay = 0, bool maximize = false) =>
                new(parameters, lr, lambd, alpha, t0, weight_decay, maximize);

            /// <inheritdoc cref="ASGD(IEnumerable{Parameter}, double, double, double, double, double, bool)"/>
            public static ASGD ASGD(IEnumerable<(string name, Parameter parameter)> parameters, double lr = 1e-3, double lambd = 1e-4, double alpha = 0.75, double t0 = 1000000, double weight_decay = 0, bool maximize = false) =>
                new(parameters.Select(p => p.parameter), lr, lambd, alpha, t0, weight_decay, maximize);

            /// <inheritdoc cref="ASGD(IEnumerable{Parameter}, double, double, double, double, double, bool)"/>
            public static ASGD ASGD(IEnumerable<ParamGroup<ASGD.Options>> parameters, double lr = 1e-3, double lambd = 1e-4, double alpha = 0.75, double t0 = 1000000, double weight_decay = 0, bool maximize = false) =>
                new(parameters, lr, lambd, alpha, t0, weight_decay, maximize);
        }
    }
}

namespace TorchSharp.Modules
{
    /// <inheritdoc cref="torch.optim.ASGD(IEnumerable{Parameter}, double, double, double, double, double, bool)"/>
    public class ASGD : OptimizerHelper
    {
        public ASGD(IEnumerable<Parameter> parameters, double lr = 0.01, double lambd = 1e-4, double alpha = 0.75, double t0 = 1000000, double weight_decay = 0, bool maximize = false)
            : this([new ParamGroup { Parameters = parameters }], lr, lambd, alpha, t0, weight_decay, maximize)
        {
        }

        public ASGD(IEnumerable<ParamGroup<Options>> parameters, double lr = 0.01, double lambd = 1e-4, double alpha = 0.75, double t0 = 1000000, double weight_decay = 0, bool maximize = false)
        {
            _defaults = new Options
            {
                LearningRate = lr,
                InitialLearningRate = lr,
                lambd = lambd,
                alpha = alpha,
                t0 = t0,
                weight_decay = weight_decay,
                maximize = maximize,
            };
            foreach (var group in parameters)
                add_param_group(group);
        }

        public override void add_param_group(Modules.ParamGroup param_group) => AddGroup<Options>(param_group, p => new State(p));

        public override Tensor step(Func<Tensor> closure = null!) => Step<Options, State>(closure, (options, parameter, grad, state) =>
        {
            if (options.maximize!.Value)
                grad = -grad;
            if (options.weight_decay!.Value != 0)
                grad = grad.add(parameter, options.weight_decay.Value);
            double lr = options.LearningRate!.Value, lambd = options.lambd!.Value;
            long step = ++state.step;
            parameter.mul_(1 - lambd * state.eta).add_(grad, -state.eta);
            if (state.mu == 1)
                state.ax.copy_(parameter);
            else
                state.ax.add_(parameter - state.ax, state.mu);
            state.eta = lr / Math.Pow(1 + lambd * lr * step, options.alpha!.Value);
            state.mu = 1 / Math.Max(1, step - options.t0!.Value);
        });

        public class Options : OptimizerOptions
        {
            public double? lambd;
            public double? alpha;
            public double? t0;
            public double? weight_decay;
            public bool? maximize;

            private protected override void Visit(Visitor visitor)
            {
                visitor.Flag(ref maximize);
                visitor.Number(ref lambd);
                visitor.Number(ref alpha);
                visitor.Number(ref weight_decay);
                visitor.Number(ref t0);
            }
        }

        public class ParamGroup : ParamGroup<Options>
        {
            public ParamGroup()
            {
            }

            public ParamGroup(IEnumerable<Parameter> parameters, Options options) : base(parameters, options)
            {
            }

            public ParamGroup(IEnumerable<Parameter> parameters, double lr = 0.01, double lambd = 1e-4, double alpha = 0.75, double t0 = 1000000, double weight_decay = 0)
                : base(parameters, new Options { LearningRate = lr, lambd = lambd, alpha = alpha, t0 = t0, weight_decay = weight_decay })
            {
            }
        }

        public sealed class State : OptimizerState, IDisposable
        {
            public long step;
            /// <summary>The present step length.</summary>
            public double eta;

            /// <summary>How much the newest parameter counts in the average.</summary>
            public double mu;

            /// <summary>The averaged parameter.</summary>
            public Tensor ax = null!;

            public State(Parameter parameter) : base(parameter)
            {
            }

            private protected override void Visit(Visitor visitor)
            {
                visitor.Count(ref step);
                visitor.Number(ref eta);
                visitor.Number(ref mu);
                visitor.Required(ref ax);
            }

            public override void Initialize(OptimizerOptions options)
            {
                DisposeTensors();
                step = 0;
                eta = options.LearningRate!.Value;
                mu = 1;
                ax = Filled();
            }

            public override void SaveStateDict(BinaryWriter writer) => Save(writer);
            public override void LoadStateDict(BinaryReader reader) => Load(reader);
            public override void LoadStateDict(OptimizerState source) => CopyFrom(source);
            public void Dispose() => DisposeTensors();
        }
    }
}
