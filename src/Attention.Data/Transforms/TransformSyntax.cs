namespace Attention.Data;

/// <summary>How a step is written and what it becomes. The signature is its declaration: it names the arguments and gives the defaults.</summary>
internal sealed record TransformSyntax(string Signature, Func<TransformArguments, object> Create)
{
    /// <summary>Every step that a line may hold: an <see cref="ImageTransform"/>, or <see cref="Normalize"/> at the end.</summary>
    public static IReadOnlyList<TransformSyntax> All { get; } =
    [
        new("resize(size, interpolation=bilinear)", a => new Resize(a.Pixels("size"), a.Choice<Interpolation>("interpolation"))),
        new("squash(height, width, interpolation=bilinear)", a =>
            new Squash(a.Pixels("height"), a.Pixels("width"), a.Choice<Interpolation>("interpolation"))),
        new("center_crop(size)", a => new CenterCrop(a.Pixels("size"))),
        new("crop(top, left, height, width)", a =>
            new Crop(a.Pixels("top", 0), a.Pixels("left", 0), a.Pixels("height"), a.Pixels("width"))),
        new("pad_crop(size, padding=4)", a => new PadCrop(a.Pixels("size"), a.Pixels("padding", 0))),
        new("random_resized_crop(size, scale=(0.08, 1), ratio=(3/4, 4/3), interpolation=bilinear)", a =>
            new RandomResizedCrop(a.Pixels("size"), a.Range("scale", 1), a.Range("ratio", 100), a.Choice<Interpolation>("interpolation"))),
        new("hflip(p=0.5)", a => new HorizontalFlip(a.Probability("p"))),
        new("vflip(p=0.5)", a => new VerticalFlip(a.Probability("p"))),
        new("normalize(mean=imagenet, std=imagenet)", Normalization),
    ];

    /// <summary>The signature, taken apart: arguments without a default stand there as mere names.</summary>
    public TransformCall Declaration { get; } = TransformLine.Parse(Signature)[0];

    /// <summary>Makes a step.</summary>
    /// <param name="line">The line that it comes from, for messages.</param>
    /// <param name="call">The step in it.</param>
    /// <exception cref="UserError">There is no such step, or its arguments are wrong.</exception>
    public static object Make(string line, TransformCall call)
    {
        var syntax = All.FirstOrDefault(known => known.Declaration.Name == call.Name)
            ?? throw TransformLine.Error(line, call.Position, $"there is no transform '{call.Name}'",
                Spelling.Advice(call.Name, [.. All.Select(known => known.Declaration.Name)]));
        return syntax.Create(new TransformArguments(line, call, syntax));
    }

    // One name stands for both constants: normalize(half).
    private static Normalize Normalization(TransformArguments arguments)
    {
        if (arguments.IsGiven("std"))
            return new Normalize(arguments.Colour("mean", known => known.Mean), arguments.Colour("std", known => known.Std, above: 0));
        return Normalize.Named.GetValueOrDefault(arguments.Text("mean"))
            ?? throw arguments.Wrong("mean", $"one of: {string.Join(", ", Normalize.Named.Keys)}; or numbers, and then std as well");
    }
}
