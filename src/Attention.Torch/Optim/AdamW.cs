using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            /// <summary>AdamW (Loshchilov and Hutter 2019, "Decoupled weight decay regularization").</summary>
            public static AdamW AdamW(IEnumerable<Parameter> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false) =>
                new(parameters, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);

            /// <inheritdoc cref="AdamW(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
            public static AdamW AdamW(IEnumerable<(string name, Parameter parameter)> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false) =>
                new(parameters.Select(p => p.parameter), lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);

            /// <inheritdoc cref="AdamW(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
            public static AdamW AdamW(IEnumerable<AdamW.ParamGroup> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false) =>
                new(parameters, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);
        }
    }
}

namespace TorchSharp.Modules
{
    /// <inheritdoc cref="torch.optim.AdamW(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
    public class AdamW : OptimizerHelper, IBetas
    {
        public AdamW(IEnumerable<Parameter> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false)
            : this([new ParamGroup { Parameters = parameters }], lr, beta1, beta2, eps, weight_decay, amsgrad, maximize)
        {
        }

        public AdamW(IEnumerable<ParamGroup> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false)
        {
            _defaults = new Options
            {
                LearningRate = lr,
                InitialLearningRate = lr,
                beta1 = beta1,
                beta2 = beta2,
                eps = eps,
                weight_decay = weight_decay,
                amsgrad = amsgrad,
                maximize = maximize,
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
            if (options.maximize!.Value)
                grad = -grad;
            parameter.mul_(1 - lr * options.weight_decay!.Value);
            state.exp_avg.mul_(beta1).add_(grad, 1 - beta1);
            state.exp_avg_sq.mul_(beta2).addcmul_(grad, grad, 1 - beta2);
            var square = state.exp_avg_sq;
            if (options.amsgrad!.Value)
                square = state.max_exp_avg_sq.copy_(maximum(state.max_exp_avg_sq, square));
            var denominator = (square.sqrt() / Math.Sqrt(1 - Math.Pow(beta2, step))).add_(options.eps!.Value);
            parameter.addcdiv_(state.exp_avg, denominator, -lr / (1 - Math.Pow(beta1, step)));
        });

        public class Options : OptimizerOptions
        {
            public double? beta1;
            public double? beta2;
            public double? eps;
            public double? weight_decay;
            public bool? amsgrad;
            public bool? maximize;

            private protected override void Visit(Visitor visitor)
            {
                visitor.Number(ref beta1);
                visitor.Number(ref beta2);
                visitor.Number(ref eps);
                visitor.Number(ref weight_decay);
                visitor.Flag(ref amsgrad);
                visitor.Flag(ref maximize);
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

            public ParamGroup(IEnumerable<Parameter> parameters, double lr = 1e-3, double beta1 = 0.9, double beta2 = 0.999, double eps = 1e-8, double weight_decay = 0, bool amsgrad = false, bool maximize = false)
                : base(parameters, new Options { LearningRate = lr, beta1 = beta1, beta2 = beta2, eps = eps, weight_decay = weight_decay, amsgrad = amsgrad, maximize = maximize })
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

            /// <summary>The largest of those so far, with amsgrad.</summary>
            public Tensor max_exp_avg_sq = null!;

            public State(Parameter parameter) : base(parameter)
            {
            }

            private protected override void Visit(Visitor visitor)
            {
                visitor.Count(ref step);
                visitor.Required(ref exp_avg);
                visitor.Required(ref exp_avg_sq);
                visitor.Optional(ref max_exp_avg_sq);
            }

            public override void Initialize(OptimizerOptions options)
            {
                DisposeTensors();
                step = 0;
                exp_avg = Filled();
                exp_avg_sq = Filled();
                if (((Options)options).amsgrad!.Value)
                    max_exp_avg_sq = Filled();
            }

            public override void SaveStateDict(BinaryWriter writer) => Save(writer);
            public override void LoadStateDict(BinaryReader reader) => Load(reader);
            public override void LoadStateDict(OptimizerState source) => CopyFrom(source);
            public void Dispose() => DisposeTensors();
        }
    }
}
