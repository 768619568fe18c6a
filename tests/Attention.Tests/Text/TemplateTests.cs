using Attention.Data.Text;
using Xunit;

namespace Attention.Tests.Text;

public class TemplateTests
{
    private static readonly List<ChatMessage> dialogue =
        [new("system", "Be kind."), new("user", " Hello "), new("assistant", "Hi there"), new("user", "Who are you?")];

    private static readonly TokenizerSettings settings = TokenizerSettings.Empty with
    {
        Roles = new Dictionary<string, string> { ["bos_token"] = "<s>", ["eos_token"] = "</s>" },
    };

    private static string Render(string template, params (string Name, object? Value)[] values) =>
        Template.Parse(template).Render(values.ToDictionary(each => each.Name, each => each.Value));

    // The formats as the models' cards give them; the templates are written for this test.
    public static TheoryData<string, string, string> Formats => new()
    {
        {
            "ChatML, Qwen",
            "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n Hello <|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n"
        },
        {
            "Llama 2",
            """
            {%- set rest = messages[1:] if messages[0]['role'] == 'system' else messages %}
            {%- for m in rest %}
                {%- if (m['role'] == 'user') != (loop.index0 is even) %}{{ raise_exception('roles must alternate') }}{% endif %}
                {%- set said = m['content'].strip() %}
                {%- if loop.first and messages[0]['role'] == 'system' %}
                    {%- set said = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' + said %}
                {%- endif %}
                {{- bos_token + '[INST] ' + said + ' [/INST]' if m['role'] == 'user' else ' ' + said + ' ' + eos_token }}
            {%- endfor %}
            """,
            "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHello [/INST] Hi there </s><s>[INST] Who are you? [/INST]"
        },
        {
            "Llama 3",
            """
            {%- for m in messages -%}
                {%- set said = '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' -%}
                {{- (bos_token if loop.index0 == 0 else '') + said -}}
            {%- endfor -%}
            {%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}
            """,
            "<s><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHi there<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWho are you?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
        },
        {
            "Mistral",
            """
            {%- set users = messages | selectattr('role', 'equalto', 'user') | list %}
            {{- bos_token }}
            {%- for m in messages if m.role != 'system' %}
                {%- if m.role == 'user' %}
                    {{- '[INST] ' + (messages[0].content + '\n\n' if m == users[-1] else '') + m.content | trim + '[/INST]' }}
                {%- else %}
                    {{- ' ' + m.content + eos_token }}
                {%- endif %}
            {%- endfor %}
            """,
            "<s>[INST] Hello[/INST] Hi there</s>[INST] Be kind.\n\nWho are you?[/INST]"
        },
        {
            "Gemma",
            """
            {{ bos_token }}{% set ns = namespace(first=true) %}
            {% for m in messages %}
            {% if m.role != 'system' %}
            {% set role = {'assistant': 'model'}.get(m.role, m.role) %}
            {{ '<start_of_turn>' ~ role ~ '\n' ~ (messages[0].content ~ '\n\n' if ns.first) ~ m.content | trim ~ '<end_of_turn>' }}
            {% set ns.first = false %}
            {% endif %}
            {% endfor %}
            {% if add_generation_prompt %}{{ '<start_of_turn>model' }}
            {% endif %}
            """,
            "<s><start_of_turn>user\nBe kind.\n\nHello<end_of_turn>\n<start_of_turn>model\nHi there<end_of_turn>\n<start_of_turn>user\nWho are you?<end_of_turn>\n<start_of_turn>model\n"
        },
        {
            "Phi 3",
            "{% for m in messages %}{% if m.role in ['system', 'user', 'assistant'] %}<|{{ m.role }}|>{{ '\n' + m.content + '<|end|>\n' }}{% endif %}{% endfor %}{{ '<|assistant|>\n' if add_generation_prompt else eos_token }}",
            "<|system|>\nBe kind.<|end|>\n<|user|>\n Hello <|end|>\n<|assistant|>\nHi there<|end|>\n<|user|>\nWho are you?<|end|>\n<|assistant|>\n"
        },
        {
            "Zephyr",
            "{% for m in messages %}\n{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token }}\n  {% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n  {% endif %}\n{% endfor %}",
            "<|system|>\nBe kind.</s>\n<|user|>\n Hello </s>\n<|assistant|>\nHi there</s>\n<|user|>\nWho are you?</s>\n<|assistant|>\n"
        },
    };

    [Theory]
    [MemberData(nameof(Formats))]
    public void Dialogues_are_written_as_the_models_expect_them(string model, string template, string expected)
    {
        Assert.NotEmpty(model);
        Assert.Equal(expected, ChatTemplate.Parse(template, settings).Render(dialogue, ask: true));
    }

    // What Jinja 3.1.6 makes of the same with transformers' settings.
    [Theory]
    [InlineData("{{ 7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 }} {{ 1 ~ 'b' ~ none }} {{ 'ab' * 2 }} {{ -2 | abs }} {{ (1, 2)[-1] }}", "3 2 3.5 8 1bNone abab 2 2")]
    [InlineData("{{ 'hello world'[::-1] }} {{ 'hello'[1:3] }} {{ [3,1,2]|sort|join('-') }} {{ 'a,b,c'.split(',')|last }} {{ x|default('d') }} {{ x is defined }}", "dlrow olleh el 1-2-3 c d False")]
    [InlineData("{{ 1e3 }} {{ 2.5e-1 }} {{ 12 }}", "1000.0 0.25 12")]
    [InlineData("{% set block %}  inner {{ 1 }} {% endset %}{{ block|trim }}|{{ block|length }}", "inner 1|10")]
    [InlineData("{% for i in range(10) if i is even %}{% if i == 4 %}{% continue %}{% endif %}{% if i > 6 %}{% break %}{% endif %}{{ i }}{{ ',' if not loop.last }}{% endfor %}", "0,2,6,")]
    [InlineData("{{ {'b': 1, 'a': {'c': \"é\\n\\\"q\\\"\"}} | tojson(indent=2) }}", "{\n  \"b\": 1,\n  \"a\": {\n    \"c\": \"é\\n\\\"q\\\"\"\n  }\n}")]
    [InlineData("{{ {'a': [1, 2.5, true, none, 'é']} | tojson }} {{ [1, 'it\\'s', none, true] }}", "{\"a\": [1, 2.5, true, null, \"é\"]} [1, \"it's\", None, True]")]
    [InlineData("{% macro row(a, b='x') %}[{{ a }}|{{ b }}]{% endmacro %}{{ row(1) }}{{ row(1, b=2) }}", "[1|x][1|2]")]
    [InlineData("  {% if 1 < 2 <= 2 and not 3 in [1, 2] %}\nyes\n  {% endif %}\nend\n", "yes\nend")]
    [InlineData("a  {%- if true -%}  b  {%- endif -%}  c {# no #} d", "abc  d")]
    [InlineData("{%+ if true %} x{% endif +%}\ny", " x\ny")]
    [InlineData("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ loop.revindex }}{{ k }}{{ v }}{% else %}none{% endfor %}{% for x in [] %}{% else %}none{% endfor %}", "2a11b2none")]
    [InlineData("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}{% set a, b = 1, 'two' %}{{ a }}{{ b }}{{ \"a\" \"b\" }}", "11twoab")]
    [InlineData("{{ [{'r': 'u'}, {'r': 'a'}] | rejectattr('r', 'equalto', 'u') | map(attribute='r') | map('upper') | list }}", "['A']")]
    public void Templates_mean_what_they_mean_in_Jinja(string template, string expected) =>
        Assert.Equal(expected, Template.Parse(template, TemplateOptions.Chat).Render(new Dictionary<string, object?>()));

    [Theory]
    [InlineData("{% for m in [1] %}\n{{ m | shout }}{% endfor %}", "line 2: the filter 'shout' is not known here")]
    [InlineData("{{ messages[0].content.format() }}", "'format' is not known here")]
    [InlineData("{{ a.b.c }}", "there is no 'b'")]
    [InlineData("{% if x %}", "it ends where endif is missing")]
    [InlineData("{% include 'x' %}", "'include' is not known here")]
    [InlineData("{{ 'abc }}", "a string is never closed")]
    [InlineData("{{ 1 / 0 }}", "divided by 0")]
    [InlineData("{{ raise_exception('no system role') }}", "the template refuses this: no system role")]
    [InlineData("{{ ''.__class__ }}{{ ''.__class__.__mro__ }}", "there is no '__class__'")]
    public void Errors_say_where_and_what(string template, string expected)
    {
        var error = Assert.ThrowsAny<UserError>(() => Render(template, ("a", new OrderedDictionary<string, object?>()),
            ("messages", new List<object?> { new OrderedDictionary<string, object?> { ["content"] = "x" } })));
        Assert.Contains(expected, error.Message);
    }

    [Theory]
    [InlineData("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}")]
    [InlineData("{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}")]
    [InlineData("{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}")]
    [InlineData("{% set ns = namespace(x=[1]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}")]
    [InlineData("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")]
    [InlineData("{{ 'abcdefgh' * 1000000000 }}")]
    [InlineData("{{ range(1000000000) }}")]
    public void A_hostile_template_is_stopped(string template) => Assert.ThrowsAny<UserError>(() => Render(template));

    [Fact]
    public void A_template_nested_without_end_is_refused()
    {
        foreach (var (open, close) in new[] { ("(", ")"), ("[", "]"), ("-", "") })
            Assert.ThrowsAny<UserError>(() => Render($"{{{{ {string.Concat(Enumerable.Repeat(open, 50_000))}1{string.Concat(Enumerable.Repeat(close, 50_000))} }}}}"));
    }

    [Fact]
    public void An_expression_alone_keeps_its_type()
    {
        var values = new Dictionary<string, object?> { ["choices"] = new OrderedDictionary<string, object?> { ["label"] = new List<object?> { "A", "B" } }, ["key"] = "B" };
        Assert.Equal(1L, Template.Expression("choices.label.index(key)").Evaluate(values));
        Assert.Equal(["A", "B"], Assert.IsType<List<object?>>(Template.Expression("choices.label").Evaluate(values)));
        Assert.ThrowsAny<UserError>(() => Template.Expression("nothing").Evaluate(values)?.ToString());
    }
}
