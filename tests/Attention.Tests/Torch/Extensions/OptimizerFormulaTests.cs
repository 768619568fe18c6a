using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Extensions;

/// <summary>The optimizers that PyTorch lacks, against their formulas written out in fp64 on plain arrays.</summary>
public sealed class OptimizerFormulaTests : IDisposable
{
    private const double Lr = 0.02, Decay = 0.1;
    private const int Steps = 4;
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    /// <summary>A matrix or, of one column, a vector, with the names of timm's formulas for what is kept of it.</summary>
    private sealed class Weights(int rows, int columns, double[] p)
    {
        public int Rows { get; } = rows;
        public int Columns { get; } = columns;
        public double[] P { get; } = p;
        public double[] M { get; } = new double[p.Length];
        public double[] V { get; } = new double[p.Length];
    }

    private delegate void Formula(Weights w, double[] gradient, int step);

    /// <summary>Both types, so that the kernel and libtorch's operators are seen; a convolution, a matrix and a vector.</summary>
    private static void Check(Func<FusedParameterGroup[], FusedOptimizer> make, Formula formula, double tolerance = 2e-6, double decay = Decay)
    {
        long[][] shapes = [[18, 20, 3, 3], [40, 24], [7]];
        foreach (var type in new[] { ScalarType.Float32, ScalarType.Float64 })
        {
            manual_seed(5);
            var parameters = shapes.Select(shape => randn(shape).to_type(type).requires_grad_()).ToArray();
            var expected = parameters.Select(p => new Weights((int)p.shape[0], (int)(p.numel() / p.shape[0]), Doubles(p))).ToArray();
            using var optimizer = make([new(parameters.Select((p, i) => ($"p{i}", p)), Lr, decay)]);
            for (int step = 1; step <= Steps; step++)
            {
                for (int i = 0; i < parameters.Length; i++)
                {
                    var gradient = randn(shapes[i]).to_type(type);
                    formula(expected[i], Doubles(gradient), step);
                    // Gradients twice too large, and a scale that mends it.
                    parameters[i].grad = gradient * 2;
                }
                optimizer.Step(gradScale: 0.5);
            }
            foreach (var (p, w) in parameters.Zip(expected))
                Assert.True(Doubles(p).Zip(w.P).All(pair => Math.Abs(pair.First - pair.Second) <= tolerance), $"{type} ({string.Join(", ", p.shape)})");
        }
    }

    private static double[] Doubles(Tensor t) => t.detach().to_type(ScalarType.Float64).contiguous().data<double>().ToArray();

    private static double Norm(IEnumerable<double> x) => Math.Sqrt(x.Sum(v => v * v));

    [Fact]
    public void Lion_steps_by_the_sign() => Check(groups => new FusedLion(groups, 0.9, 0.97), (w, g, _) =>
    {
        for (int i = 0; i < g.Length; i++)
        {
            w.P[i] = w.P[i] * (1 - Lr * Decay) - Lr * Math.Sign(0.9 * w.M[i] + 0.1 * g[i]);
            w.M[i] = 0.97 * w.M[i] + 0.03 * g[i];
        }
    });

    [Theory]
    [InlineData(Decay, false)]
    [InlineData(Decay, true)]
    [InlineData(0, false)]
    public void Lamb_scales_a_step_to_the_norm_of_its_parameter(double decay, bool clip) =>
        Check(groups => new FusedLamb(groups, 0.9, 0.98, 1e-5, maxGradNorm: null, trustClip: clip), (w, g, step) =>
        {
            var update = new double[g.Length];
            for (int i = 0; i < g.Length; i++)
            {
                w.M[i] = 0.9 * w.M[i] + 0.1 * g[i];
                w.V[i] = 0.98 * w.V[i] + 0.02 * g[i] * g[i];
                update[i] = w.M[i] / (1 - Math.Pow(0.9, step)) / (Math.Sqrt(w.V[i] / (1 - Math.Pow(0.98, step))) + 1e-5) + decay * w.P[i];
            }
            double ratio = decay == 0 ? 1 : Norm(w.P) / Norm(update);
            for (int i = 0; i < g.Length; i++)
                w.P[i] -= Lr * (clip ? Math.Min(1, ratio) : ratio) * update[i];
        }, decay: decay);

    /// <summary>LAMB's own limit on all gradients together, over all groups.</summary>
    [Fact]
    public void Lamb_limits_the_norm_of_all_gradients()
    {
        var (a, b) = (ones(4).requires_grad_(), ones(4).requires_grad_());
        using var limited = new FusedLamb([new([("a", a)], Lr, Decay)], maxGradNorm: 1);
        using var free = new FusedLamb([new([("b", b)], Lr, Decay)], maxGradNorm: null);
        // In the second step a gradient of norm 100 counts as one of norm 1.
        foreach (var factor in new[] { 1.0, 100.0 })
        {
            a.grad = tensor(new[] { 0.5f, 0.5f, -0.5f, -0.5f }) * factor;
            b.grad = tensor(new[] { 0.5f, 0.5f, -0.5f, -0.5f });
            limited.Step();
            free.Step();
        }
        Assert.True(a.allclose(b, 1e-6, 1e-6));
    }

    [Fact]
    public void Adafactor_keeps_means_of_rows_and_columns()
    {
        Check(groups => new FusedAdafactor(groups), (w, g, step) =>
        {
            double beta = 1 - Math.Pow(step, -0.8);
            var update = new double[g.Length];
            // 18 x 20 x 3 x 3 is factored over its channels, each place of the 3 x 3 by itself.
            var (rows, columns, places) = w.Columns == 180 ? (w.Rows, 20, 9) : (w.Rows, w.Columns, 1);
            bool factored = columns > 1;
            for (int place = 0; place < places; place++)
            {
                int At(int r, int c) => (r * columns + c) * places + place;
                double Square(int r, int c) => g[At(r, c)] * g[At(r, c)] + 1e-30;
                if (!factored)
                {
                    for (int r = 0; r < rows; r++)
                    {
                        w.V[r] = beta * w.V[r] + (1 - beta) * Square(r, 0);
                        update[r] = g[r] / Math.Sqrt(w.V[r]);
                    }
                    continue;
                }
                // M and V hold a mean for each row and column of a place.
                for (int r = 0; r < rows; r++)
                    w.M[r * places + place] = beta * w.M[r * places + place] + (1 - beta) * Enumerable.Range(0, columns).Average(c => Square(r, c));
                for (int c = 0; c < columns; c++)
                    w.V[c * places + place] = beta * w.V[c * places + place] + (1 - beta) * Enumerable.Range(0, rows).Average(r => Square(r, c));
                double mean = Enumerable.Range(0, rows).Average(r => w.M[r * places + place]);
                for (int r = 0; r < rows; r++)
                    for (int c = 0; c < columns; c++)
                        update[At(r, c)] = g[At(r, c)] / Math.Sqrt(w.M[r * places + place] / mean * w.V[c * places + place]);
            }
            double rms = Norm(update) / Math.Sqrt(update.Length);
            for (int i = 0; i < g.Length; i++)
                w.P[i] = w.P[i] * (1 - Lr * Decay) - Lr / Math.Max(1, rms) * update[i];
        });
        var matrix = ones(40, 24).requires_grad_();
        matrix.grad = ones(40, 24);
        using var optimizer = new FusedAdafactor([new([("w", matrix)], Lr)]);
        optimizer.Step();
        Assert.Equal([("w.exp_avg_sq_row", 40), ("w.exp_avg_sq_col", 24), ("w.step", 1)], optimizer.StateTensors().Select(s => (s.Name, s.Tensor.numel())));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Muon_orthogonalises_matrices_and_leaves_vectors_to_AdamW(bool nesterov) =>
        Check(groups => new FusedMuon(groups, 0.9, nesterov, 0.8, 0.95), (w, g, step) =>
        {
            for (int i = 0; i < g.Length; i++)
                w.P[i] *= 1 - Lr * Decay;
            if (w.Columns == 1)
            {
                for (int i = 0; i < g.Length; i++)
                {
                    w.M[i] = 0.8 * w.M[i] + 0.2 * g[i];
                    w.V[i] = 0.95 * w.V[i] + 0.05 * g[i] * g[i];
                    w.P[i] -= Lr * w.M[i] / (1 - Math.Pow(0.8, step)) / (Math.Sqrt(w.V[i] / (1 - Math.Pow(0.95, step))) + 1e-7);
                }
                return;
            }
            var direction = new double[g.Length];
            for (int i = 0; i < g.Length; i++)
            {
                w.M[i] = 0.9 * w.M[i] + 0.1 * g[i];
                direction[i] = nesterov ? 0.1 * g[i] + 0.9 * w.M[i] : w.M[i];
            }
            var orthogonal = Orthogonalised(direction, w.Rows, w.Columns);
            for (int i = 0; i < g.Length; i++)
                w.P[i] -= Lr * 0.2 * Math.Sqrt(Math.Max(w.Rows, w.Columns)) * orthogonal[i];
        }, tolerance: 2e-5);

    /// <summary>A polynomial in the matrix changes its singular values alone: here by loops over rows and columns.</summary>
    private static double[] Orthogonalised(double[] x, int rows, int columns)
    {
        double norm = Norm(x);
        x = [.. x.Select(v => v / norm)];
        foreach (var (a, b, c) in new[] { (4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012) })
        {
            // X (X'X) and X (X'X)(X'X): the same as (XX')X for the wide form.
            var gram = Product(Transposed(x, rows, columns), x, columns, rows, columns);
            var cubic = Product(x, gram, rows, columns, columns);
            var quintic = Product(cubic, gram, rows, columns, columns);
            x = [.. x.Select((v, i) => a * v + b * cubic[i] + c * quintic[i])];
        }
        return x;
    }

    private static double[] Transposed(double[] x, int rows, int columns) =>
        [.. Enumerable.Range(0, x.Length).Select(i => x[i % rows * columns + i / rows])];

    private static double[] Product(double[] x, double[] y, int rows, int inner, int columns)
    {
        var product = new double[rows * columns];
        for (int r = 0; r < rows; r++)
            for (int k = 0; k < inner; k++)
                for (int c = 0; c < columns; c++)
                    product[r * columns + c] += x[r * inner + k] * y[k * columns + c];
        return product;
    }
}
