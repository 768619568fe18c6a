using System.Globalization;

namespace Attention.Engine.Checkpoints;

/// <summary>A tensor whose shape in the checkpoint is not the model's.</summary>
public sealed record ShapeMismatch(string Name, long[] Model, long[] Checkpoint)
{
    public override string ToString() => $"{Name} {ShapeText.Of(Model)} here, {ShapeText.Of(Checkpoint)} there";
}

/// <summary>A tensor that was fitted to the model.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Model">Its shape in the model.</param>
/// <param name="Checkpoint">Its shape in the checkpoint.</param>
/// <param name="How">What was done.</param>
public sealed record AdaptedTensor(string Name, long[] Model, long[] Checkpoint, string How)
{
    public override string ToString() => $"{Name} {How}: {ShapeText.Of(Checkpoint)} to {ShapeText.Of(Model)}";
}

/// <summary>What became of each tensor of a checkpoint and of a model.</summary>
public sealed record LoadReport
{
    /// <summary>The checkpoint.</summary>
    public required string Checkpoint { get; init; }

    /// <summary>Tensors of the model that took the checkpoint's values, adapted ones among them.</summary>
    public required IReadOnlyList<string> Loaded { get; init; }

    /// <summary>Tensors of the model that the checkpoint lacks.</summary>
    public required IReadOnlyList<string> Missing { get; init; }

    /// <summary>Tensors of the checkpoint that the model lacks.</summary>
    public required IReadOnlyList<string> Unexpected { get; init; }

    /// <summary>Tensors of both whose shapes do not fit.</summary>
    public required IReadOnlyList<ShapeMismatch> Mismatched { get; init; }

    /// <summary>Tensors that were resampled or fitted.</summary>
    public required IReadOnlyList<AdaptedTensor> Adapted { get; init; }

    /// <summary>The classifier's tensors, freshly initialised because the checkpoint's has other classes.</summary>
    public required IReadOnlyList<ShapeMismatch> Reinitialised { get; init; }

    /// <summary>Tensors of the checkpoint that are left out for good: tables that the model computes, a head that it does without.</summary>
    public required IReadOnlyList<string> Ignored { get; init; }

    /// <summary>Whether every tensor found its place.</summary>
    public bool Fits => Missing.Count + Unexpected.Count + Mismatched.Count == 0;

    /// <summary>What a user should know, a line each.</summary>
    public IEnumerable<string> Describe()
    {
        yield return string.Create(CultureInfo.InvariantCulture, $"loaded {Loaded.Count} tensors from {Checkpoint}");
        if (Reinitialised.Count > 0)
            yield return $"classifier initialised anew: {string.Join("; ", Reinitialised)}";
        foreach (var same in Adapted.GroupBy(each => (each.How, Shapes: ShapeText.Of(each.Model) + ShapeText.Of(each.Checkpoint))))
            yield return same.Count() == 1 ? same.First().ToString() : $"{same.First()} and {same.Count() - 1} more alike";
        if (Ignored.Count > 0)
            yield return $"left out: {Names(Ignored)}";
        if (!Fits)
            yield return Misfits();
    }

    internal string Misfits() => string.Join("; ",
        new[] { Part("missing", Missing), Part("unexpected", Unexpected), Part("of another shape", Mismatched.Select(each => each.ToString()).ToArray()) }.Where(part => part != ""));

    private static string Part(string what, IReadOnlyList<string> names) => names.Count == 0 ? "" : $"{names.Count} {what} ({Names(names)})";

    private static string Names(IReadOnlyList<string> names) => string.Join(", ", names.Take(3)) + (names.Count > 3 ? ", ..." : "");
}

/// <summary>A checkpoint and a model do not fit; nothing was loaded.</summary>
public sealed class LoadError(LoadReport report)
    : UserError($"'{report.Checkpoint}' does not fit the model: {report.Misfits()}",
        "choose the model that it was made for (attention inspect lists its tensors), or strict: false to take what fits")
{
    public LoadReport Report { get; } = report;
}
