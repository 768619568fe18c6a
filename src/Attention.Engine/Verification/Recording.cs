using System.Text.Json;
using System.Text.Json.Serialization;

namespace Attention.Engine.Verification;

/// <summary>
/// A recording of a reference model: its parameters by name, and a few samples of what it computes when every weight and
/// input is filled by <see cref="FormulaFill"/>. The property names are the file's keys.
/// </summary>
public sealed record Recording
{
    // What may be missing is settable: the generated reader would replace the default of an init-only property by null.
    public string? factory { get; set; }
    public Dictionary<string, JsonElement> kwargs { get; set; } = [];
    public double gain { get; set; } = 1;
    public long parameter_count { get; set; }
    public required IReadOnlyList<RecordedInput> inputs { get; init; }
    public required IReadOnlyList<RecordedState> state { get; init; }
    public required IReadOnlyList<RecordedTensor> outputs { get; init; }
    public IReadOnlyList<RecordedTensor> features { get; set; } = [];
    public RecordedBackward? backward { get; set; }

    /// <summary>A language model's config.json, which alone says what to build.</summary>
    public JsonElement? hf_config { get; init; }

    /// <summary>A language model's logits when it gets one token at a time.</summary>
    public RecordedDecoding? decode { get; init; }

    /// <summary>Reads a recording.</summary>
    /// <exception cref="UserError">The file is missing or no recording.</exception>
    public static Recording Load(string path)
    {
        if (!File.Exists(path))
            throw new UserError($"there is no recording '{path}'", "check the path");
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllText(path), RecordingJson.Default.Recording) is { inputs.Count: > 0, state.Count: > 0, outputs.Count: > 0 } recording
                ? recording
                : throw new UserError($"'{path}' records no whole model: it lacks inputs, state or outputs", "give a recording that scripts/record_reference.py made");
        }
        catch (JsonException e)
        {
            throw new UserError($"'{path}' is no recording of a model: {Reason(e)}", "make one with scripts/record_reference.py", e);
        }
    }

    private static string Reason(JsonException e) => e.Message.Split("missing required properties including: ") is [_, var names]
        ? $"it lacks {names.TrimEnd('.')}" : e.Message.Split(" Path:")[0];
}

public sealed record RecordedInput(string name, long[] shape, string kind = "float", long high = 0, bool grad = false);

/// <param name="name">Key in the state dict.</param>
/// <param name="shape">Its shape.</param>
/// <param name="kind">param, buffer or computed.</param>
/// <param name="fill">The rule that filled it.</param>
/// <param name="alias_of">The entry that gave the values, where both are the same tensor.</param>
/// <param name="requires_grad">False where no gradient was recorded.</param>
/// <param name="gain">Of this entry alone.</param>
public sealed record RecordedState(string name, long[] shape, string kind, string fill, string? alias_of = null, bool requires_grad = true, double? gain = null);

/// <summary>Samples of a tensor at flat row-major positions, and how far float32 is from float64 there.</summary>
public sealed record RecordedTensor(string name, long[] shape, double l2, double max_abs, long[] indices, double[] samples, double noise = 0);

public sealed record RecordedGradient(string name, double? l2, long stride, double[]? samples, double noise = 0, bool zero = false);

/// <param name="batch">Sequences side by side.</param>
/// <param name="steps">Logits after some of the tokens.</param>
/// <param name="greedy">What the model goes on with, each token the likeliest.</param>
public sealed record RecordedDecoding(long batch, IReadOnlyList<RecordedStep> steps, RecordedGreedy? greedy = null);

public sealed record RecordedStep(long position, long[] shape, double max_abs, long[] indices, double[] samples, double noise = 0);

public sealed record RecordedGreedy(long[][] tokens, double min_top2_gap = 0);

public sealed record RecordedBackward(double loss, IReadOnlyList<RecordedGradient> grads, IReadOnlyList<RecordedGradient>? input_grads = null);

[JsonSourceGenerationOptions(NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(Recording))]
[JsonSerializable(typeof(RecordedState[]))]
[JsonSerializable(typeof(RecordedGradient[]))]
internal sealed partial class RecordingJson : JsonSerializerContext;
