using System.Globalization;

namespace Attention.Data.Text.Templates;

/// <summary>Builds statements and expressions, with Jinja's precedence.</summary>
internal sealed class TemplateParser(List<TemplateToken> tokens)
{
    private const int Deepest = 200;
    private int position, depth;

    /// <summary>Whether there was a <c>generation</c> block.</summary>
    public bool SawGeneration { get; private set; }

    private TemplateToken Now => tokens[position];

    public Statement[] ParseAll()
    {
        var all = Statements();
        return Now.Kind == TokenKind.End ? all : throw Unexpected("the template's end");
    }

    /// <summary>An expression and nothing after it.</summary>
    public Expression ParseWhole()
    {
        var value = ParseExpression();
        return Now.Kind == TokenKind.End ? value : throw Unexpected("the expression's end");
    }

    // Up to the template's end or a block that begins with one of the words, which is left to the caller.
    private Statement[] Statements(params string[] ends)
    {
        if (++depth > Deepest)
            throw new TemplateError(Now.Line, $"it is nested more than {Deepest} deep");
        var found = new List<Statement>();
        while (Now.Kind != TokenKind.End)
        {
            if (Now.Kind == TokenKind.Text)
                found.Add(new PlainText(Now.Text, tokens[position++].Line));
            else if (Now.Kind == TokenKind.OpenValue)
            {
                int line = tokens[position++].Line;
                found.Add(new Output(Tuple(), line));
                Take(TokenKind.CloseValue, "}}");
            }
            else if (ends.Contains(tokens[position + 1].Text))
                break;
            else
                found.Add(Block());
        }
        depth--;
        return [.. found];
    }

    private Statement Block()
    {
        position++;
        var word = Take(TokenKind.Name, "a word");
        switch (word.Text)
        {
            case "if":
                return If(word.Line);
            case "for":
                return For(word.Line);
            case "set":
                return Set(word.Line);
            case "macro":
                return Macro(word.Line);
            case "generation":
                SawGeneration = true;
                Close();
                var body = Statements("endgeneration");
                End("endgeneration");
                return new Generation(body, word.Line);
            case "break" or "continue":
                Close();
                return new Jump(word.Text == "break", word.Line);
            default:
                throw new TemplateError(word.Line, $"'{word.Text}' is not known here", "known are for, if, set, macro, generation, break and continue");
        }
    }

    private If If(int line)
    {
        var cases = new List<(Expression?, Statement[])>();
        var condition = ParseExpression();
        Close();
        cases.Add((condition, Statements("elif", "else", "endif")));
        while (true)
        {
            if (Now.Kind == TokenKind.End)
                throw Unexpected("endif");
            position++;
            var word = Take(TokenKind.Name, "endif");
            if (word.Text == "elif")
            {
                condition = ParseExpression();
                Close();
                cases.Add((condition, Statements("elif", "else", "endif")));
            }
            else if (word.Text == "else")
            {
                Close();
                cases.Add((null, Statements("endif")));
            }
            else
            {
                Close();
                return new If([.. cases], line);
            }
        }
    }

    private For For(int line)
    {
        var names = Targets();
        if (!TakeName("in"))
            throw Unexpected("in");
        var items = Or();
        var condition = TakeName("if") ? ParseExpression() : null;
        Close();
        var body = Statements("else", "endfor");
        Statement[] otherwise = [];
        if (Now.Kind != TokenKind.End && tokens[position + 1].Text == "else")
        {
            position += 2;
            Close();
            otherwise = Statements("endfor");
        }
        End("endfor");
        return new For(names, items, condition, body, otherwise, line);
    }

    private string[] Targets()
    {
        bool inside = TakeSign("(");
        var names = new List<string> { Take(TokenKind.Name, "a name").Text };
        while (TakeSign(","))
            names.Add(Take(TokenKind.Name, "a name").Text);
        if (inside)
            Sign(")");
        return [.. names];
    }

    private Set Set(int line)
    {
        var names = Targets();
        var attribute = names.Length == 1 && TakeSign(".") ? Take(TokenKind.Name, "a name").Text : null;
        if (TakeSign("="))
        {
            var value = Tuple();
            Close();
            return new Set(names, attribute, value, null, line);
        }
        Close();
        var body = Statements("endset");
        End("endset");
        return new Set(names, attribute, null, body, line);
    }

    private Macro Macro(int line)
    {
        var name = Take(TokenKind.Name, "a name").Text;
        Sign("(");
        var parameters = new List<(string, Expression?)>();
        while (!TakeSign(")"))
        {
            var parameter = Take(TokenKind.Name, "a name").Text;
            parameters.Add((parameter, TakeSign("=") ? ParseExpression() : null));
            if (!TakeSign(",") && Now.Text != ")")
                throw Unexpected(")");
        }
        Close();
        var body = Statements("endmacro");
        End("endmacro");
        return new Macro(name, [.. parameters], body, line);
    }

    private void Close() => Take(TokenKind.CloseBlock, "%}");

    private void End(string word)
    {
        if (Now.Kind == TokenKind.End)
            throw Unexpected(word);
        position++;
        if (!TakeName(word))
            throw Unexpected(word);
        Close();
    }

    // One expression, or several with commas between, which make a list.
    private Expression Tuple()
    {
        var first = ParseExpression();
        if (Now is not { Kind: TokenKind.Sign, Text: "," })
            return first;
        var items = new List<Expression> { first };
        while (TakeSign(","))
            if (Now.Kind is not (TokenKind.CloseBlock or TokenKind.CloseValue))
                items.Add(ParseExpression());
        return new ListOf([.. items], first.Line);
    }

    private Expression ParseExpression()
    {
        if (++depth > Deepest)
            throw new TemplateError(Now.Line, $"it is nested more than {Deepest} deep");
        var value = Or();
        while (Now is { Kind: TokenKind.Name, Text: "if" })
        {
            int line = tokens[position++].Line;
            var condition = Or();
            value = new Choice(condition, value, TakeName("else") ? ParseExpression() : null, line);
        }
        depth--;
        return value;
    }

    private Expression Or()
    {
        var left = And();
        while (Now is { Kind: TokenKind.Name, Text: "or" } && tokens[position++] is var at)
            left = new Logic(left, And(), IsOr: true, at.Line);
        return left;
    }

    private Expression And()
    {
        var left = Not();
        while (Now is { Kind: TokenKind.Name, Text: "and" } && tokens[position++] is var at)
            left = new Logic(left, Not(), IsOr: false, at.Line);
        return left;
    }

    private Expression Not()
    {
        int line = Now.Line, times = 0;
        while (TakeName("not"))
            times++;
        var value = Compare();
        for (; times > 0; times--)
            value = new Negation(value, line);
        return value;
    }

    private Expression Compare()
    {
        var left = Sum();
        Expression? whole = null;
        while (true)
        {
            int line = Now.Line;
            bool negate = Now is { Kind: TokenKind.Name, Text: "not" } && tokens[position + 1] is { Kind: TokenKind.Name, Text: "in" };
            if (negate)
                position++;
            string sign;
            if (TakeName("in"))
                sign = "in";
            else if (Now.Kind == TokenKind.Sign && Now.Text is "==" or "!=" or "<" or ">" or "<=" or ">=")
                sign = tokens[position++].Text;
            else
                return whole ?? left;
            var right = Sum();
            Expression link = new Arithmetic(sign, left, right, line);
            link = negate ? new Negation(link, line) : link;
            whole = whole is null ? link : new Logic(whole, link, IsOr: false, line);
            left = right;
        }
    }

    private Expression Sum() => Chain(Concatenation, "+", "-");

    private Expression Concatenation() => Chain(Product, "~");

    private Expression Product() => Chain(Power, "*", "/", "//", "%");

    private Expression Power() => Chain(() => Unary(), "**");

    private Expression Chain(Func<Expression> part, params string[] signs)
    {
        var left = part();
        while (Now.Kind == TokenKind.Sign && signs.Contains(Now.Text))
        {
            var sign = tokens[position++];
            left = new Arithmetic(sign.Text, left, part(), sign.Line);
        }
        return left;
    }

    private Expression Unary(bool withFilters = true)
    {
        int line = Now.Line;
        if (++depth > Deepest)
            throw new TemplateError(line, $"it is nested more than {Deepest} deep");
        var value = TakeSign("-") ? new Arithmetic("-", new Constant(0L, line), Unary(withFilters: false), line)
            : TakeSign("+") ? Unary(withFilters: false) : Primary();
        depth--;
        value = Postfix(value);
        return withFilters ? Filters(value) : value;
    }

    private Expression Primary()
    {
        var token = tokens[position++];
        switch (token.Kind)
        {
            case TokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new Constant(true, token.Line),
                    "false" or "False" => new Constant(false, token.Line),
                    "none" or "None" => new Constant(null, token.Line),
                    _ => new Name(token.Text, token.Line),
                };
            case TokenKind.Quoted:
                var text = token.Text;
                while (Now.Kind == TokenKind.Quoted)
                    text += tokens[position++].Text;
                return new Constant(text, token.Line);
            case TokenKind.Whole when long.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out long whole):
                return new Constant(whole, token.Line);
            case TokenKind.Real when double.TryParse(token.Text, CultureInfo.InvariantCulture, out double real):
                return new Constant(real, token.Line);
            case TokenKind.Sign when token.Text == "(":
                var items = Items(")", out bool isList);
                return items.Length == 1 && !isList ? items[0] : new ListOf(items, token.Line);
            case TokenKind.Sign when token.Text == "[":
                return new ListOf(Items("]", out _), token.Line);
            case TokenKind.Sign when token.Text == "{":
                return Map(token.Line);
            default:
                position--;
                throw Unexpected("a value");
        }
    }

    private Expression[] Items(string close, out bool hasComma)
    {
        var items = new List<Expression>();
        hasComma = false;
        while (!TakeSign(close))
        {
            items.Add(ParseExpression());
            if (TakeSign(","))
                hasComma = true;
            else if (Now is not { Kind: TokenKind.Sign } || Now.Text != close)
                throw Unexpected(close);
        }
        return [.. items];
    }

    private MapOf Map(int line)
    {
        var entries = new List<(Expression, Expression)>();
        while (!TakeSign("}"))
        {
            var key = ParseExpression();
            Sign(":");
            entries.Add((key, ParseExpression()));
            if (!TakeSign(",") && Now.Text != "}")
                throw Unexpected("}");
        }
        return new MapOf([.. entries], line);
    }

    private Expression Postfix(Expression value)
    {
        while (Now.Kind == TokenKind.Sign)
        {
            int line = Now.Line;
            if (TakeSign("."))
                value = Now.Kind == TokenKind.Whole
                    ? new Item(value, new Constant(long.Parse(tokens[position++].Text, CultureInfo.InvariantCulture), line), line)
                    : new Member(value, Take(TokenKind.Name, "a name").Text, line);
            else if (TakeSign("["))
                value = Subscript(value, line);
            else if (TakeSign("("))
                value = new Call(value, Arguments(), line);
            else
                break;
        }
        return value;
    }

    private Expression Subscript(Expression value, int line)
    {
        var parts = new Expression?[3];
        int part = 0;
        while (!TakeSign("]"))
        {
            if (TakeSign(":"))
            {
                if (++part > 2)
                    throw Unexpected("]");
            }
            else if (parts[part] is null)
                parts[part] = ParseExpression();
            else
                throw Unexpected("]");
        }
        return part > 0 ? new Slice(value, parts[0], parts[1], parts[2], line)
            : new Item(value, parts[0] ?? throw new TemplateError(line, "an index is missing"), line);
    }

    private Arguments Arguments()
    {
        var (values, named) = (new List<Expression>(), new List<(string, Expression)>());
        while (!TakeSign(")"))
        {
            if (Now.Kind == TokenKind.Name && tokens[position + 1] is { Kind: TokenKind.Sign, Text: "=" })
            {
                var name = tokens[position].Text;
                position += 2;
                named.Add((name, ParseExpression()));
            }
            else
                values.Add(ParseExpression());
            if (!TakeSign(",") && Now is not { Kind: TokenKind.Sign, Text: ")" })
                throw Unexpected(")");
        }
        return new Arguments([.. values], [.. named]);
    }

    private Expression Filters(Expression value)
    {
        while (true)
        {
            int line = Now.Line;
            if (TakeSign("|"))
            {
                var name = Take(TokenKind.Name, "a filter").Text;
                var arguments = TakeSign("(") ? Arguments() : new Arguments([], []);
                if (!TemplateFunctions.Filters.ContainsKey(name))
                    throw new TemplateError(line, $"the filter '{name}' is not known here", $"known are {string.Join(", ", TemplateFunctions.Filters.Keys.Order(StringComparer.Ordinal))}");
                value = Postfix(new Filter(name, value, arguments, line));
            }
            else if (TakeName("is"))
                value = Test(value, line);
            else
                return value;
        }
    }

    private Expression Test(Expression value, int line)
    {
        bool negate = TakeName("not");
        var name = Now.Kind is TokenKind.Name or TokenKind.Sign ? tokens[position++].Text : throw Unexpected("a test");
        if (!TemplateFunctions.Tests.ContainsKey(name))
            throw new TemplateError(line, $"the test '{name}' is not known here", $"known are {string.Join(", ", TemplateFunctions.Tests.Keys.Order(StringComparer.Ordinal))}");
        Expression[] arguments = TakeSign("(") ? Arguments().Values
            : Now.Kind is TokenKind.Quoted or TokenKind.Whole or TokenKind.Real || Now is { Kind: TokenKind.Name, Text: not ("and" or "or" or "not" or "is" or "if" or "else" or "in") } || Now is { Kind: TokenKind.Sign, Text: "[" }
                ? [Postfix(Primary())] : [];
        Expression test = new Test(name, value, arguments, line);
        return negate ? new Negation(test, line) : test;
    }

    private bool TakeName(string name) => Now.Kind == TokenKind.Name && Now.Text == name && ++position > 0;

    private bool TakeSign(string sign) => Now.Kind == TokenKind.Sign && Now.Text == sign && ++position > 0;

    private void Sign(string sign)
    {
        if (!TakeSign(sign))
            throw Unexpected(sign);
    }

    private TemplateToken Take(TokenKind kind, string what) => Now.Kind == kind ? tokens[position++] : throw Unexpected(what);

    private TemplateError Unexpected(string wanted) =>
        new(Now.Line, Now.Kind == TokenKind.End ? $"it ends where {wanted} is missing" : $"'{Now.Text}' stands where {wanted} is expected");
}
