using Attention.Modules.Dense;
using Xunit;

namespace Attention.Tests.Modules;

public sealed class AssignmentTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 3)]
    [InlineData(6, 4)]
    [InlineData(4, 6)]
    [InlineData(7, 2)]
    [InlineData(2, 7)]
    public void No_other_assignment_is_cheaper(int rows, int columns)
    {
        var random = new Random(rows * 10 + columns);
        for (int trial = 0; trial < 50; trial++)
        {
            // Few different costs, so that many are equal; some are negative.
            var costs = Enumerable.Range(0, rows * columns).Select(_ => trial % 2 == 0 ? random.Next(-2, 3) : (float)random.NextDouble()).ToArray();
            var (chosen, places) = Assignment.Solve(costs, rows, columns);
            Assert.Equal(Math.Min(rows, columns), chosen.Length);
            Assert.Equal(chosen.Order(), chosen);
            Assert.Equal(places.Length, places.Distinct().Count());
            Assert.Equal(chosen.Length, chosen.Distinct().Count());
            double total = chosen.Zip(places, (row, column) => (double)costs[row * columns + column]).Sum();
            Assert.Equal(Cheapest(costs, rows, columns, 0, 0, Math.Min(rows, columns)), total, 1e-5);
        }
    }

    // Tries every row with every free column, or without one where there are more rows than columns.
    private static double Cheapest(float[] costs, int rows, int columns, int row, int taken, int left)
    {
        if (left == 0)
            return 0;
        if (rows - row < left)
            return double.PositiveInfinity;
        double best = Cheapest(costs, rows, columns, row + 1, taken, left);
        for (int column = 0; column < columns; column++)
            if ((taken >> column & 1) == 0)
                best = Math.Min(best, costs[row * columns + column] + Cheapest(costs, rows, columns, row + 1, taken | 1 << column, left - 1));
        return best;
    }

    [Fact]
    public void Nothing_is_assigned_to_nothing()
    {
        Assert.Empty(Assignment.Solve([], 5, 0).Rows);
        Assert.Empty(Assignment.Solve([], 0, 3).Columns);
    }

    [Fact]
    public void Costs_are_finite_numbers()
    {
        Assert.Throws<ArgumentException>(() => Assignment.Solve([1, float.NaN], 1, 2));
        Assert.Throws<ArgumentException>(() => Assignment.Solve([1, float.PositiveInfinity], 2, 1));
        Assert.Throws<ArgumentException>(() => Assignment.Solve([1, 2, 3], 2, 2));
    }

    [Fact]
    public void Hundreds_of_queries_take_no_time()
    {
        var random = new Random(1);
        var costs = Enumerable.Range(0, 900 * 300).Select(_ => (float)random.NextDouble()).ToArray();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        Assert.Equal(300, Assignment.Solve(costs, 900, 300).Rows.Length);
        Assert.True(watch.Elapsed.TotalSeconds < 5, $"{watch.Elapsed}");
    }
}
