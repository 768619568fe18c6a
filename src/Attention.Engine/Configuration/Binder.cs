using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using Attention.Models;

namespace Attention.Engine.Configuration;

/// <summary>
/// Binds nodes to typed records. A record's public properties are its YAML keys. Values may be bool, int, long, float, double,
/// string, an enum (its members in snake_case), a nested record, a list or array, a tuple (written as a list), a dictionary, a
/// <see cref="NamedPart"/>, a <see cref="BackboneConfig"/>, a family of records (<see cref="PartFamily"/>), or a plain <see cref="Node"/>; each also nullable.
/// </summary>
/// <remarks>All problems are collected, so that a user sees every mistake of a file at once.</remarks>
public sealed class Binder
{
    private readonly List<Problem> problems = [];
    private readonly Type root;

    private Binder(Type root) => this.root = root;

    /// <summary>A copy of <paramref name="defaults"/> with the values of the map laid over it.</summary>
    /// <param name="path">Where the map stands in the whole configuration; empty for its root.</param>
    /// <param name="place">How to name the map in an error, such as <c>'optimizer'</c>.</param>
    /// <exception cref="ConfigError">Everything in the map that does not fit.</exception>
    public static object BindRecord(MapNode map, object defaults, string path = "", string? place = null)
    {
        var binder = new Binder(defaults.GetType());
        var record = binder.Record(map, defaults, path, place ?? (path == "" ? "" : $"'{path}'"));
        if (binder.problems.Count > 0)
            throw new ConfigError(binder.problems.OrderBy(problem => problem.Origin.Source).ThenBy(problem => problem.Origin.Line));
        return record;
    }

    private object Record(MapNode map, object defaults, string path, string place)
    {
        var record = RecordField.Copy(defaults);
        var shape = RecordShape.Of(record.GetType());
        var before = problems.Count;
        foreach (var entry in map.Entries)
        {
            if (shape.Find(entry.Key) is not { } field)
            {
                if (entry.Value is not ScalarNode { Removes: true }) UnknownKey(entry, shape, record, place);
                continue;
            }
            var good = Value(entry.Value, field.Type, field.AllowsNull, field.Get(record), Join(path, entry.Key), out var value);
            if (good && Meets(field, value, entry, path, defaults)) field.Set(record, value);
        }
        foreach (var field in shape.Fields)
            if (field.IsRequired && field.Get(record) is null && map.Find(field.Name) is null)
                problems.Add(new(map.Origin, $"'{Join(path, field.Name)}' is missing",
                    $"add '{field.Name}: {ScalarTypes.Example(field.Type)}'{(path == "" ? "" : $" under '{path}'")}"));
        if (problems.Count == before) Validate(record, map, path);
        return record;
    }

    private bool Value(Node node, Type type, bool allowsNull, object? current, string path, out object? value)
    {
        value = current;
        if (Nullable.GetUnderlyingType(type) is { } inner) (type, allowsNull) = (inner, true);
        if (node is ScalarNode { Value: null } empty && type != typeof(Node))
        {
            if (allowsNull) value = null;
            else if (!empty.Removes)
                return Fail(node, $"'{path}' has no value", current is null ? "write a value" : $"write a value, or leave the key out to get {RecordWriter.Show(current)}");
            return true;
        }
        if (type.IsAssignableFrom(node.GetType()))
        {
            value = node;
            return true;
        }
        if (type == typeof(NamedPart)) return Named(node, path, out value);
        if (type == typeof(BackboneConfig)) return Backbone(node, (BackboneConfig?)current, path, out value);
        if (PartFamily.Of(type) is { } family) return Member(node, family, current, path, out value);
        if (ScalarTypes.IsScalar(type)) return Scalar(node, type, current, path, out value);
        if (DictionaryItem(type) is { } entryType) return Dictionary(node, type, entryType, path, out value);
        if (ListItem(type) is { } itemType) return List(node, type, itemType, path, out value);
        if (TupleItems(type) is { } itemTypes) return Tuple(node, type, itemTypes, path, out value);

        if (node is not MapNode map)
            return Fail(node, $"'{path}' is {node}, but must be a map of keys", $"possible keys: {string.Join(", ", RecordShape.Of(type).Names)}");
        value = Record(map, current ?? RecordShape.Create(type), path, $"'{path}'");
        return true;
    }

    private bool Named(Node node, string path, out object? value)
    {
        value = null;
        var map = MapNode.Named(node);
        if (map?["name"] is not ScalarNode { Value: { } name } scalar)
        {
            var wrong = map is null ? $"is {node}, but must be a map with a name" : "has no name";
            return Fail(node, $"'{path}' {wrong}", $"write '{path}: {{name: ...}}'");
        }
        value = new NamedPart(name, scalar.Origin, map.Without("name"), path);
        return true;
    }

    private bool Backbone(Node node, BackboneConfig? current, string path, out object? value)
    {
        value = current;
        if (MapNode.Named(node) is not { } map)
            return Fail(node, $"'{path}' is {node}, but must be a map with a name", $"write '{path}: {{name: ...}}'");
        var name = (map["name"] as ScalarNode)?.Value ?? current?.name;
        if (name is null)
            return Fail(node, $"'{path}' has no name", $"write '{path}: {{name: ...}}'");
        if (!ModelRegistry.ImageModels.Contains(name))
            return Fail(map["name"]!, $"there is no {path} named '{name}'", Spelling.Advice(name, ModelRegistry.ImageModels));
        var defaults = current is not null && current.name == name ? current : BackboneConfig.Of(name);
        value = defaults with { config = (ImageModelConfig)Record(map.Without("name"), defaults.config, path, $"'{path}' ({name})") };
        return true;
    }

    private bool Member(Node node, PartFamily family, object? current, string path, out object? value)
    {
        value = current;
        if (MapNode.Named(node) is not { } map)
            return Fail(node, $"'{path}' is {node}, but must be a map of keys", $"write '{path}: {{name: {family.Names.First()}}}'");
        var name = (map["name"] as ScalarNode)?.Value ?? (current is null ? null : family.NameOf(current));
        if (name is null) return Fail(node, $"'{path}' has no name", $"add 'name: {family.Names.First()}' (possible: {string.Join(", ", family.Names)})");
        if (!family.Names.Contains(name))
            return Fail(map["name"]!, $"there is no {path} named '{name}'", Spelling.Advice(name, family.Names));

        var defaults = current is not null && family.NameOf(current) == name ? current : family.Defaults(name);
        var options = RecordShape.Of(defaults.GetType()).Find("name") is null ? map.Without("name") : map;
        value = Record(options, defaults, path, $"'{path}' ({name})");
        return true;
    }

    private bool Scalar(Node node, Type type, object? current, string path, out object? value)
    {
        value = current;
        if (node is ScalarNode { Value: { } text } && ScalarTypes.Parse(text, type) is { } parsed)
        {
            value = parsed;
            return true;
        }
        var advice = type.IsEnum && node is ScalarNode { Value: { } word } ? Spelling.Advice(word, ScalarTypes.EnumNames(type))
            : ForExample(path, current is null ? ScalarTypes.Example(type) : RecordWriter.Show(current));
        return Fail(node, $"'{path}' is {node}, but must be {ScalarTypes.Describe(type)}", advice);
    }

    private bool List(Node node, Type type, Type itemType, string path, out object? value)
    {
        value = null;
        if (node is not ListNode list)
            return Fail(node, $"'{path}' is {node}, but must be a list", ForExample(path, $"[{ScalarTypes.Example(itemType)}]"));
        var items = Array.CreateInstance(itemType, list.Items.Count);
        var good = true;
        for (var i = 0; i < list.Items.Count; i++)
        {
            good &= Value(list.Items[i], itemType, false, null, $"{path}[{i}]", out var item);
            if (item is not null) items.SetValue(item, i);
        }
        value = type.IsAssignableFrom(items.GetType()) ? items : Activator.CreateInstance(type, (object)items);
        return good;
    }

    private bool Tuple(Node node, Type type, Type[] types, string path, out object? value)
    {
        value = null;
        if (node is not ListNode list || list.Items.Count != types.Length)
        {
            var found = node is ListNode other ? $"a list of {other.Items.Count}" : node.ToString();
            var example = string.Join(", ", types.Select(ScalarTypes.Example));
            return Fail(node, $"'{path}' is {found}, but must be a list of {types.Length}", ForExample(path, $"[{example}]"));
        }
        var items = new object?[types.Length];
        var good = true;
        for (var i = 0; i < types.Length; i++) good &= Value(list.Items[i], types[i], false, null, $"{path}[{i}]", out items[i]);
        if (good) value = Activator.CreateInstance(type, items);
        return good;
    }

    private bool Dictionary(Node node, Type type, Type entryType, string path, out object? value)
    {
        value = null;
        if (node is not MapNode map)
            return Fail(node, $"'{path}' is {node}, but must be a map of keys", ForExample(path, $"{{key: {ScalarTypes.Example(entryType)}}}"));
        var dictionary = (IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(typeof(string), entryType))!;
        var good = true;
        foreach (var entry in map.Entries)
        {
            if (entry.Value is ScalarNode { Removes: true }) continue;
            good &= Value(entry.Value, entryType, false, null, Join(path, entry.Key), out var item);
            dictionary[entry.Key] = item;
        }
        value = dictionary;
        return good;
    }

    private bool Meets(RecordField field, object? value, MapEntry entry, string path, object defaults)
    {
        if (value is null) return true;
        foreach (var constraint in field.Constraints)
        {
            var wrong = (RecordWriter.Items(value) ?? [value]).FirstOrDefault(item => item is not null && !constraint.Allows(item));
            if (wrong is null) continue;
            var advice = constraint.Nearest(wrong) is { } nearest ? $"did you mean '{nearest}'?"
                : field.Get(defaults) is { } usual ? $"the default is {RecordWriter.Show(usual)}"
                : $"write a value that is {constraint.Allowed}";
            return Fail(entry.Value, $"'{Join(path, field.Name)}' is {RecordWriter.Show(wrong)}, but must be {constraint.Allowed}", advice);
        }
        return true;
    }

    /// <summary>
    /// Rules that concern several fields: the record says them by <see cref="IValidatableObject"/>, with the keys concerned and,
    /// as a second line of the message, the advice.
    /// </summary>
    private void Validate(object record, MapNode map, string path)
    {
        if (record is not IValidatableObject validatable) return;
        foreach (var result in validatable.Validate(new ValidationContext(record)))
        {
            var where = result.MemberNames.Select(name => Locate(map, name)).FirstOrDefault(origin => origin is not null) ?? map.Origin;
            var lines = result.ErrorMessage!.Split('\n', 2);
            var keys = result.MemberNames.Select(name => $"'{Join(path, name)}'");
            problems.Add(new(where, lines[0], lines.Length > 1 ? lines[1] : $"see {string.Join(", ", keys)}"));
        }
    }

    /// <summary>Where a dotted key stands, as far as it was written.</summary>
    private static Origin? Locate(MapNode map, string dotted)
    {
        Node? node = map;
        foreach (var key in dotted.Split('.')) node = (node as MapNode)?[key];
        return node?.Origin;
    }

    private void UnknownKey(MapEntry entry, RecordShape shape, object record, string place)
    {
        var names = shape.Names.ToList();
        if (RecordWriter.NameOf(record) is not null && !names.Contains("name")) names.Insert(0, "name");
        var advice = Spelling.Nearest(entry.Key, names) is { } near ? $"did you mean '{near}'?"
            : Elsewhere(entry.Key, root, "", 0) is { } path ? $"did you mean '{path}'?"
            : $"possible keys: {string.Join(", ", names)}";
        problems.Add(new(entry.Origin, $"unknown key '{entry.Key}'{(place == "" ? "" : $" in {place}")}", advice));
    }

    /// <summary>The dotted path of a key of this name in another part of the configuration.</summary>
    private static string? Elsewhere(string key, Type type, string path, int depth)
    {
        var isRecord = type.IsClass && type != typeof(NamedPart) && type != typeof(BackboneConfig) && type.Namespace?.StartsWith("System", StringComparison.Ordinal) != true;
        if (!isRecord || depth > 4) return null;
        var fields = RecordShape.Of(type).Fields;
        if (depth > 0 && fields.Any(field => field.Name == key)) return Join(path, key);
        return fields.Select(field => Elsewhere(key, field.Type, Join(path, field.Name), depth + 1)).FirstOrDefault(found => found is not null);
    }

    private bool Fail(Node node, string message, string advice)
    {
        problems.Add(new(node.Origin, message, advice));
        return false;
    }

    internal static Type? ListItem(Type type) => type.IsArray ? type.GetElementType()
        : type.IsGenericType && type != typeof(string) && typeof(IEnumerable).IsAssignableFrom(type) ? type.GetGenericArguments()[0] : null;

    internal static Type? DictionaryItem(Type type) => type.IsGenericType && type.GetGenericArguments() is [var key, var value] && key == typeof(string)
        && type.IsAssignableFrom(typeof(Dictionary<,>).MakeGenericType(key, value)) ? value : null;

    internal static Type[]? TupleItems(Type type) => typeof(ITuple).IsAssignableFrom(type) ? type.GetGenericArguments() : null;

    private static string Join(string path, string key) => path == "" ? key : $"{path}.{key}";

    private static string ForExample(string path, string value) =>
        path.EndsWith(']') ? $"for example: {value}" : $"for example: {path[(path.LastIndexOf('.') + 1)..]}: {value}";
}
