using System.Text;

namespace Attention.Data.Text.Templates;

/// <summary>An error in a template, with the line where it is.</summary>
internal sealed class TemplateError(int line, string what, string advice = "correct the template, or give another one") : UserError($"the template, line {line}: {what}", advice);

/// <summary>The names that are known at a place, and what all places share: the text so far and the work done.</summary>
internal sealed class TemplateScope
{
    private const int MostSteps = 2_000_000, MostText = 64 << 20, Deepest = 64;
    private readonly Dictionary<string, object?> names = [];
    private readonly TemplateScope? outer;
    private readonly IReadOnlyDictionary<string, object?>? given;
    private readonly Budget budget;
    private readonly int depth;

    public TemplateScope(IReadOnlyDictionary<string, object?> given, bool strict) => (this.given, budget, Written, Generated) = (given, new Budget { Strict = strict }, new(), []);

    private TemplateScope(TemplateScope outer, StringBuilder written)
    {
        (this.outer, budget, Written, Generated, depth) = (outer, outer.budget, written, outer.Generated, outer.depth + 1);
        if (depth > Deepest)
            throw new TemplateError(1, $"it is nested more than {Deepest} deep");
    }

    public StringBuilder Written { get; }

    public List<(int Start, int End)> Generated { get; }

    public bool Strict => budget.Strict;

    public TemplateScope Inner() => new(this, Written);

    /// <summary>A scope that writes to a text of its own.</summary>
    public TemplateScope Aside() => new(this, new StringBuilder());

    public void Set(string name, object? value) => names[name] = value;

    public object? Get(string name)
    {
        for (var scope = this; scope is not null; scope = scope.outer)
            if (scope.names.TryGetValue(name, out var value) || scope.given?.TryGetValue(name, out value) == true)
                return value;
        return TemplateFunctions.Globals.TryGetValue(name, out var function) ? function : new Undefined(name);
    }

    public void Write(string text, int line)
    {
        Count(line);
        if ((budget.Text += text.Length) > MostText)
            throw new TemplateError(line, $"it writes more than {MostText >> 20} MiB");
        Written.Append(text);
    }

    public void Count(int line, long steps = 1)
    {
        if ((budget.Steps += steps) > MostSteps)
            throw new TemplateError(line, $"it works for more than {MostSteps} steps");
    }

    private sealed class Budget
    {
        public bool Strict { get; init; }
        public long Steps { get; set; }
        public long Text { get; set; }
    }
}
