using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class optim
        {
            /// <summary>
            /// Limited-memory BFGS without a line search (Nocedal 1980, "Updating quasi-Newton matrices with limited storage").
            /// All parameters are one group; each step needs a closure that computes the loss and its gradients anew.
            /// </summary>
            /// <param name="parameters">The parameters.</param>
            /// <param name="lr">The length of a step along the direction found.</param>
            /// <param name="max_iter">Directions in one step.</param>
            /// <param name="max_eval">Calls of the closure in one step; five quarters of <paramref name="max_iter"/> where null.</param>
            /// <param name="tolerange_grad">Stops where no gradient is larger.</param>
            /// <param name="tolerance_change">Stops where no parameter, or the loss, changes by more.</param>
            /// <param name="history_size">Earlier directions that are kept.</param>
            public static LBFGS LBFGS(IEnumerable<Parameter> parameters, double lr = 0.01, long max_iter = 20, long? max_eval = null, double tolerange_grad = 1e-5, double tolerance_change = 1e-9, long history_size = 100) =>
                new(parameters, lr, max_iter, max_eval ?? max_iter * 5 / 4, tolerange_grad, tolerance_change, history_size);

            /// <inheritdoc cref="LBFGS(IEnumerable{Parameter}, double, long, long?, double, double, long)"/>
            public static LBFGS LBFGS(IEnumerable<(string name, Parameter parameter)> parameters, double lr = 0.01, long max_iter = 20, long? max_eval = null, double tolerange_grad = 1e-5, double tolerance_change = 1e-9, long history_size = 100) =>
                LBFGS(parameters.Select(p => p.parameter), lr, max_iter, max_eval, tolerange_grad, tolerance_change, history_size);
        }
    }
}

namespace TorchSharp.Modules
{
    /// <inheritdoc cref="torch.optim.LBFGS(IEnumerable{Parameter}, double, long, long?, double, double, long)"/>
    public class LBFGS : Optimizer, ILearningRateController
    {
        public double _rate;

        private readonly Parameter[] all;
        private readonly long maxIterations, maxEvaluations, historySize;
        private readonly double gradientTolerance, changeTolerance;

        // What one step leaves for the next.
        private readonly List<(Tensor Step, Tensor Change, double Curvature)> history = [];
        private Tensor? direction, lastGradient;
        private double scale = 1, length;
        private long iterations;

        internal LBFGS(IEnumerable<Parameter> parameters, double lr, long max_iter, long max_eval, double tolerance_grad, double tolerance_change, long history_size) : base(IntPtr.Zero)
        {
            all = parameters.ToArray();
            _parameter_groups.Add(new ParamGroup { Parameters = all, Options = new OptimizerOptions { LearningRate = lr, InitialLearningRate = lr } });
            _rate = lr;
            InitialLearningRate = lr;
            (maxIterations, maxEvaluations, historySize) = (max_iter, max_eval, history_size);
            (gradientTolerance, changeTolerance) = (tolerance_grad, tolerance_change);
        }

        public double LearningRate
        {
            get => _rate;
            set => _rate = value;
        }

        public double InitialLearningRate { get; set; }

        public override IEnumerable<ILearningRateController> ParamGroups => [this];

        /// <summary>Steps along up to max_iter directions. Gives the loss before the first.</summary>
        public override Tensor step(Func<Tensor> closure)
        {
            ArgumentNullException.ThrowIfNull(closure);
            var first = Evaluate(closure);
            using var scope = NewDisposeScope();
            using var mode = no_grad();
            double loss = first.to_type(ScalarType.Float64).item<double>();
            var gradient = Gradient();
            if (Largest(gradient) <= gradientTolerance)
                return first;

            for (long taken = 1, evaluations = 1; ; taken++)
            {
                iterations++;
                var next = iterations == 1 ? -gradient : Direction(gradient);
                Keep(ref direction, next);
                Keep(ref lastGradient, gradient.clone());
                // The first direction is the bare gradient, of any length.
                length = iterations == 1 ? Math.Min(1, 1 / gradient.abs().sum().to_type(ScalarType.Float64).item<double>()) * _rate : _rate;
                double slope = gradient.dot(direction!).to_type(ScalarType.Float64).item<double>();
                if (slope > -changeTolerance)
                    break;
                Move(direction!, length);

                double before = loss;
                if (taken != maxIterations)
                {
                    using (var again = Evaluate(closure))
                        loss = again.to_type(ScalarType.Float64).item<double>();
                    gradient = Gradient();
                    evaluations++;
                }
                if (taken == maxIterations || evaluations >= maxEvaluations || Largest(gradient) <= gradientTolerance
                    || Largest(direction! * length) <= changeTolerance || Math.Abs(loss - before) < changeTolerance)
                    break;
            }
            return first;
        }

        // The two loops over past steps: the gradient times an approximate inverse of the Hessian.
        private Tensor Direction(Tensor gradient)
        {
            using var scope = NewDisposeScope();
            var change = gradient - lastGradient!;
            var step = direction! * length;
            double curvature = change.dot(step).to_type(ScalarType.Float64).item<double>();
            if (curvature > 1e-10)
            {
                if (history.Count == historySize)
                {
                    Forget(history[0]);
                    history.RemoveAt(0);
                }
                history.Add((step.DetachFromDisposeScope(), change.DetachFromDisposeScope(), curvature));
                scale = curvature / change.dot(change).to_type(ScalarType.Float64).item<double>();
            }
            var result = -gradient;
            var weights = new double[history.Count];
            for (int i = history.Count - 1; i >= 0; i--)
            {
                weights[i] = history[i].Step.dot(result).to_type(ScalarType.Float64).item<double>() / history[i].Curvature;
                result.add_(history[i].Change, -weights[i]);
            }
            result.mul_(scale);
            for (int i = 0; i < history.Count; i++)
            {
                double correction = history[i].Change.dot(result).to_type(ScalarType.Float64).item<double>() / history[i].Curvature;
                result.add_(history[i].Step, weights[i] - correction);
            }
            return result.MoveToOuterDisposeScope();
        }

        private static Tensor Evaluate(Func<Tensor> closure)
        {
            using (enable_grad())
                return closure();
        }

        private Tensor Gradient() => cat(all.Select(p => p.grad is { } grad ? grad.reshape(-1) : zeros(p.numel(), p.dtype, p.device)).ToArray());

        private static double Largest(Tensor values) => values.abs().max().to_type(ScalarType.Float64).item<double>();

        private void Move(Tensor along, double distance)
        {
            long offset = 0;
            foreach (var parameter in all)
            {
                parameter.add_(along.narrow(0, offset, parameter.numel()).view(parameter.shape), distance);
                offset += parameter.numel();
            }
        }

        private static void Keep(ref Tensor? place, Tensor value)
        {
            place?.Dispose();
            place = value.DetachFromDisposeScope();
        }

        private static void Forget((Tensor Step, Tensor Change, double Curvature) entry)
        {
            entry.Step.Dispose();
            entry.Change.Dispose();
        }

        private protected override void DisposeState()
        {
            history.ForEach(Forget);
            history.Clear();
            direction?.Dispose();
            lastGradient?.Dispose();
        }
    }
}
