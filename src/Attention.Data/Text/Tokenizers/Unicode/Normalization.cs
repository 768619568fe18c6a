using System.Globalization;
using System.Text;

namespace Attention.Data.Text;

/// <summary>
/// Unicode's normalisation forms (UAX 15). The runtime's own need ICU, which programs in invariant mode do without. Lone
/// surrogates pass through.
/// </summary>
internal static class Normalization
{
    private const int HangulBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7;
    private const int VowelCount = 21, TrailCount = 28, LeadCount = 19, HangulCount = LeadCount * VowelCount * TrailCount;

    private static readonly Lazy<Tables> tables = new(Tables.Read);

    /// <summary>NFC, or NFKC where <paramref name="compatible"/>.</summary>
    public static string Compose(string text, bool compatible = false)
    {
        if (Ascii.IsValid(text))
            return text;
        var points = Decomposed(text, compatible);
        Recompose(points);
        return ToString(points);
    }

    /// <summary>NFD, or NFKD where <paramref name="compatible"/>.</summary>
    public static string Decompose(string text, bool compatible = false) =>
        Ascii.IsValid(text) ? text : ToString(Decomposed(text, compatible));

    private static List<int> Decomposed(string text, bool compatible)
    {
        var points = new List<int>(text.Length + 8);
        for (int i = 0; i < text.Length;)
            Decompose(RawText.Next(text, ref i), compatible, points);
        SortMarks(points);
        return points;
    }

    private static void Decompose(int point, bool compatible, List<int> output)
    {
        if (point is >= HangulBase and < HangulBase + HangulCount)
        {
            int index = point - HangulBase;
            output.Add(LeadBase + index / (VowelCount * TrailCount));
            output.Add(VowelBase + index % (VowelCount * TrailCount) / TrailCount);
            if (index % TrailCount != 0)
                output.Add(TrailBase + index % TrailCount);
        }
        else if (point >= 0x80 && tables.Value.Decompositions.TryGetValue(point, out var found) && (compatible || !found.IsCompatible))
            foreach (int part in found.Parts)
                Decompose(part, compatible, output);
        else
            output.Add(point);
    }

    /// <summary>Puts every run of marks into the order of their classes, keeping the order of equals.</summary>
    private static void SortMarks(List<int> points)
    {
        for (int i = 1; i < points.Count; i++)
        {
            int mark = points[i], markClass = tables.Value.Class(mark), place = i;
            if (markClass == 0)
                continue;
            for (; place > 0 && tables.Value.Class(points[place - 1]) > markClass; place--)
                points[place] = points[place - 1];
            points[place] = mark;
        }
    }

    private static void Recompose(List<int> points)
    {
        int starter = -1, lastClass = 0, count = 0;
        foreach (int point in points.ToArray())
        {
            int pointClass = tables.Value.Class(point);
            bool isBlocked = starter >= 0 && count - 1 > starter && (lastClass >= pointClass || lastClass == 0);
            if (starter >= 0 && !isBlocked && Pair(points[starter], point) is { } composed)
            {
                points[starter] = composed;
                continue;
            }
            if (pointClass == 0)
                starter = count;
            lastClass = pointClass;
            points[count++] = point;
        }
        points.RemoveRange(count, points.Count - count);
    }

    private static int? Pair(int first, int second)
    {
        if (first is >= LeadBase and < LeadBase + LeadCount && second is >= VowelBase and < VowelBase + VowelCount)
            return HangulBase + ((first - LeadBase) * VowelCount + second - VowelBase) * TrailCount;
        if (first is >= HangulBase and < HangulBase + HangulCount && (first - HangulBase) % TrailCount == 0 && second is > TrailBase and < TrailBase + TrailCount)
            return first + second - TrailBase;
        return tables.Value.Compositions.TryGetValue((first, second), out int composed) ? composed : null;
    }

    private static string ToString(List<int> points)
    {
        var text = new StringBuilder(points.Count);
        foreach (int point in points)
            RawText.Append(text, point);
        return text.ToString();
    }

    private sealed class Tables
    {
        private readonly Dictionary<int, byte> classes = [];

        public Dictionary<int, (int[] Parts, bool IsCompatible)> Decompositions { get; } = [];
        public Dictionary<(int, int), int> Compositions { get; } = [];

        public int Class(int point) => point < 0x300 ? 0 : classes.GetValueOrDefault(point);

        public static Tables Read()
        {
            var tables = new Tables();
            var excluded = new HashSet<int>();
            using var reader = new StreamReader(typeof(Tables).Assembly.GetManifestResourceStream("Attention.Data.normalization.txt")!);
            while (reader.ReadLine() is { } line)
            {
                if (line.StartsWith('#'))
                    continue;
                int mark = line.AsSpan().IndexOfAny("!:>~");
                int point = Hex(line.AsSpan(0, mark));
                if (line[mark] == '!')
                    excluded.Add(point);
                else if (line[mark] == ':')
                    tables.classes[point] = byte.Parse(line.AsSpan(mark + 1), CultureInfo.InvariantCulture);
                else
                    tables.Decompositions[point] = ([.. line[(mark + 1)..].Split(' ').Select(part => Hex(part))], line[mark] == '~');
            }
            foreach (var (point, (parts, isCompatible)) in tables.Decompositions)
                if (!isCompatible && parts.Length == 2 && !excluded.Contains(point))
                    tables.Compositions[(parts[0], parts[1])] = point;
            return tables;
        }

        private static int Hex(ReadOnlySpan<char> text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
