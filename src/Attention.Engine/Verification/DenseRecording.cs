using System.Globalization;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>
/// A recording of a detector, a segmenter or a part of one: the tensors and losses of its stages, wherever they stand in the file.
/// Each has a path, the keys on the way to it joined by dots: <c>eval.fpn.0</c>, <c>train.losses.loss_mask</c>. Lists of tensors add their
/// items' names, other lists their items' numbers.
/// </summary>
public sealed class DenseRecording
{
    private const string Format = "parity-lab-dense/1";
    private const string ListOfTensors = "rows", Features = "features", Gradients = "gradients", State = "state";

    private readonly Dictionary<string, JsonElement> nodes = [];
    private readonly List<DenseRow> rows = [];
    private readonly List<DenseRow> features = [];
    private readonly Dictionary<string, RecordedGradient[]> gradients = [];

    private DenseRecording(JsonElement root)
    {
        Root = root;
        Walk(root, "");
        state = root.TryGetProperty(State, out var entries) ? entries.Deserialize(RecordingJson.Default.RecordedStateArray)! : [];
    }

    /// <summary>The whole file.</summary>
    public JsonElement Root { get; }

    /// <summary>What is filled, in the state dict's order; every weight has its own gain.</summary>
    public IReadOnlyList<RecordedState> state { get; }

    /// <summary>All tensors and losses but features and the parameters' gradients.</summary>
    public IReadOnlyList<DenseRow> Rows => rows;

    /// <summary>What modules gave, by their names.</summary>
    public IReadOnlyList<DenseRow> FeatureRows => features;

    /// <summary>Lists of gradients by the path of what holds them.</summary>
    public IReadOnlyDictionary<string, RecordedGradient[]> GradientLists => gradients;

    /// <summary>What was recorded: the factory, else the author's repository, else the keys of its parts.</summary>
    public string System => Find("factory")?.GetString() ?? Find("source.repo")?.GetString()
        ?? string.Join(' ', Root.EnumerateObject().Where(each => each.Value.ValueKind is JsonValueKind.Object or JsonValueKind.Array).Select(each => each.Name));

    /// <summary>Whether a file says that it is of this format.</summary>
    public static bool IsOne(string path)
    {
        if (!File.Exists(path))
            return false;
        using var reader = new StreamReader(path);
        var start = new char[128];
        return new string(start, 0, reader.ReadBlock(start)).Contains(Format, StringComparison.Ordinal);
    }

    /// <summary>Reads a recording.</summary>
    /// <exception cref="UserError">The file is broken.</exception>
    public static DenseRecording Load(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return new DenseRecording(document.RootElement.Clone());
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new UserError($"'{path}' is no recording of a detector or segmenter: {e.Message.Split(" Path:")[0]}", "fetch it again", e);
        }
    }

    /// <summary>What stands at a path; null where nothing does.</summary>
    public JsonElement? Find(string path) => nodes.TryGetValue(path, out var found) && found.ValueKind != JsonValueKind.Null ? found : null;

    /// <summary>What has to stand at a path.</summary>
    /// <exception cref="UserError">Nothing does.</exception>
    public JsonElement Get(string path) => Find(path) ?? throw new UserError($"the recording has no '{path}'", "it may be of a newer format");

    /// <summary>The number at a path, or what is given where there is none.</summary>
    public double Number(string path, double otherwise) => Find(path)?.GetDouble() ?? otherwise;

    /// <summary>The numbers at a path, flat.</summary>
    public double[] Numbers(string path) => [.. Flat(Get(path))];

    /// <summary>Numbers in nested lists, in order; true and false as 1 and 0.</summary>
    public static IEnumerable<double> Flat(JsonElement values) => values.ValueKind switch
    {
        JsonValueKind.Array => values.EnumerateArray().SelectMany(Flat),
        JsonValueKind.True => [1],
        JsonValueKind.False => [0],
        JsonValueKind.Null => [double.NaN],
        JsonValueKind.String => [double.Parse(values.GetString()!, CultureInfo.InvariantCulture)],
        _ => [values.GetDouble()],
    };

    /// <summary>The images (3, H, W) in [0, 1) that the recording names.</summary>
    public IReadOnlyList<Tensor> Images() => [.. Get("images").EnumerateArray().Select(image => FormulaFill.Image(image.GetProperty("name").GetString()!, Longs(image.GetProperty("shape"))))];

    /// <summary>Boxes (N, 4) in a list of them.</summary>
    public static Tensor Boxes(JsonElement list) => tensor([.. Flat(list).Select(value => (float)value)], dtype: ScalarType.Float32).reshape(-1, 4);

    internal static long[] Longs(JsonElement list) => [.. list.EnumerateArray().Select(value => value.GetInt64())];

    // What a module gives when it is called again has the number of the call behind it: decoder_norm, decoder_norm#1.
    private static IEnumerable<DenseRow> Numbered(IEnumerable<JsonElement> features)
    {
        var calls = new Dictionary<string, int>();
        foreach (var feature in features)
        {
            var name = feature.GetProperty("name").GetString()!;
            int call = calls[name] = calls.GetValueOrDefault(name, -1) + 1;
            yield return DenseRow.Read(feature, call == 0 ? name : $"{name}#{call}")!;
        }
    }

    private void Walk(JsonElement here, string path)
    {
        nodes.TryAdd(path, here);
        string Inside(string name) => path == "" ? name : name == "" ? path : $"{path}.{name}";
        switch (here.ValueKind)
        {
            case JsonValueKind.Object when DenseRow.Read(here, path) is { } row:
                rows.Add(row);
                break;
            case JsonValueKind.Object:
                foreach (var each in here.EnumerateObject())
                    if (each.Name == Gradients && each.Value.TryGetProperty("grads", out var list))
                        gradients.Add(path, list.Deserialize(RecordingJson.Default.RecordedGradientArray)!);
                    else if (each.Name == Features && path == "" && each.Value.ValueKind == JsonValueKind.Array)
                        features.AddRange(Numbered(each.Value.EnumerateArray()));
                    else if (each.Name != State)
                        Walk(each.Value, each.Name == ListOfTensors ? path : Inside(each.Name));
                break;
            case JsonValueKind.Array:
                int number = 0;
                foreach (var each in here.EnumerateArray())
                    if (each.ValueKind == JsonValueKind.Object)
                        Walk(each, each.TryGetProperty("name", out var name) ? Inside(name.GetString()!) : Inside($"{number++}"));
                break;
        }
    }
}

/// <summary>A tensor of a recording, whole or in samples.</summary>
/// <param name="Path">Where it stands.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Indices">Flat row-major positions of the values; null for all.</param>
/// <param name="Values">What stands there.</param>
/// <param name="Norm">Of the whole tensor; null where it was not recorded.</param>
/// <param name="Largest">The largest absolute value.</param>
/// <param name="Noise">How far the reference's float32 is from float64, relative to the largest.</param>
/// <param name="IsExact">Whole numbers that do not depend on rounding.</param>
public sealed record DenseRow(string Path, long[] Shape, long[]? Indices, double[] Values, double? Norm, double Largest, double Noise, bool IsExact)
{
    private const double Few = 5;

    /// <summary>Reads a tensor, or a loss that stands there as a number; null for anything else.</summary>
    internal static DenseRow? Read(JsonElement here, string path)
    {
        if (here.TryGetProperty("value", out var value) && value.ValueKind == JsonValueKind.Number)
        {
            double loss = value.GetDouble(), exact = here.TryGetProperty("f64", out var f64) && f64.ValueKind == JsonValueKind.Number ? f64.GetDouble() : loss;
            double size = Math.Max(Math.Abs(loss), 1e-30);
            return new(path, [], null, [loss], null, size, Math.Abs(loss - exact) / size, IsExact: false);
        }
        if (!here.TryGetProperty("shape", out var shape) || !here.TryGetProperty("dtype", out var dtype) || !here.TryGetProperty("max_abs", out var largest))
            return null;
        bool whole = here.TryGetProperty("values", out var values);
        if (!whole && !here.TryGetProperty("samples", out values))
            return null;
        double noise = here.TryGetProperty("noise", out var recorded) && recorded.ValueKind == JsonValueKind.Number ? recorded.GetDouble() : 0;
        bool integer = !dtype.GetString()!.StartsWith("float", StringComparison.Ordinal);
        bool same = !here.TryGetProperty("f64_same", out var agreed) || agreed.ValueKind != JsonValueKind.False;
        double greatest = largest.ValueKind == JsonValueKind.Number ? largest.GetDouble() : 0;
        // Counts that float64 had otherwise may differ by a few.
        if (integer && !same)
            noise = Math.Max(noise, Few / Math.Max(greatest, 1) / Verifier.NoiseFactor);
        return new(path, DenseRecording.Longs(shape), whole ? null : DenseRecording.Longs(here.GetProperty("indices")), [.. DenseRecording.Flat(values)],
            here.TryGetProperty("l2", out var norm) && norm.ValueKind == JsonValueKind.Number ? norm.GetDouble() : null,
            greatest, noise, integer && same);
    }

    /// <summary>Plain numbers that stand in a recording, as a tensor of the shape that they are compared in.</summary>
    internal static DenseRow Plain(JsonElement numbers, string path, long[] shape)
    {
        double[] values = [.. DenseRecording.Flat(numbers)];
        return new(path, shape, null, values, null, values.Select(Math.Abs).Append(0).Max(), 0, IsExact: false);
    }
}
