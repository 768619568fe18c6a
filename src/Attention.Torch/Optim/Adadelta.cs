using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            /// <summary>Adadelta (Zeiler 2012, "ADADELTA: An adaptive learning rate method").</summary>
            public static Adadelta Adadelta(IEnumerable<Parameter> parameters, double lr = 1, double rho = 0.9, double eps = 1e-6, double weight_decay = 0, bool maximize = false) =>
                new(parameters, lr, rho, eps, weight_decay, maximize);

            /// <inheritdoc cref="Adadelta(IEnumerable{Parameter}, double, double, double, double, bool)"/>
            public static Adadelta Adadelta(IEnumerable<(string name, Parameter parameter)> parameters, double lr = 1, double rho = 0.9, double eps = 1e-6, double weight_decay = 0, bool maximize = false) =>
                new(parameters.Select(p => p.parameter), lr, rho, eps, weight_decay, maximize);

            /// <inheritdoc cref="Adadelta(IEnumerable{Parameter}, double, double, double, double, bool)"/>
            public static Adadelta Adadelta(IEnumerable<Adadelta.ParamGroup> parameters, double lr = 1, double rho = 0.9, double eps = 1e-6, double weight_decay = 0, bool maximize = false) =>
                new(parameters, lr, rho, eps, weight_decay, maximize);
        }
    }
}

namespace TorchSharp.Modules
{
    /// <inheritdoc cref="torch.optim.Adadelta(IEnumerable{Parameter}, double, double, double, double, bool)"/>
    public class Adadelta : OptimizerHelper
    {
        public Adadelta(IEnumerable<Parameter> parameters, double lr, double rho = 0.9, double eps = 1e-6, double weight_decay = 0, bool maximize = false)
            : this([new ParamGroup { Parameters = parameters }], lr, rho, eps, weight_decay, maximize)
        {
        }

        public Adadelta(IEnumerable<ParamGroup> parameters, double lr = 1, double rho = 0.9, double eps = 1e-6, double weight_decay = 0, bool maximize = false)
        {
            _defaults = new Options
            {
                LearningRate = lr,
                InitialLearningRate = lr,
                rho = rho,
                eps = eps,
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
            double rho = options.rho!.Value, eps = options.eps!.Value;
            state.step++;
            state.square_avg.mul_(rho).addcmul_(grad, grad, 1 - rho);
            var delta = state.acc_delta.add(eps).sqrt_().div_(state.square_avg.add(eps).sqrt_()).mul_(grad);
            state.acc_delta.mul_(rho).addcmul_(delta, delta, 1 - rho);
            parameter.add_(delta, -options.LearningRate!.Value);
        });

        public class Options : OptimizerOptions
        {
            public double? rho;
            public double? eps;
            public double? weight_decay;
            public bool? maximize;

            private protected override void Visit(Visitor visitor)
            {
                visitor.Number(ref rho);
                visitor.Number(ref eps);
                visitor.Number(ref weight_decay);
                visitor.Flag(ref maximize);
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

            public ParamGroup(IEnumerable<Parameter> parameters, double lr = 1, double rho = 0.9, double eps = 1e-6, double weight_decay = 0, bool maximize = false)
                : base(parameters, new Options { LearningRate = lr, rho = rho, eps = eps, weight_decay = weight_decay, maximize = maximize })
            {
            }
        }

        public sealed class State : OptimizerState, IDisposable
        {
            public long step;
            /// <summary>The running mean of squared gradients.</summary>
            public Tensor square_avg = null!;

            /// <summary>The running mean of squared changes.</summary>
            public Tensor acc_delta = null!;

            public State(Parameter parameter) : base(parameter)
            {
            }

            private protected override void Visit(Visitor visitor)
            {
                visitor.Count(ref step);
                visitor.Required(ref square_avg);
                visitor.Required(ref acc_delta);
            }

            public override void Initialize(OptimizerOptions options)
            {
                DisposeTensors();
                step = 0;
                square_avg = Filled();
                acc_delta = Filled();
            }

            public override void SaveStateDict(BinaryWriter writer) => Save(writer);
            public override void LoadStateDict(BinaryReader reader) => Load(reader);
            public override void LoadStateDict(OptimizerState source) => CopyFrom(source);
            public void Dispose() => DisposeTensors();
        }
    }
}
