using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            /// <summary>Resilient backpropagation: the sign of the gradient alone counts (Riedmiller and Braun 1993).</summary>
            public static Rprop Rprop(IEnumerable<Parameter> parameters, double lr = 0.01, double etaminus = 0.5, double etaplus = 1.2, double min_step = 1e-6, double max_step = 50, bool maximize = false) =>
                new(parameters, lr, etaminus, etaplus, min_step, max_step, maximize);

            /// <inheritdoc cref="Rprop(IEnumerable{Parameter}, double, double, double, double, double, bool)"/>
            public static Rprop Rprop(IEnumerable<(string name, Parameter parameter)> parameters, double lr = 0.01, double etaminus = 0.5, double etaplus = 1.2, double min_step = 1e-6, double max_step = 50, bool maximize = false) =>
                new(parameters.Select(p => p.parameter), lr, etaminus, etaplus, min_step, max_step, maximize);

            /// <inheritdoc cref="Rprop(IEnumerable{Parameter}, double, double, double, double, double, bool)"/>
            public static Rprop Rprop(IEnumerable<Rprop.ParamGroup> parameters, double lr = 0.01, double etaminus = 0.5, double etaplus = 1.2, double min_step = 1e-6, double max_step = 50, bool maximize = false) =>
                new(parameters, lr, etaminus, etaplus, min_step, max_step, maximize);
        }
    }
}

namespace TorchSharp.Modules
{
    /// <inheritdoc cref="torch.optim.Rprop(IEnumerable{Parameter}, double, double, double, double, double, bool)"/>
    public class Rprop : OptimizerHelper
    {
        public Rprop(IEnumerable<Parameter> parameters, double lr = 0.01, double etaminus = 0.5, double etaplus = 1.2, double min_step = 1e-6, double max_step = 50, bool maximize = false)
            : this([new ParamGroup { Parameters = parameters }], lr, etaminus, etaplus, min_step, max_step, maximize)
        {
        }

        public Rprop(IEnumerable<ParamGroup> parameters, double lr = 0.01, double etaminus = 0.5, double etaplus = 1.2, double min_step = 1e-6, double max_step = 50, bool maximize = false)
        {
            _defaults = new Options
            {
                LearningRate = lr,
                InitialLearningRate = lr,
                etaminus = etaminus,
                etaplus = etaplus,
                min_step = min_step,
                max_step = max_step,
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
            state.step++;
            var agreement = (grad * state.prev).sign();
            var factor = ones_like(agreement).masked_fill_(agreement.gt(0), options.etaplus!.Value).masked_fill_(agreement.lt(0), options.etaminus!.Value);
            state.step_size.mul_(factor).clamp_(options.min_step!.Value, options.max_step!.Value);
            // Where the sign has changed, the step went too far: none is taken this time.
            grad = grad.masked_fill(agreement.lt(0), 0);
            parameter.addcmul_(grad.sign(), state.step_size, -1);
            state.prev.copy_(grad);
        });

        public class Options : OptimizerOptions
        {
            public double? etaminus;
            public double? etaplus;
            public double? min_step;
            public double? max_step;
            public bool? maximize;

            private protected override void Visit(Visitor visitor)
            {
                visitor.Flag(ref maximize);
                visitor.Number(ref etaminus);
                visitor.Number(ref etaplus);
                visitor.Number(ref min_step);
                visitor.Number(ref max_step);
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

            public ParamGroup(IEnumerable<Parameter> parameters, double lr = 0.01, double etaminus = 0.5, double etaplus = 1.2, double min_step = 1e-6, double max_step = 50, bool maximize = false)
                : base(parameters, new Options { LearningRate = lr, etaminus = etaminus, etaplus = etaplus, min_step = min_step, max_step = max_step, maximize = maximize })
            {
            }
        }

        public sealed class State : OptimizerState, IDisposable
        {
            public long step;
            /// <summary>The gradient before.</summary>
            public Tensor prev = null!;

            /// <summary>The present step of each element.</summary>
            public Tensor step_size = null!;

            public State(Parameter parameter) : base(parameter)
            {
            }

            private protected override void Visit(Visitor visitor)
            {
                visitor.Count(ref step);
                visitor.Required(ref prev);
                visitor.Required(ref step_size);
            }

            public override void Initialize(OptimizerOptions options)
            {
                DisposeTensors();
                step = 0;
                prev = Filled();
                step_size = Filled(options.LearningRate!.Value);
            }

            public override void SaveStateDict(BinaryWriter writer) => Save(writer);
            public override void LoadStateDict(BinaryReader reader) => Load(reader);
            public override void LoadStateDict(OptimizerState source) => CopyFrom(source);
            public void Dispose() => DisposeTensors();
        }
    }
}
