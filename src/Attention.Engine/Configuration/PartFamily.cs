using System.Collections.Concurrent;
using System.Reflection;
using Attention.Modules;

namespace Attention.Engine.Configuration;

/// <summary>
/// Names a record of a family, on the family's base record: <c>[Part&lt;SgdConfig&gt;("sgd")] abstract record OptimizerConfig</c>.
/// In YAML, <c>optimizer: {name: sgd, momentum: 0.9}</c> then chooses and fills that record.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class PartAttribute<T>(string name) : PartAttribute(name, typeof(T));

/// <summary>What the generic attribute carries.</summary>
public abstract class PartAttribute(string name, Type type) : Attribute
{
    public string Name { get; } = name;
    public Type Type { get; } = type;
}

/// <summary>
/// The records that may stand under a key and are chosen by its <c>name</c>. A family is declared by
/// <see cref="PartAttribute{T}"/> on its base record, or registered where the base record cannot know its members (the
/// variants of a registry).
/// </summary>
public sealed class PartFamily
{
    private static readonly ConcurrentDictionary<Type, PartFamily?> families = [];
    private readonly Func<string, object> defaults;
    private readonly Func<object, string?> nameOf;

    // Modules stand below the engine, so they cannot carry its attribute.
    static PartFamily() =>
        families[typeof(AttentionConfig)] = new(AttentionModules.Names, AttentionModules.Defaults, part => AttentionModules.NameOf((AttentionConfig)part));

    private PartFamily(IReadOnlyCollection<string> names, Func<string, object> defaults, Func<object, string?> nameOf) =>
        (Names, this.defaults, this.nameOf) = (names, defaults, nameOf);

    public IReadOnlyCollection<string> Names { get; }

    /// <summary>The record with the defaults of a name.</summary>
    public object Defaults(string name) => defaults(name);

    /// <summary>The name of a record, or null where it has none.</summary>
    public string? NameOf(object part) => nameOf(part);

    /// <summary>The family whose base record this is, or null.</summary>
    public static PartFamily? Of(Type type) => families.GetOrAdd(type, static type => Declared(type));

    /// <summary>
    /// Makes the records derived from <typeparamref name="T"/> known by name, for keys of that type in any record.
    /// </summary>
    /// <param name="names">All names.</param>
    /// <param name="defaults">The record of a name, which the YAML's other keys then override.</param>
    /// <param name="nameOf">The name of a record.</param>
    public static void Register<T>(IReadOnlyCollection<string> names, Func<string, T> defaults, Func<T, string?> nameOf) where T : class =>
        families[typeof(T)] = new(names, defaults, part => nameOf((T)part));

    private static PartFamily? Declared(Type type)
    {
        var parts = type.GetCustomAttributes<PartAttribute>(inherit: false).ToArray();
        if (parts.Length == 0) return null;
        return new(
            parts.Select(part => part.Name).ToArray(),
            name => RecordShape.Create(parts.First(part => part.Name == name).Type),
            record => parts.FirstOrDefault(part => part.Type == record.GetType())?.Name);
    }
}
