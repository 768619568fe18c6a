using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            /// <summary>Adam whose first steps are rectified (Liu et al. 2020, "On the variance of the adaptive learning rate and beyond").</summary>
            public static RAdam RAdam(IEnumerable<Parameter> parameters, double lr = 0.002, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
                new(parameters, lr, beta1, beta2, eps, weight_decay);

            /// <inheritdoc cref="RAdam(IEnumerable{Parameter}, double, double, double, double, double)"/>
            public static RAdam RAdam(IEnumerable<(string name, Parameter parameter)> parameters, double lr = 0.002, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
                new(parameters.Select(p => p.parameter), lr, beta1, beta2, eps, weight_decay);

            /// <inheritdoc cref="RAdam(IEnumerable{Parameter}, double, double, double, double, double)"/>
            public static RAdam RAdam(IEnumerable<RAdam.ParamGroup> parameters, double lr = 0.002, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0) =>
                new(parameters, lr, beta1, beta2, eps, weight_decay);
        }
    }
}

namespace TorchSharp.Modules
{
    /// <inheritdoc cref="torch.optim.RAdam(IEnumerable{Parameter}, double, double, double, double, double)"/>
    public class RAdam : OptimizerHelper, IBetas
    {
        public RAdam(IEnumerable<Parameter> parameters, double lr, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0)
            : this([new ParamGroup { Parameters = parameters }], lr, beta1, beta2, eps, weight_decay)
        {
        }

        public RAdam(IEnumerable<ParamGroup> parameters, double lr = 0.002, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0)
        {
            _defaults = new Options
            {
                LearningRate = lr,
                InitialLearningRate = lr,
                beta1 = beta1,
                beta2 = beta2,
                eps = eps,
                weight_decay = weight_decay,
            };
            foreach (var group in parameters)
                add_param_group(group);
        }

        public (double, double) Betas
        {
            get => (((Options)_defaults).beta1!.Value, ((Options)_defaults).beta2!.Value);
            set => (((Options)_defaults).beta1, ((Options)_defaults).beta2) = value;
        }

        public override void add_param_group(Modules.ParamGroup param_group) => AddGroup<Options>(param_group, p => new State(p));

        public override Tensor step(Func<Tensor> closure = null!) => Step<Options, State>(closure, (options, parameter, grad, state) =>
        {
            double beta1 = options.beta1!.Value, beta2 = options.beta2!.Value, lr = options.LearningRate!.Value;
            long step = ++state.step;
            if (options.weight_decay!.Value != 0)
                grad = grad.add(parameter, options.weight_decay.Value);
            state.exp_avg.mul_(beta1).add_(grad, 1 - beta1);
            state.exp_avg_sq.mul_(beta2).addcmul_(grad, grad, 1 - beta2);
            double correction1 = 1 - Math.Pow(beta1, step), correction2 = 1 - Math.Pow(beta2, step);
            // The length of the moving average of squares, in the long run and now: short ones are not to be trusted.
            double limit = 2 / (1 - beta2) - 1;
            double length = limit - 2 * step * Math.Pow(beta2, step) / correction2;
            if (length > 5)
            {
                double rectified = Math.Sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length));
                var denominator = state.exp_avg_sq.sqrt().add_(options.eps!.Value);
                parameter.addcdiv_(state.exp_avg, denominator, -lr * rectified * Math.Sqrt(correction2) / correction1);
            }
            else
                parameter.add_(state.exp_avg, -lr / correction1);
        });

        public class Options : OptimizerOptions
        {
            public double? beta1;
            public double? beta2;
            public double? eps;
            public double? weight_decay;

            private protected override void Visit(Visitor visitor)
            {
                visitor.Number(ref beta1);
                visitor.Number(ref beta2);
                visitor.Number(ref eps);
                visitor.Number(ref weight_decay);
            }
        }

        public class ParamGroup : ParamGroup<Options>, IBetas
        {
            public ParamGroup()
            {
            }

            public ParamGroup(IEnumerable<Parameter> parameters, Options options) : base(parameters, options)
            {
            }

            public ParamGroup(IEnumerable<Parameter> parameters, double lr = 1, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0)
                : base(parameters, new Options { LearningRate = lr, beta1 = beta1, beta2 = beta2, eps = eps, weight_decay = weight_decay })
            {
            }

            public (double, double) Betas
            {
                get => (Options.beta1!.Value, Options.beta2!.Value);
                set => (Options.beta1, Options.beta2) = value;
            }
        }

        public sealed class State : OptimizerState, IDisposable
        {
            public long step;
            /// <summary>The running mean of the gradient.</summary>
            public Tensor exp_avg = null!;

            /// <summary>The running mean of its square.</summary>
            public Tensor exp_avg_sq = null!;

            public State(Parameter parameter) : base(parameter)
            {
            }

            private protected override void Visit(Visitor visitor)
            {
                visitor.Count(ref step);
                visitor.Required(ref exp_avg);
                visitor.Required(ref exp_avg_sq);
            }

            public override void Initialize(OptimizerOptions options)
            {
                DisposeTensors();
                step = 0;
                exp_avg = Filled();
                exp_avg_sq = Filled();
            }

            public override void SaveStateDict(BinaryWriter writer) => Save(writer);
            public override void LoadStateDict(BinaryReader reader) => Load(reader);
            public override void LoadStateDict(OptimizerState source) => CopyFrom(source);
            public void Dispose() => DisposeTensors();
        }
    }
}
