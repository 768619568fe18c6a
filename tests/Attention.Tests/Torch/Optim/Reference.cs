using System.Text.Json;

namespace Attention.Tests.Torch.Optim;

/// <summary>What PyTorch's optimizers and schedulers do: reference.json, written by record.py.</summary>
internal static class Reference
{
    private static readonly Lazy<JsonElement> document = new(() =>
        JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Torch", "Optim", "reference.json"))).RootElement);

    public static JsonElement Section(string name) => document.Value.GetProperty(name);

    public static double[] Doubles(this JsonElement list) => list.EnumerateArray().Select(v => v.GetDouble()).ToArray();

    /// <summary>The option of that name, or the fallback where the case does not set it.</summary>
    public static double Get(this JsonElement options, string name, double fallback) =>
        options.TryGetProperty(name, out var value) ? value.GetDouble() : fallback;

    /// <inheritdoc cref="Get(JsonElement, string, double)"/>
    public static bool Get(this JsonElement options, string name, bool fallback) =>
        options.TryGetProperty(name, out var value) ? value.GetBoolean() : fallback;
}
