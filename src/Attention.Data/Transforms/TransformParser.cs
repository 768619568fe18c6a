using System.Globalization;

namespace Attention.Data;

/// <summary>Reads <c>resize(256, bicubic)|center_crop(224)|normalize(imagenet)</c>.</summary>
internal static class TransformParser
{
    public static TransformPipeline Parse(string line)
    {
        var steps = new List<ImageTransform>();
        Normalize? normalize = null;
        if (!string.IsNullOrWhiteSpace(line))
            foreach (string text in line.Split('|'))
            {
                var made = ParseStep(text.Trim(), line);
                if (normalize is not null)
                    throw Wrong(line, $"'{text.Trim()}' follows 'normalize'", "put 'normalize' at the end, once");
                if (made is Normalize last)
                    normalize = last;
                else
                    steps.Add((ImageTransform)made);
            }
        return new TransformPipeline(steps, normalize ?? Normalize.ImageNet, line);
    }

    private static object ParseStep(string text, string line)
    {
        if (text.Length == 0)
            throw Wrong(line, "a step is empty", "write one step between two '|', none at the ends");
        int open = text.IndexOf('(');
        string name = (open < 0 ? text : text[..open]).Trim();
        var kind = TransformCatalogue.Kinds.FirstOrDefault(kind => kind.Name == name)
            ?? throw Wrong(line, $"no step is called '{name}'", $"known: {string.Join(", ", TransformCatalogue.Kinds.Select(kind => kind.Name))}");
        if (open >= 0 && (!text.EndsWith(')') || text.IndexOf(')') != text.Length - 1 || text.LastIndexOf('(') != open))
            throw Wrong(line, $"the parentheses of '{text}' do not match", $"write {kind.Signature}");

        var values = new double?[kind.Arguments.Length];
        string inside = open < 0 ? "" : text[(open + 1)..^1];
        if (!string.IsNullOrWhiteSpace(inside))
            ParseArguments(inside.Split(','), kind, values, line);
        for (int i = 0; i < values.Length; i++)
            values[i] ??= kind.Arguments[i].Default
                ?? throw Wrong(line, $"'{text}' lacks its {kind.Arguments[i].Name}", $"write {kind.Signature}");
        try
        {
            return kind.Make([.. values.Select(value => value!.Value)]);
        }
        catch (ArgumentException e) // values that are in range but contradict each other
        {
            throw Wrong(line, $"'{text}': {e.Message}", $"write {kind.Signature}");
        }
    }

    private static void ParseArguments(string[] items, TransformKind kind, double?[] values, string line)
    {
        bool named = false;
        for (int i = 0; i < items.Length; i++)
        {
            string item = items[i].Trim();
            int equals = item.IndexOf('='), place = i;
            if (equals >= 0)
            {
                string key = item[..equals].Trim();
                item = item[(equals + 1)..].Trim();
                named = true;
                place = Array.FindIndex(kind.Arguments, argument => argument.Name == key);
                if (place < 0)
                    throw Wrong(line, $"'{kind.Name}' has no argument '{key}'", $"write {kind.Signature}");
            }
            else if (named)
                throw Wrong(line, $"'{item}' of '{kind.Name}' follows a named argument", "give it a name too, or put it first");
            if (place >= values.Length)
                throw Wrong(line, $"'{kind.Name}' takes {values.Length} arguments, not {items.Length}", $"write {kind.Signature}");
            if (values[place] is not null)
                throw Wrong(line, $"'{kind.Name}' is given its {kind.Arguments[place].Name} twice", $"write {kind.Signature}");
            values[place] = ParseValue(item, kind, kind.Arguments[place], line);
        }
    }

    private static double ParseValue(string text, TransformKind kind, TransformArgument argument, string line)
    {
        string what = $"the {argument.Name} of '{kind.Name}'";
        if (argument.Words is { } words)
        {
            int word = Array.IndexOf(words, text);
            return word >= 0 ? word : throw Wrong(line, $"{what} is '{text}'", $"allowed: {string.Join(", ", words)}");
        }
        string range = FormattableString.Invariant($"a {(argument.Whole ? "whole " : "")}number from {argument.Min} to {argument.Max}");
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            || !(value >= argument.Min && value <= argument.Max) || (argument.Whole && value != Math.Floor(value)))
            throw Wrong(line, $"{what} is '{text}'", $"write {range}");
        return value;
    }

    private static UserError Wrong(string line, string message, string advice) => new($"transforms '{line}': {message}", advice);
}
