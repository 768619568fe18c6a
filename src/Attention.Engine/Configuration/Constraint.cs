using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;

namespace Attention.Engine.Configuration;

/// <summary>
/// What a value may be, read from the framework's own attributes on the record: <see cref="RangeAttribute"/>,
/// <see cref="AllowedValuesAttribute"/> and <see cref="RegularExpressionAttribute"/> (whose message says in words what the
/// expression means). A constraint on a list or tuple holds for each of its items.
/// </summary>
public abstract record Constraint
{
    /// <summary>The end of "'train.epochs' is 0, but must be ...".</summary>
    public abstract string Allowed { get; }

    public abstract bool Allows(object value);

    /// <summary>The nearest allowed value, where there is a list of them.</summary>
    public virtual string? Nearest(object value) => null;

    internal static Constraint[] Of(MemberInfo member) => member.GetCustomAttributes().Select(attribute => attribute switch
    {
        RangeAttribute range => (Constraint)new Range(Number(range.Minimum), Number(range.Maximum), range.MinimumIsExclusive, range.MaximumIsExclusive),
        AllowedValuesAttribute allowed => new OneOf(allowed.Values.Select(Text).ToArray()),
        RegularExpressionAttribute pattern => new Pattern(pattern.Pattern, pattern.ErrorMessage ?? $"text of the form {pattern.Pattern}"),
        _ => null!,
    }).Where(constraint => constraint is not null).ToArray();

    private static double Number(object value) => Convert.ToDouble(value, CultureInfo.InvariantCulture);

    private static string Text(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture)!;

    public sealed record Range(double Minimum, double Maximum, bool AboveMinimum, bool BelowMaximum) : Constraint
    {
        /// <summary>The limits of the integer types stand for "no limit".</summary>
        public bool HasMinimum => !double.IsNegativeInfinity(Minimum) && Minimum > int.MinValue;
        public bool HasMaximum => !double.IsPositiveInfinity(Maximum) && Maximum != int.MaxValue && Maximum < long.MaxValue;

        public override string Allowed => (HasMinimum, HasMaximum) switch
        {
            (true, true) => $"{(AboveMinimum ? "above" : "from")} {Text(Minimum)} {(BelowMaximum ? "to below" : "to")} {Text(Maximum)}",
            (true, false) => $"{(AboveMinimum ? "above" : "at least")} {Text(Minimum)}",
            _ => $"{(BelowMaximum ? "below" : "at most")} {Text(Maximum)}",
        };

        public override bool Allows(object value)
        {
            var number = Number(value);
            return (AboveMinimum ? number > Minimum : number >= Minimum) && (BelowMaximum ? number < Maximum : number <= Maximum);
        }
    }

    public sealed record OneOf(string[] Values) : Constraint
    {
        public override string Allowed => $"one of: {string.Join(", ", Values)}";
        public override bool Allows(object value) => Values.Contains(Text(value));
        public override string? Nearest(object value) => Spelling.Nearest(Text(value), Values);
    }

    public sealed record Pattern(string Expression, string Words) : Constraint
    {
        public override string Allowed => Words;
        public override bool Allows(object value) => Regex.IsMatch(Text(value), $"^(?:{Expression})$");
    }
}
