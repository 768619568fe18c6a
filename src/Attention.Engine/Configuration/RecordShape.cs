using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Attention.Engine.Configuration;

/// <summary>One key of a record: a public property that can be set or initialised, or a public field.</summary>
public sealed class RecordField
{
    private static readonly MethodInfo clone = typeof(object).GetMethod("MemberwiseClone", BindingFlags.Instance | BindingFlags.NonPublic)!;
    private readonly MemberInfo member;

    internal RecordField(MemberInfo member)
    {
        this.member = member;
        (Type, var nullability) = member is PropertyInfo property
            ? (property.PropertyType, new NullabilityInfoContext().Create(property).WriteState)
            : (((FieldInfo)member).FieldType, new NullabilityInfoContext().Create((FieldInfo)member).WriteState);
        AllowsNull = nullability == NullabilityState.Nullable;
        IsRequired = member.IsDefined(typeof(RequiredAttribute));
        Constraints = Constraint.Of(member);
    }

    public string Name => member.Name;
    public Type Type { get; }
    public bool AllowsNull { get; }

    /// <summary>Marked with <see cref="RequiredAttribute"/>: the config must name it.</summary>
    public bool IsRequired { get; }

    public IReadOnlyList<Constraint> Constraints { get; }

    /// <summary>The assembly of the record that declares the field.</summary>
    public Assembly Assembly => member.DeclaringType!.Assembly;

    /// <summary>The record that declares the field, and the field, as the compiler's documentation file names them.</summary>
    public string DocumentationId => $"{(member is PropertyInfo ? 'P' : 'F')}:{member.DeclaringType!.FullName!.Replace('+', '.')}.{Name}";

    public object? Get(object record) => member is PropertyInfo property ? property.GetValue(record) : ((FieldInfo)member).GetValue(record);

    internal void Set(object record, object? value)
    {
        if (member is PropertyInfo property) property.SetValue(record, value);
        else ((FieldInfo)member).SetValue(record, value);
    }

    internal static object Copy(object record) => clone.Invoke(record, null)!;
}

/// <summary>The keys of a record type, those of its base type first, in the order of the source.</summary>
public sealed class RecordShape
{
    private static readonly ConcurrentDictionary<Type, RecordShape> shapes = [];

    private RecordShape(Type type)
    {
        var members = type.GetMembers(BindingFlags.Public | BindingFlags.Instance).Where(IsKey);
        Fields = members.OrderBy(member => Depth(member.DeclaringType!)).ThenBy(member => member.MetadataToken)
            .DistinctBy(member => member.Name).Select(member => new RecordField(member)).ToArray();
    }

    public IReadOnlyList<RecordField> Fields { get; }

    public IEnumerable<string> Names => Fields.Select(each => each.Name);

    public RecordField? Find(string name) => Fields.FirstOrDefault(field => field.Name == name);

    public static RecordShape Of(Type type) => shapes.GetOrAdd(type, static type => new(type));

    /// <summary>A record with all of its defaults.</summary>
    public static object Create(Type type)
    {
        if (type.GetConstructor(Type.EmptyTypes) is { } plain) return plain.Invoke(null);
        var optional = type.GetConstructors().FirstOrDefault(each => Array.TrueForAll(each.GetParameters(), parameter => parameter.HasDefaultValue))
            ?? throw new InvalidOperationException($"{type} has no constructor without arguments, so it cannot be bound to a config");
        return optional.Invoke(optional.GetParameters().Select(parameter => parameter.DefaultValue).ToArray());
    }

    private static bool IsKey(MemberInfo member) => member switch
    {
        PropertyInfo property => property.SetMethod is { IsPublic: true } && property.GetIndexParameters().Length == 0,
        FieldInfo field => !field.IsInitOnly && !field.IsLiteral && !field.IsDefined(typeof(CompilerGeneratedAttribute)),
        _ => false,
    };

    private static int Depth(Type type) => type.BaseType is null ? 0 : Depth(type.BaseType) + 1;
}
