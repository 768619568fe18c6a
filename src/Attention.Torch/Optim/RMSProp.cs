using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            /// <summary>RMSprop (Hinton 2012, lecture notes), centred as in Graves 2013, "Generating sequences with recurrent neural networks".</summary>
            public static RMSProp RMSProp(IEnumerable<Parameter> parameters, double lr = 0.01, double alpha = 0.99, double eps = 1e-8, double weight_decay = 0, double momentum = 0, bool centered = false, bool maximize = false) =>
                new(parameters, lr, alpha, eps, weight_decay, momentum, centered, maximize);

            /// <inheritdoc cref="RMSProp(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
            public static RMSProp RMSProp(IEnumerable<(string name, Parameter parameter)> parameters, double lr = 0.01, double alpha = 0.99, double eps = 1e-8, double weight_decay = 0, double momentum = 0, bool centered = false, bool maximize = false) =>
                new(parameters.Select(p => p.parameter), lr, alpha, eps, weight_decay, momentum, centered, maximize);

            /// <inheritdoc cref="RMSProp(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
            public static RMSProp RMSProp(IEnumerable<RMSProp.ParamGroup> parameters, double lr = 0.01, double alpha = 0.99, double eps = 1e-8, double weight_decay = 0, double momentum = 0, bool centered = false, bool maximize = false) =>
                new(parameters, lr, alpha, eps, weight_decay, momentum, centered, maximize);
        }
    }
}

namespace TorchSharp.Modules
{
    /// <inheritdoc cref="torch.optim.RMSProp(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
    public class RMSProp : OptimizerHelper, IMomentum
    {
        public RMSProp(IEnumerable<Parameter> parameters, double lr = 1e-3, double alpha = 0.99, double eps = 1e-8, double weight_decay = 0, double momentum = 0, bool centered = false, bool maximize = false)
            : this([new ParamGroup { Parameters = parameters }], lr, alpha, eps, weight_decay, momentum, centered, maximize)
        {
        }

        public RMSProp(IEnumerable<ParamGroup> parameters, double lr = 1e-3, double alpha = 0.99, double eps = 1e-8, double weight_decay = 0, double momentum = 0, bool centered = false, bool maximize = false)
        {
            _defaults = new Options
            {
                LearningRate = lr,
                InitialLearningRate = lr,
                alpha = alpha,
                eps = eps,
                weight_decay = weight_decay,
                momentum = momentum,
                centered = centered,
                maximize = maximize,
            };
            foreach (var group in parameters)
                add_param_group(group);
        }

        public double Momentum
        {
            get => ((Options)_defaults).momentum!.Value;
            set => ((Options)_defaults).momentum = value;
        }

        public override void add_param_group(Modules.ParamGroup param_group) => AddGroup<Options>(param_group, p => new State(p));

        public override Tensor step(Func<Tensor> closure = null!) => Step<Options, State>(closure, (options, parameter, grad, state) =>
        {
            if (options.maximize!.Value)
                grad = -grad;
            if (options.weight_decay!.Value != 0)
                grad = grad.add(parameter, options.weight_decay.Value);
            double alpha = options.alpha!.Value, lr = options.LearningRate!.Value, momentum = options.momentum!.Value;
            state.step++;
            state.square_avg.mul_(alpha).addcmul_(grad, grad, 1 - alpha);
            var average = state.square_avg;
            if (options.centered!.Value)
            {
                state.grad_avg.mul_(alpha).add_(grad, 1 - alpha);
                average = average.addcmul(state.grad_avg, state.grad_avg, -1);
            }
            average = average.sqrt().add_(options.eps!.Value);
            if (momentum > 0)
            {
                // A schedule may switch momentum on later.
                state.momentum_buffer ??= zeros_like(parameter).DetachFromDisposeScope();
                state.momentum_buffer.mul_(momentum).addcdiv_(grad, average, 1);
                parameter.add_(state.momentum_buffer, -lr);
            }
            else
                parameter.addcdiv_(grad, average, -lr);
        });

        public class Options : OptimizerOptions
        {
            public double? alpha;
            public double? eps;
            public double? weight_decay;
            public double? momentum;
            public bool? centered;
            public bool? maximize;

            private protected override void Visit(Visitor visitor)
            {
                visitor.Flag(ref maximize);
                visitor.Number(ref momentum);
                visitor.Number(ref alpha);
                visitor.Number(ref eps);
                visitor.Number(ref weight_decay);
                visitor.Flag(ref centered);
            }
        }

        public class ParamGroup : ParamGroup<Options>, IMomentum
        {
            public ParamGroup()
            {
            }

            public ParamGroup(IEnumerable<Parameter> parameters, Options options) : base(parameters, options)
            {
            }

            public ParamGroup(IEnumerable<Parameter> parameters, double lr = 1e-3, double eps = 1e-8, double alpha = 0.99, double weight_decay = 0, double momentum = 0, bool centered = false)
                : base(parameters, new Options { LearningRate = lr, eps = eps, alpha = alpha, weight_decay = weight_decay, momentum = momentum, centered = centered })
            {
            }

            public double Momentum
            {
                get => Options.momentum!.Value;
                set => Options.momentum = value;
            }
        }

        public sealed class State : OptimizerState, IDisposable
        {
            public long step;
            /// <summary>The running mean of squared gradients.</summary>
            public Tensor square_avg = null!;

            /// <summary>With momentum: the running sum of changes.</summary>
            public Tensor momentum_buffer = null!;

            /// <summary>When centred: the running mean of gradients.</summary>
            public Tensor grad_avg = null!;

            public State(Parameter parameter) : base(parameter)
            {
            }

            private protected override void Visit(Visitor visitor)
            {
                visitor.Count(ref step);
                visitor.Required(ref square_avg);
                visitor.Optional(ref momentum_buffer);
                visitor.Optional(ref grad_avg);
            }

            public override void Initialize(OptimizerOptions options)
            {
                DisposeTensors();
                var own = (Options)options;
                step = 0;
                square_avg = Filled();
                if (own.momentum!.Value > 0)
                    momentum_buffer = Filled();
                if (own.centered!.Value)
                    grad_avg = Filled();
            }

            public override void SaveStateDict(BinaryWriter writer) => Save(writer);
            public override void LoadStateDict(BinaryReader reader) => Load(reader);
            public override void LoadStateDict(OptimizerState source) => CopyFrom(source);
            public void Dispose() => DisposeTensors();
        }
    }
}
