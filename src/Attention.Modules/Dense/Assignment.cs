namespace Attention.Modules.Dense;

/// <summary>
/// The cheapest one-to-one assignment of rows to columns (the Hungarian method): shortest augmenting paths as in Crouse, On
/// implementing 2D rectangular assignment algorithms, 2016, which SciPy's linear_sum_assignment follows too; the pairs are the
/// same, and in the same order.
/// </summary>
public static class Assignment
{
    /// <summary>As many pairs as there are rows or columns, whichever are fewer, by ascending row.</summary>
    /// <param name="costs">Row after row, all of them numbers.</param>
    /// <param name="rows">Rows, such as queries.</param>
    /// <param name="columns">Columns, such as objects.</param>
    /// <exception cref="ArgumentException">A cost is no number, or there are not rows * columns of them.</exception>
    public static (long[] Rows, long[] Columns) Solve(ReadOnlySpan<float> costs, int rows, int columns)
    {
        if (costs.Length != rows * columns)
            throw new ArgumentException($"{costs.Length} costs of {rows} rows and {columns} columns");
        foreach (float cost in costs)
            if (!float.IsFinite(cost))
                throw new ArgumentException("a cost of an assignment is not a finite number");
        if (rows == 0 || columns == 0)
            return ([], []);

        // The method gives each row a column, so the fewer of the two are its rows.
        bool swapped = columns < rows;
        var (few, many) = swapped ? (columns, rows) : (rows, columns);
        var table = new double[few * many];
        for (int row = 0; row < few; row++)
            for (int column = 0; column < many; column++)
                table[row * many + column] = swapped ? costs[column * columns + row] : costs[row * columns + column];
        int[] columnOf = new Solver(table, few, many).Solve();

        var pairs = Enumerable.Range(0, few).Select(row => swapped ? (Row: columnOf[row], Column: row) : (Row: row, Column: columnOf[row])).OrderBy(pair => pair.Row).ToArray();
        return ([.. pairs.Select(pair => (long)pair.Row)], [.. pairs.Select(pair => (long)pair.Column)]);
    }

    private sealed class Solver(double[] costs, int rows, int columns)
    {
        private readonly double[] rowPrice = new double[rows], columnPrice = new double[columns], shortest = new double[columns];
        private readonly int[] columnOf = Filled(rows), rowOf = Filled(columns), previous = Filled(columns), open = new int[columns];
        private readonly bool[] rowSeen = new bool[rows], columnSeen = new bool[columns];

        public int[] Solve()
        {
            for (int row = 0; row < rows; row++)
            {
                int free = FindPath(row, out double length);
                UpdatePrices(row, length);
                Augment(row, free);
            }
            return columnOf;
        }

        private static int[] Filled(int length)
        {
            var array = new int[length];
            Array.Fill(array, -1);
            return array;
        }

        // Dijkstra's search from a row without a column to a column without a row, over reduced costs.
        private int FindPath(int start, out double length)
        {
            int left = columns;
            // Backwards, so that of equal columns the last is taken first: SciPy's order.
            for (int i = 0; i < columns; i++)
                open[i] = columns - 1 - i;
            Array.Fill(shortest, double.PositiveInfinity);
            Array.Clear(rowSeen);
            Array.Clear(columnSeen);
            length = 0;
            int row = start;
            while (true)
            {
                rowSeen[row] = true;
                int nearest = -1;
                double least = double.PositiveInfinity;
                for (int i = 0; i < left; i++)
                {
                    int column = open[i];
                    double reduced = length + costs[row * columns + column] - rowPrice[row] - columnPrice[column];
                    if (reduced < shortest[column])
                    {
                        previous[column] = row;
                        shortest[column] = reduced;
                    }
                    // Among equals, one without a row ends the search.
                    if (shortest[column] < least || (shortest[column] == least && rowOf[column] == -1))
                    {
                        least = shortest[column];
                        nearest = i;
                    }
                }
                length = least;
                int chosen = open[nearest];
                columnSeen[chosen] = true;
                open[nearest] = open[--left];
                if (rowOf[chosen] == -1)
                    return chosen;
                row = rowOf[chosen];
            }
        }

        private void UpdatePrices(int start, double length)
        {
            rowPrice[start] += length;
            for (int row = 0; row < rows; row++)
                if (rowSeen[row] && row != start)
                    rowPrice[row] += length - shortest[columnOf[row]];
            for (int column = 0; column < columns; column++)
                if (columnSeen[column])
                    columnPrice[column] -= length - shortest[column];
        }

        private void Augment(int start, int column)
        {
            while (true)
            {
                int row = previous[column];
                rowOf[column] = row;
                (columnOf[row], column) = (column, columnOf[row]);
                if (row == start)
                    return;
            }
        }
    }
}
