using Xunit;

namespace Attention.Tests.Api;

/// <summary>The checks of the API can only be trusted where they see what differs.</summary>
public class ApiToolTests
{
    private static readonly ApiList Sample = new(
    [
        "N.Kind : int | public enum",
        "N.Kind.A = 0 | enum member",
        "N.Base | public abstract class",
        "N.Base.run(N.Base? other, N.Kind? kind = null, params long[] sizes) -> (N.Base values, long) | public method",
        "N.Base.size { get; protected set; } -> long | public property",
        "N.Box<T> : N.Base | public class",
        "N.Box<T>.Box(T item) | public constructor",
        "N.Box<T>.swap<U>(ref T item, System.Func<U, T> make, string text = \"a, b? | c\") -> U where U : N.Base | public static method",
        "N.Box<T>.this[(int? start, int? end) index] { get; } -> T[] | public indexer",
        "N.Box<T>.Part | public class [Obsolete(\"gone, soon\")]",
        "N.Box<T>.Part.whole -> N.Box<T>? | public readonly field",
    ]);

    [Theory]
    [InlineData("N.Base", "run", "(N.Base, N.Kind?, long[]) -> (N.Base, long)")]
    [InlineData("N.Base", "get_size", "() -> long")]
    [InlineData("N.Base", "set_size", "(long) -> void")]
    [InlineData("N.Box`1", ".ctor", "(!0) -> void")]
    [InlineData("N.Box`1", "swap", "(ref !0, System.Func<!!0, !0>, string) -> !!0")]
    [InlineData("N.Box`1", "get_Item", "((int?, int?)) -> !0[]")]
    [InlineData("N.Box`1", "get_size", "() -> long")]
    [InlineData("N.Box.Part`1", "whole", "N.Box<!0>")]
    [InlineData("N.Kind", "A", "N.Kind")]
    public void ReadsMembers(string type, string name, string signature) => Assert.True(Sample.HasMember(type, name, signature));

    [Theory]
    [InlineData("N.Base", "run", "(N.Base, N.Kind, long[]) -> (N.Base, long)")]
    [InlineData("N.Base", "walk", "() -> void")]
    [InlineData("N.Box`2", ".ctor", "(!0) -> void")]
    public void KnowsWhatIsNotThere(string type, string name, string signature) => Assert.False(Sample.HasMember(type, name, signature));

    [Fact]
    public void PrintsAnAssemblyAsTheListDoes()
    {
        var lines = SignatureWriter.Lines(typeof(Printed<>).Assembly, type => type == typeof(Printed<>));
        const string Expected = """
            Attention.Tests.Api.Printed<T> : System.IDisposable where T : class, new() | public abstract class
            Attention.Tests.Api.Printed<T>.Dispose() -> void | public method
            Attention.Tests.Api.Printed<T>.Printed() | protected constructor
            Attention.Tests.Api.Printed<T>.count -> int | protected static readonly field
            Attention.Tests.Api.Printed<T>.pair(T one, float scale = 0.5f, System.DayOfWeek? day = null) -> (T first, int[][,]) | protected virtual method
            Attention.Tests.Api.Printed<T>.size { get; protected set; } -> long? | public abstract property
            """;
        Assert.Equal(Expected, string.Join('\n', lines.Order(StringComparer.Ordinal)));
    }

    [Fact]
    public void FindsTheMembersThatAnAssemblyUses()
    {
        var (members, types) = MemberUses.Read(typeof(ApiToolTests).Assembly.Location, name => name.StartsWith("System.", StringComparison.Ordinal));
        Assert.Contains("System.Collections.Generic.Dictionary`2", types);
        Assert.Contains(new MemberUse("System.Collections.Generic.Dictionary`2", "TryGetValue", "(!0, ref !1) -> bool"), members);
        Assert.Contains(new MemberUse("System.Linq.Enumerable", "ToList", "(System.Collections.Generic.IEnumerable<!!0>) -> System.Collections.Generic.List<!!0>"), members);
    }

    [Fact]
    public void ReportsEachDifference()
    {
        var deviations = new ApiComparison(Sample.Lines,
        [
            "N.Base | public abstract class",
            "N.Base.run(N.Base other, N.Kind? kind, params long[] sizes) -> (N.Base values, long) | public method",
            "N.Base.size { get; protected set; } -> long | public property",
            "N.Base.added() -> void | public method",
            "N.Kind : long | public enum",
            "N.Other | public class",
        ]).Deviations().ToList();
        Assert.Equal(
        [
            "not official: N.Base.added() -> void | public method",
            "differs: N.Base.run(N.Base other, N.Kind? kind, params long[] sizes) -> (N.Base values, long) | public method\n"
                + "      from: N.Base.run(N.Base other, N.Kind? kind = null, params long[] sizes) -> (N.Base values, long) | public method",
            "differs: N.Kind : long | public enum\n      from: N.Kind : int | public enum (not official: long)",
            "not official: N.Other | public class",
        ], deviations);
    }
}

/// <summary>What <see cref="ApiToolTests"/> prints.</summary>
public abstract class Printed<T> : IDisposable where T : class, new()
{
    protected static readonly int count = 1;

    public abstract long? size { get; protected set; }

    public void Dispose() => GC.SuppressFinalize(this);

    protected virtual (T first, int[][,]) pair(T one, float scale = 0.5f, DayOfWeek? day = null) => (one, new int[count][,]);
}
