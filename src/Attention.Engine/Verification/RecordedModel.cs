using System.Text.Json;
using Attention.Engine.Configuration;
using Attention.Engine.Generation;
using Attention.Models;
using Attention.Models.Language;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>The model of the registry that a recording is of.</summary>
internal static class RecordedModel
{
    // Arguments with which a factory of many models chooses one.
    private static readonly string[] variantKeys = ["name", "config", "arch"];

    /// <summary>Its name: an argument of a factory of many models, the factory's own name, or the file's.</summary>
    public static string Name(Recording recording, string path)
    {
        var factory = recording.factory?[(recording.factory.IndexOf(':') + 1)..];
        var given = recording.kwargs.TryGetValue("name", out var name) && name.ValueKind == JsonValueKind.String ? name.GetString() : null;
        // Some authors write theirs in capitals.
        var file = Path.GetFileNameWithoutExtension(path);
        return new[] { given, factory, factory?.ToLowerInvariant(), file.ToLowerInvariant() }.FirstOrDefault(each => each is not null && ModelRegistry.Names.Contains(each))
            ?? file;
    }

    /// <summary>Builds it with the arguments that the reference was built with.</summary>
    /// <exception cref="UserError">There is no such model, or it has no such argument.</exception>
    public static nn.Module Build(string name, Recording recording)
    {
        if (recording.hf_config is { } config)
            return HuggingFaceDecoders.Create(LanguageModelConfigFile.Read(config));
        if (!ModelRegistry.Names.Contains(name))
            throw new UserError($"no model '{name}' in the registry", "./attention models lists all; a model of your own is registered with ModelRegistry.Register");
        var fields = ModelRegistry.Family(name).Config(name).GetType();
        // References that take a list take one number for all as well.
        object? Fitted(string key, object? value) => value is not object?[] && fields.GetProperty(key)?.PropertyType.IsArray == true ? new[] { value } : value;
        var options = recording.kwargs.Where(pair => !variantKeys.Contains(pair.Key)).Select(pair => (pair.Key, Fitted(pair.Key, Plain(pair.Value)))).ToArray();
        return ModelBuilder.Build(new NamedPart(name, options));
    }

    internal static object? Plain(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.TryGetInt64(out long whole) ? whole : value.GetDouble(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Array => value.EnumerateArray().Select(Plain).ToArray(),
        _ => null,
    };

    /// <summary>The inputs by formula, in the order of the model's arguments.</summary>
    public static Tensor[] Inputs(Recording recording) =>
        [.. recording.inputs.Select(input => input.kind == "int" ? FormulaFill.IntegerInput(input.name, input.shape, input.high) : FormulaFill.Input(input.name, input.shape))];

    /// <summary>Calls a model of any of the usual kinds.</summary>
    /// <exception cref="UserError">It takes other numbers of tensors.</exception>
    public static IReadOnlyList<Tensor> Call(nn.Module model, Tensor[] inputs) => (model, inputs) switch
    {
        (nn.Module<Tensor, Tensor> one, [var x]) => [one.call(x)],
        (nn.Module<Tensor, Tensor[]> many, [var x]) => many.call(x),
        (nn.Module<Tensor, (Tensor, Tensor)> two, [var x]) => Listed(two.call(x)),
        (nn.Module<Tensor, Tensor, Tensor> one, [var x, var y]) => [one.call(x, y)],
        (nn.Module<Tensor, Tensor, Tensor, Tensor> one, [var x, var y, var z]) => [one.call(x, y, z)],
        (nn.Module<Tensor[], Tensor> one, _) => [one.call(inputs)],
        (nn.Module<Tensor[], Tensor[]> many, _) => many.call(inputs),
        _ => throw new UserError($"{model.GetName()} cannot be called with the recording's {inputs.Length} inputs", "verify calls models of up to three tensors, or of an array"),
    };

    private static Tensor[] Listed((Tensor First, Tensor Second) pair) => [pair.First, pair.Second];
}
