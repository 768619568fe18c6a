namespace Attention.Tests.Data;

/// <summary>Linear regression with a penalty on the squared weights, solved by Cholesky decomposition.</summary>
internal static class Ridge
{
    /// <summary>Weights (classes, features) that best give 1 for the right class and -1 for the others.</summary>
    public static float[][] Fit(float[][] x, int[] labels, int classes, double ridge)
    {
        int features = x[0].Length;
        var gram = new double[features][];
        Parallel.For(0, features, i =>
        {
            var row = new double[features];
            foreach (var sample in x)
                for (int j = 0; j <= i; j++)
                    row[j] += (double)sample[i] * sample[j];
            row[i] += ridge;
            gram[i] = row;
        });
        for (int j = 0; j < features; j++)
        {
            for (int k = 0; k < j; k++)
                gram[j][j] -= gram[j][k] * gram[j][k];
            gram[j][j] = Math.Sqrt(gram[j][j]);
            Parallel.For(j + 1, features, i =>
            {
                double sum = gram[i][j];
                for (int k = 0; k < j; k++)
                    sum -= gram[i][k] * gram[j][k];
                gram[i][j] = sum / gram[j][j];
            });
        }
        return [.. Enumerable.Range(0, classes).Select(c => Solve(gram, x, labels, c))];
    }

    private static float[] Solve(double[][] root, float[][] x, int[] labels, int label)
    {
        var b = new double[root.Length];
        for (int s = 0; s < x.Length; s++)
            for (int i = 0; i < b.Length; i++)
                b[i] += labels[s] == label ? x[s][i] : -x[s][i];
        for (int i = 0; i < b.Length; i++)
        {
            for (int k = 0; k < i; k++)
                b[i] -= root[i][k] * b[k];
            b[i] /= root[i][i];
        }
        for (int i = b.Length - 1; i >= 0; i--)
        {
            for (int k = i + 1; k < b.Length; k++)
                b[i] -= root[k][i] * b[k];
            b[i] /= root[i][i];
        }
        return [.. b.Select(v => (float)v)];
    }
}
