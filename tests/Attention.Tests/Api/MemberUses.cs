using System.Collections.Immutable;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Attention.Tests.Api;

/// <summary>A member of another assembly that an assembly refers to, in the notation of <see cref="ApiList"/>.</summary>
public readonly record struct MemberUse(string Type, string Name, string Signature)
{
    public override string ToString() => Signature.StartsWith('(') ? $"{Type}.{Name}{Signature}" : $"{Type}.{Name} -> {Signature}";
}

/// <summary>Reads what a compiled assembly refers to.</summary>
public static class MemberUses
{
    /// <summary>The members and types that the assembly refers to and whose type passes the filter.</summary>
    public static (List<MemberUse> Members, List<string> Types) Read(string assemblyPath, Func<string, bool> typeFilter)
    {
        using var file = new PEReader(File.OpenRead(assemblyPath));
        var reader = file.GetMetadataReader();
        var decoder = new Decoder();

        var types = reader.TypeReferences.Select(handle => decoder.GetTypeFromReference(reader, handle, 0).Key).Where(typeFilter).Distinct();
        var members = reader.MemberReferences
            .Select(reader.GetMemberReference)
            .Select(member => new MemberUse(ParentKey(reader, decoder, member.Parent), reader.GetString(member.Name), SignatureText(decoder, member)))
            .Where(use => typeFilter(use.Type)).Distinct();
        return (members.ToList(), types.ToList());
    }

    private static string ParentKey(MetadataReader reader, Decoder decoder, EntityHandle parent) => parent.Kind switch
    {
        HandleKind.TypeReference => decoder.GetTypeFromReference(reader, (TypeReferenceHandle)parent, 0).Key,
        HandleKind.TypeSpecification => reader.GetTypeSpecification((TypeSpecificationHandle)parent).DecodeSignature(decoder, null).Key,
        _ => "",
    };

    private static string SignatureText(Decoder decoder, MemberReference member)
    {
        if (member.GetKind() == MemberReferenceKind.Field)
            return member.DecodeFieldSignature(decoder, null).Text;
        var signature = member.DecodeMethodSignature(decoder, null);
        return $"({string.Join(", ", signature.ParameterTypes.Select(type => type.Text))}) -> {signature.ReturnType.Text.Replace("ref ", "")}";
    }

    private sealed class Decoder : ISignatureTypeProvider<TypeText, object?>
    {
        public TypeText GetPrimitiveType(PrimitiveTypeCode code) => new(code switch
        {
            PrimitiveTypeCode.Void => "void",
            PrimitiveTypeCode.Boolean => "bool",
            PrimitiveTypeCode.Char => "char",
            PrimitiveTypeCode.SByte => "sbyte",
            PrimitiveTypeCode.Byte => "byte",
            PrimitiveTypeCode.Int16 => "short",
            PrimitiveTypeCode.UInt16 => "ushort",
            PrimitiveTypeCode.Int32 => "int",
            PrimitiveTypeCode.UInt32 => "uint",
            PrimitiveTypeCode.Int64 => "long",
            PrimitiveTypeCode.UInt64 => "ulong",
            PrimitiveTypeCode.Single => "float",
            PrimitiveTypeCode.Double => "double",
            PrimitiveTypeCode.String => "string",
            PrimitiveTypeCode.Object => "object",
            _ => "System." + code,
        });

        public TypeText GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind)
        {
            var reference = reader.GetTypeReference(handle);
            var enclosing = reference.ResolutionScope.Kind == HandleKind.TypeReference
                ? GetTypeFromReference(reader, (TypeReferenceHandle)reference.ResolutionScope, 0).Key : reader.GetString(reference.Namespace);
            return Named(enclosing, reader.GetString(reference.Name));
        }

        public TypeText GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind)
        {
            var definition = reader.GetTypeDefinition(handle);
            var enclosing = definition.GetDeclaringType() is { IsNil: false } outer
                ? GetTypeFromDefinition(reader, outer, 0).Key : reader.GetString(definition.Namespace);
            return Named(enclosing, reader.GetString(definition.Name));
        }

        public TypeText GetTypeFromSpecification(MetadataReader reader, object? context, TypeSpecificationHandle handle, byte rawTypeKind) =>
            reader.GetTypeSpecification(handle).DecodeSignature(this, context);

        public TypeText GetGenericInstantiation(TypeText genericType, ImmutableArray<TypeText> arguments)
        {
            var texts = arguments.Select(argument => argument.Text).ToList();
            return genericType.Key.Split('`')[0] switch
            {
                "System.Nullable" => new TypeText(texts[0] + "?", genericType.Key),
                "System.ValueTuple" when texts.Count == 8 => new TypeText($"({string.Join(", ", texts[..7])}, {texts[7][1..]}", genericType.Key),
                "System.ValueTuple" when texts.Count > 1 => new TypeText($"({string.Join(", ", texts)})", genericType.Key),
                var name => TypeText.Generic(name, texts) with { Key = genericType.Key },
            };
        }

        public TypeText GetSZArrayType(TypeText elementType) => new(elementType.Text + "[]", "System.Array");

        public TypeText GetArrayType(TypeText elementType, ArrayShape shape) => new($"{elementType.Text}[{new string(',', shape.Rank - 1)}]", "System.Array");

        public TypeText GetByReferenceType(TypeText elementType) => new("ref " + elementType.Text);

        public TypeText GetPointerType(TypeText elementType) => new(elementType.Text + "*");

        public TypeText GetPinnedType(TypeText elementType) => elementType;

        public TypeText GetModifiedType(TypeText modifier, TypeText unmodifiedType, bool isRequired) => unmodifiedType;

        public TypeText GetGenericTypeParameter(object? context, int index) => new("!" + index);

        public TypeText GetGenericMethodParameter(object? context, int index) => new("!!" + index);

        public TypeText GetFunctionPointerType(MethodSignature<TypeText> signature) => new("System.IntPtr");

        // A nested type's arity counts its own parameters: the key counts those of the enclosing types too.
        private static TypeText Named(string enclosing, string name)
        {
            var (outer, inner) = (enclosing.Split('`'), name.Split('`'));
            var arity = outer.Skip(1).Concat(inner.Skip(1)).Sum(int.Parse);
            var full = outer[0].Length == 0 ? inner[0] : $"{outer[0]}.{inner[0]}";
            return full == "System.Decimal" ? new TypeText("decimal") : new TypeText(full, arity == 0 ? full : $"{full}`{arity}");
        }
    }
}
