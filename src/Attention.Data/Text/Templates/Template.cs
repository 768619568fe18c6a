using Attention.Data.Text.Templates;

namespace Attention.Data.Text;

/// <summary>How a template reads its own text.</summary>
public sealed record TemplateOptions
{
    /// <summary>As transformers reads chat templates.</summary>
    public static TemplateOptions Chat { get; } = new() { TrimBlocks = true, StripBeforeBlocks = true };

    /// <summary>As lm-evaluation-harness reads the prompts of its tasks.</summary>
    public static TemplateOptions Task { get; } = new() { KeepLastNewline = true, StrictUndefined = true };

    /// <summary>Whether the line break after a block is dropped.</summary>
    public bool TrimBlocks { get; init; }

    /// <summary>Whether spaces before a block at the beginning of a line are dropped.</summary>
    public bool StripBeforeBlocks { get; init; }

    /// <summary>Whether a line break at the template's end stays.</summary>
    public bool KeepLastNewline { get; init; }

    /// <summary>Whether the use of an unknown name is an error, rather than nothing.</summary>
    public bool StrictUndefined { get; init; }
}

/// <summary>
/// A template in the language of Jinja, as far as chat templates use it: <c>for</c> (with <c>if</c>, <c>else</c>, <c>break</c>,
/// <c>continue</c>), <c>if</c>, <c>set</c>, <c>macro</c>, <c>generation</c>, expressions with filters, tests and the methods of
/// strings, lists and maps. A template is a stranger's program: it reaches nothing but the values it is given, and is stopped
/// where it works or writes too much.
/// </summary>
public sealed class Template
{
    private readonly Statement[] statements;
    private readonly TemplateOptions options;

    private Template(Statement[] statements, TemplateOptions options) => (this.statements, this.options) = (statements, options);

    /// <summary>Whether it marks the answers by <c>generation</c> blocks.</summary>
    public bool HasGenerationBlocks { get; private init; }

    /// <exception cref="UserError">It is no template, or uses something that is not known here.</exception>
    public static Template Parse(string text, TemplateOptions? options = null)
    {
        options ??= new();
        var parser = new TemplateParser(TemplateLexer.Split(text, options));
        return new Template(parser.ParseAll(), options) { HasGenerationBlocks = parser.SawGeneration };
    }

    /// <summary>An expression alone, such as <c>choices.text</c>; <see cref="Evaluate"/> gives its value.</summary>
    public static Template Expression(string text) => new([new Output(new TemplateParser(TemplateLexer.Inside(text)).ParseWhole(), 1)], TemplateOptions.Task);

    /// <summary>The text that it makes of values.</summary>
    /// <param name="values">Values by name: null, bool, long, double, string, lists and maps with text as keys.</param>
    /// <exception cref="UserError">It refuses the values, or works or writes too much.</exception>
    public string Render(IReadOnlyDictionary<string, object?> values) => Render(values, out _);

    /// <summary>The text, and where its <c>generation</c> blocks begin and end in it.</summary>
    public string Render(IReadOnlyDictionary<string, object?> values, out IReadOnlyList<(int Start, int End)> generated)
    {
        var scope = new TemplateScope(values, options.StrictUndefined);
        try
        {
            foreach (var statement in statements)
                statement.Run(scope);
        }
        catch (LoopJump jump)
        {
            throw new TemplateError(jump.Line, jump.Message);
        }
        catch (InsufficientExecutionStackException)
        {
            throw new TemplateError(1, "it is nested too deep");
        }
        generated = scope.Generated;
        return scope.Written.ToString();
    }

    /// <summary>The value of a template made by <see cref="Expression"/>.</summary>
    public object? Evaluate(IReadOnlyDictionary<string, object?> values)
    {
        var value = ((Output)statements[0]).Value.Evaluate(new TemplateScope(values, options.StrictUndefined));
        return (value is List<object?> list ? list.Find(item => item is Undefined) : value) is Undefined missing ? throw missing.Use(1) : value;
    }

    /// <summary>A JSON value as a value of templates.</summary>
    public static object? FromJson(System.Text.Json.JsonElement json) => TemplateValue.FromJson(json);
}
