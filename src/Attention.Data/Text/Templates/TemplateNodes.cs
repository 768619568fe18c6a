using System.Runtime.CompilerServices;

namespace Attention.Data.Text.Templates;

/// <summary>A part of a template that has a value.</summary>
internal abstract record Expression(int Line)
{
    public object? Evaluate(TemplateScope scope)
    {
        scope.Count(Line);
        RuntimeHelpers.EnsureSufficientExecutionStack();
        return Value(scope);
    }

    protected abstract object? Value(TemplateScope scope);
}

internal sealed record Constant(object? Given, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope) => Given;
}

internal sealed record Name(string Text, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope) => scope.Get(Text);
}

internal sealed record ListOf(Expression[] Items, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope) => Items.Select(item => item.Evaluate(scope)).ToList();
}

internal sealed record MapOf((Expression Key, Expression Value)[] Entries, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope)
    {
        var map = new OrderedDictionary<string, object?>();
        foreach (var (key, value) in Entries)
            map[TemplateValue.Text(key.Evaluate(scope))] = value.Evaluate(scope);
        return map;
    }
}

internal sealed record Choice(Expression Condition, Expression Yes, Expression? No, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope) =>
        TemplateValue.IsTrue(Condition.Evaluate(scope)) ? Yes.Evaluate(scope) : No is null ? new Undefined("the other case") : No.Evaluate(scope);
}

internal sealed record Logic(Expression Left, Expression Right, bool IsOr, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope)
    {
        var left = Left.Evaluate(scope);
        return TemplateValue.IsTrue(left) == IsOr ? left : Right.Evaluate(scope);
    }
}

internal sealed record Negation(Expression Of, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope) => !TemplateValue.IsTrue(Of.Evaluate(scope));
}

internal sealed record Arithmetic(string Sign, Expression Left, Expression Right, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope)
    {
        var value = TemplateValue.Combine(Sign, Left.Evaluate(scope), Right.Evaluate(scope), Line);
        scope.Count(Line, value switch { string text => text.Length / 64, List<object?> list => list.Count, _ => 0 });
        return value;
    }
}

internal sealed record Member(Expression Of, string Name, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope) => Of.Evaluate(scope) switch
    {
        Undefined missing => throw missing.Use(Line),
        TemplateNamespace place => place.Values.GetValueOrDefault(Name, new Undefined(Name)),
        OrderedDictionary<string, object?> map when map.TryGetValue(Name, out var found) => found,
        var value => TemplateMethods.Find(value, Name) ?? (object)new Undefined(Name),
    };
}

internal sealed record Item(Expression Of, Expression Index, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope)
    {
        var (value, index) = (Of.Evaluate(scope), Index.Evaluate(scope));
        switch (value, index)
        {
            case (Undefined missing, _):
                throw missing.Use(Line);
            case (OrderedDictionary<string, object?> map, _):
                return map.TryGetValue(TemplateValue.Text(index), out var found) ? found : new Undefined(TemplateValue.Text(index));
            case (List<object?> list, long at):
                at = at < 0 ? at + list.Count : at;
                return at >= 0 && at < list.Count ? list[(int)at] : new Undefined($"item {index}");
            case (string text, long at):
                at = at < 0 ? at + text.Length : at;
                return at >= 0 && at < text.Length ? text[(int)at].ToString() : new Undefined($"character {index}");
            default:
                return index is string name && TemplateMethods.Find(value, name) is { } method ? method : new Undefined(TemplateValue.Text(index));
        }
    }
}

internal sealed record Slice(Expression Of, Expression? From, Expression? To, Expression? By, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope)
    {
        var value = Of.Evaluate(scope);
        long step = Number(By, scope) ?? 1;
        if (step == 0)
            throw new TemplateError(Line, "the step of a slice is 0");
        int count = value switch { string text => text.Length, List<object?> list => list.Count, Undefined missing => throw missing.Use(Line), _ => throw new TemplateError(Line, $"{TemplateValue.Kind(value)} cannot be sliced") };
        long Clip(long? at, long absent) => at is not { } given ? absent : Math.Clamp(given < 0 ? given + count : given, step > 0 ? 0 : -1, step > 0 ? count : count - 1);
        long start = Clip(Number(From, scope), step > 0 ? 0 : count - 1), end = Clip(Number(To, scope), step > 0 ? count : -1);
        var places = new List<int>();
        for (long at = start; step > 0 ? at < end : at > end; at += step)
            places.Add((int)at);
        scope.Count(Line, places.Count / 64);
        return value is string whole ? string.Concat(places.Select(at => whole[at])) : places.Select(at => ((List<object?>)value!)[at]).ToList();
    }

    private long? Number(Expression? part, TemplateScope scope) => part?.Evaluate(scope) switch
    {
        null => null,
        long number => Math.Clamp(number, int.MinValue, int.MaxValue),
        var other => throw new TemplateError(Line, $"{TemplateValue.Kind(other)} is no place in a slice"),
    };
}

/// <summary>What a call passes on.</summary>
internal sealed record Arguments(Expression[] Values, (string Name, Expression Value)[] Named)
{
    public TemplateArguments Evaluate(TemplateScope scope, int line) =>
        new(scope, line, [.. Values.Select(value => value.Evaluate(scope))], Named.ToDictionary(each => each.Name, each => each.Value.Evaluate(scope)));
}

internal sealed record Call(Expression Of, Arguments Arguments, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope) => Of.Evaluate(scope) switch
    {
        TemplateFunction function => function(Arguments.Evaluate(scope, Line)),
        Undefined missing => throw new TemplateError(Line, $"'{missing.Name}' is not known here"),
        var other => throw new TemplateError(Line, $"{TemplateValue.Kind(other)} cannot be called"),
    };
}

internal sealed record Filter(string Name, Expression Of, Arguments Arguments, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope) => TemplateFunctions.Filters[Name](Of.Evaluate(scope), Arguments.Evaluate(scope, Line));
}

internal sealed record Test(string Name, Expression Of, Expression[] Arguments, int Line) : Expression(Line)
{
    protected override object? Value(TemplateScope scope) =>
        TemplateFunctions.Tests[Name](Of.Evaluate(scope), new Arguments(Arguments, []).Evaluate(scope, Line));
}

/// <summary>A part of a template that writes or sets.</summary>
internal abstract record Statement(int Line)
{
    public abstract void Run(TemplateScope scope);

    protected static void RunAll(Statement[] statements, TemplateScope scope)
    {
        foreach (var statement in statements)
            statement.Run(scope);
    }
}

internal sealed record PlainText(string Text, int Line) : Statement(Line)
{
    public override void Run(TemplateScope scope) => scope.Write(Text, Line);
}

internal sealed record Output(Expression Value, int Line) : Statement(Line)
{
    public override void Run(TemplateScope scope)
    {
        var value = Value.Evaluate(scope);
        if (value is Undefined missing && scope.Strict)
            throw missing.Use(Line);
        scope.Write(TemplateValue.Text(value), Line);
    }
}

internal sealed record If((Expression? Condition, Statement[] Body)[] Cases, int Line) : Statement(Line)
{
    public override void Run(TemplateScope scope)
    {
        foreach (var (condition, body) in Cases)
            if (condition is null || TemplateValue.IsTrue(condition.Evaluate(scope)))
            {
                RunAll(body, scope);
                return;
            }
    }
}

internal sealed record For(string[] Names, Expression Items, Expression? Condition, Statement[] Body, Statement[] Otherwise, int Line) : Statement(Line)
{
    // What a round costs beside its body.
    private const int StepsOfRound = 10;

    public override void Run(TemplateScope scope)
    {
        var items = TemplateValue.Items(Items.Evaluate(scope), Line).ToList();
        if (Condition is not null)
            items = items.FindAll(item => TemplateValue.IsTrue(Condition.Evaluate(With(scope, item))));
        if (items.Count == 0)
            RunAll(Otherwise, scope);
        for (int i = 0; i < items.Count; i++)
        {
            var inner = With(scope, items[i]);
            inner.Set("loop", Loop(items, i));
            try
            {
                RunAll(Body, inner);
            }
            catch (LoopJump jump)
            {
                if (jump.IsBreak)
                    break;
            }
        }
    }

    private TemplateScope With(TemplateScope scope, object? item)
    {
        scope.Count(Line, StepsOfRound);
        var inner = scope.Inner();
        if (Names.Length == 1)
        {
            inner.Set(Names[0], item);
            return inner;
        }
        TemplateValue.Unpack(Names, item, inner, Line);
        return inner;
    }

    private static OrderedDictionary<string, object?> Loop(List<object?> items, int at) => new()
    {
        ["index"] = at + 1L,
        ["index0"] = (long)at,
        ["revindex"] = (long)items.Count - at,
        ["revindex0"] = items.Count - at - 1L,
        ["first"] = at == 0,
        ["last"] = at == items.Count - 1,
        ["length"] = (long)items.Count,
        ["previtem"] = at > 0 ? items[at - 1] : new Undefined("loop.previtem"),
        ["nextitem"] = at + 1 < items.Count ? items[at + 1] : new Undefined("loop.nextitem"),
        ["cycle"] = (TemplateFunction)(arguments => arguments.Values.Count > 0 ? arguments.Values[at % arguments.Values.Count] : null),
    };
}

/// <summary>Leaves a round of a loop, or the loop.</summary>
internal sealed class LoopJump(bool isBreak, int line) : Exception("break or continue stands outside of a loop")
{
    public bool IsBreak => isBreak;
    public int Line => line;
}

internal sealed record Jump(bool IsBreak, int Line) : Statement(Line)
{
    public override void Run(TemplateScope scope) => throw new LoopJump(IsBreak, Line);
}

internal sealed record Set(string[] Names, string? Attribute, Expression? Value, Statement[]? Body, int Line) : Statement(Line)
{
    public override void Run(TemplateScope scope)
    {
        object? value;
        if (Value is not null)
            value = Value.Evaluate(scope);
        else
        {
            var aside = scope.Aside();
            RunAll(Body!, aside);
            value = aside.Written.ToString();
        }
        if (Attribute is null && Names.Length == 1)
            scope.Set(Names[0], value);
        else if (Attribute is null)
            TemplateValue.Unpack(Names, value, scope, Line);
        else if (scope.Get(Names[0]) is TemplateNamespace place)
            place.Values[Attribute] = value;
        else
            throw new TemplateError(Line, $"'{Names[0]}' is no namespace, so '{Attribute}' of it cannot be set");
    }
}

internal sealed record Macro(string Name, (string Name, Expression? Default)[] Parameters, Statement[] Body, int Line) : Statement(Line)
{
    public override void Run(TemplateScope scope) => scope.Set(Name, (TemplateFunction)(arguments =>
    {
        // From the place of the call, so that macros that call themselves are stopped.
        var inner = arguments.Scope.Aside();
        for (int i = 0; i < Parameters.Length; i++)
        {
            var (name, absent) = Parameters[i];
            inner.Set(name, i < arguments.Values.Count ? arguments.Values[i] : arguments.Named.TryGetValue(name, out var given) ? given
                : absent is null ? new Undefined(name) : absent.Evaluate(scope));
        }
        RunAll(Body, inner);
        return inner.Written.ToString();
    }));
}

internal sealed record Generation(Statement[] Body, int Line) : Statement(Line)
{
    public override void Run(TemplateScope scope)
    {
        int start = scope.Written.Length;
        RunAll(Body, scope);
        scope.Generated.Add((start, scope.Written.Length));
    }
}
