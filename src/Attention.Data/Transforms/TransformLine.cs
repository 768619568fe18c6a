namespace Attention.Data;

/// <summary>A step as it is written: <c>name(value, name=value)</c>.</summary>
/// <param name="Name">The step.</param>
/// <param name="Position">Where it begins in the line, from 0.</param>
/// <param name="Arguments">What stands in its brackets.</param>
internal sealed record TransformCall(string Name, int Position, IReadOnlyList<WrittenArgument> Arguments);

/// <summary>An argument by its place, or by its name where it has one.</summary>
internal sealed record WrittenArgument(string? Name, WrittenValue Value, int Position);

/// <summary>A word or number, or several in brackets.</summary>
internal sealed record WrittenValue(string Text, int Position, IReadOnlyList<string> Items);

/// <summary>Takes a line of transforms apart. Knows nothing of what they mean.</summary>
internal ref struct TransformLine
{
    private readonly string _line;
    private int _position;

    private TransformLine(string line) => _line = line;

    /// <summary>The steps of a line; none for an empty one.</summary>
    /// <exception cref="UserError">The line does not follow the form.</exception>
    public static IReadOnlyList<TransformCall> Parse(string line)
    {
        var parser = new TransformLine(line);
        var calls = new List<TransformCall>();
        if (line.Trim().Length > 0)
            do
                calls.Add(parser.Call());
            while (parser.Skip('|'));
        return parser.AtEnd ? calls : throw parser.Unexpected("'|' or the end of the line");
    }

    public static UserError Error(string line, int position, string what, string advice) =>
        new($"transforms '{line}', column {position + 1}: {what}", advice);

    private bool AtEnd
    {
        get
        {
            SkipSpace();
            return _position == _line.Length;
        }
    }

    private TransformCall Call()
    {
        string name = Word("the name of a transform", out int position);
        var arguments = new List<WrittenArgument>();
        if (Skip('(') && !Skip(')'))
        {
            do
                arguments.Add(Argument());
            while (Skip(','));
            if (!Skip(')'))
                throw Unexpected("',' or ')'");
        }
        return new TransformCall(name, position, arguments);
    }

    private WrittenArgument Argument()
    {
        var value = Value();
        if (value.Items.Count != 1 || !Skip('='))
            return new WrittenArgument(null, value, value.Position);
        return new WrittenArgument(value.Text, Value(), value.Position);
    }

    private WrittenValue Value()
    {
        SkipSpace();
        int start = _position;
        if (!Skip('('))
        {
            string word = Word("a value", out start);
            return new WrittenValue(word, start, [word]);
        }
        var items = new List<string>();
        do
            items.Add(Word("a value", out _));
        while (Skip(','));
        if (!Skip(')'))
            throw Unexpected("',' or ')'");
        return new WrittenValue(_line[start.._position], start, items);
    }

    private string Word(string wanted, out int start)
    {
        SkipSpace();
        start = _position;
        while (_position < _line.Length && !char.IsWhiteSpace(_line[_position]) && !"|(),=".Contains(_line[_position]))
            _position++;
        return _position > start ? _line[start.._position] : throw Unexpected(wanted);
    }

    private bool Skip(char wanted)
    {
        SkipSpace();
        if (_position == _line.Length || _line[_position] != wanted)
            return false;
        _position++;
        return true;
    }

    private void SkipSpace()
    {
        while (_position < _line.Length && char.IsWhiteSpace(_line[_position]))
            _position++;
    }

    private readonly UserError Unexpected(string wanted) => Error(_line, _position,
        $"expected {wanted}, found {(_position < _line.Length ? $"'{_line[_position]}'" : "the end of the line")}",
        "write it like random_resized_crop(224, scale=(0.35, 1))|hflip(0.5)");
}
