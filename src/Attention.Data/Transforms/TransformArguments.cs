using System.Globalization;

namespace Attention.Data;

/// <summary>The arguments of one step, checked as they are asked for.</summary>
internal sealed class TransformArguments
{
    private const int MaxLength = 65535;

    private readonly string _line;
    private readonly TransformCall _call;
    private readonly TransformSyntax _syntax;
    private readonly Dictionary<string, WrittenValue> _values = [];
    private readonly HashSet<string> _given;

    public TransformArguments(string line, TransformCall call, TransformSyntax syntax)
    {
        (_line, _call, _syntax) = (line, call, syntax);
        var declared = syntax.Declaration.Arguments;
        var names = declared.Select(NameOf).ToArray();
        for (int place = 0; place < call.Arguments.Count; place++)
        {
            var argument = call.Arguments[place];
            if (argument.Name is null && place >= names.Length)
                throw Fail(argument.Position, $"'{call.Name}' takes {Count(names.Length)}, not {call.Arguments.Count}");
            if (argument.Name is null && call.Arguments.Take(place).Any(before => before.Name is not null))
                throw Fail(argument.Position, $"'{argument.Value.Text}' stands behind an argument with a name");
            string name = argument.Name ?? names[place];
            if (!names.Contains(name))
                throw Fail(argument.Position, $"'{call.Name}' has no argument '{name}'", Spelling.Nearest(name, names));
            if (!_values.TryAdd(name, argument.Value))
                throw Fail(argument.Position, $"'{name}' is given twice");
        }
        _given = [.. _values.Keys];
        foreach (var argument in declared)
            if (argument.Name is not null)
                _values.TryAdd(argument.Name, argument.Value);
            else if (!_values.ContainsKey(argument.Value.Text))
                throw Fail(call.Position, $"'{call.Name}' needs its argument '{argument.Value.Text}'");
    }

    /// <summary>Whether the line gives an argument, rather than its default.</summary>
    public bool IsGiven(string name) => _given.Contains(name);

    /// <summary>An argument as it is written.</summary>
    public string Text(string name) => _values[name].Text;

    /// <summary>A whole number of pixels that is not too small.</summary>
    public int Pixels(string name, int low = 1) =>
        int.TryParse(Text(name), NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= low && number <= MaxLength
            ? number
            : throw Wrong(name, $"a whole number from {low} to {MaxLength}");

    /// <summary>One number of pixels, or several in brackets.</summary>
    public int[] AllPixels(string name)
    {
        int[] numbers = [.. _values[name].Items.Select(item => int.TryParse(item, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0)];
        return numbers.All(number => number is > 0 and <= MaxLength) ? numbers : throw Wrong(name, $"a whole number from 1 to {MaxLength}, or several as (480, 512, 544)");
    }

    /// <summary>A whole number within limits.</summary>
    public int Whole(string name, int low, int high) =>
        int.TryParse(Text(name), NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= low && number <= high
            ? number
            : throw Wrong(name, $"a whole number from {low} to {high}");

    /// <summary>A number within limits.</summary>
    public double Real(string name, double low, double high) =>
        Number(Text(name)) is { } number && number >= low && number <= high
            ? number
            : throw Wrong(name, string.Create(CultureInfo.InvariantCulture, $"a number from {low} to {high}"));

    /// <summary>One of some words.</summary>
    public string OneOf(string name, IReadOnlyList<string> words) =>
        words.Contains(Text(name)) ? Text(name) : throw Wrong(name, $"one of: {string.Join(", ", words)}");

    /// <summary>A colour whose parts are numbers from 0 to 1, or the mean of known constants.</summary>
    public Colour Fill(string name)
    {
        float[] parts = Colour(name, known => known.Mean);
        if (parts.Any(part => part is < 0 or > 1))
            throw Wrong(name, "a number from 0 to 1, or three of them as (r, g, b)");
        byte Byte(float part) => (byte)Math.Min(255, Math.Round(part * 255.0));
        return new Colour(Byte(parts[0]), Byte(parts[1]), Byte(parts[2]));
    }

    public double Probability(string name) =>
        Number(Text(name)) is >= 0 and <= 1 and var number ? number : throw Wrong(name, "a number from 0 to 1");

    /// <summary>Two numbers above 0, the second not below the first.</summary>
    public (double Low, double High) Range(string name, double high) =>
        _values[name].Items is [var first, var second] && Number(first) is > 0 and var from && Number(second) is var to && to >= from && to <= high
            ? (from, to.Value)
            : throw Wrong(name, $"a range such as {Default(name)}, above 0 and up to {high.ToString(CultureInfo.InvariantCulture)}");

    /// <summary>One of the names of an enumeration, in lower case.</summary>
    public T Choice<T>(string name) where T : struct, Enum
    {
        var names = Enum.GetNames<T>().Select(known => known.ToLowerInvariant()).ToArray();
        int place = Array.IndexOf(names, _values[name].Text);
        return place >= 0 ? Enum.GetValues<T>()[place] : throw Wrong(name, $"one of: {string.Join(", ", names)}");
    }

    /// <summary>A number for each of red, green and blue, or one for all of them, or the name of known constants.</summary>
    public float[] Colour(string name, Func<Normalize, IReadOnlyList<float>> known, double above = double.NegativeInfinity)
    {
        if (Normalize.Named.TryGetValue(Text(name), out var constants))
            return [.. known(constants)];
        float[] numbers = [.. _values[name].Items.Select(item => (float)(Number(item) ?? double.NaN)).Where(number => number > above)];
        if (numbers.Length != _values[name].Items.Count || numbers.Length is not (1 or 3))
            throw Wrong(name, $"a number{(above == 0 ? " above 0" : "")}, three of them as (r, g, b), or one of: {string.Join(", ", Normalize.Named.Keys)}");
        return numbers.Length == 1 ? [numbers[0], numbers[0], numbers[0]] : numbers;
    }

    /// <summary>The error that an argument is not what it has to be.</summary>
    public UserError Wrong(string name, string allowed) =>
        Fail(_values[name].Position, $"'{name}' of '{_call.Name}' is {Text(name)}, but must be {allowed}");

    private static string NameOf(WrittenArgument declared) => declared.Name ?? declared.Value.Text;

    private static string Count(int arguments) => arguments == 1 ? "one argument" : $"at most {arguments} arguments";

    // A number, or a fraction such as 4/3.
    private static double? Number(string text)
    {
        var parts = text.Split('/');
        const NumberStyles styles = NumberStyles.Float;
        if (!double.TryParse(parts[0], styles, CultureInfo.InvariantCulture, out double number) || !double.IsFinite(number))
            return null;
        if (parts.Length == 1)
            return number;
        return parts.Length == 2 && double.TryParse(parts[1], styles, CultureInfo.InvariantCulture, out double divisor) && divisor > 0 ? number / divisor : null;
    }

    private string Default(string name) => _syntax.Declaration.Arguments.First(declared => NameOf(declared) == name).Value.Text;

    private UserError Fail(int position, string what, string? near = null) =>
        TransformLine.Error(_line, position, what, near is null ? $"usage: {_syntax.Signature}" : $"did you mean '{near}'? usage: {_syntax.Signature}");
}
