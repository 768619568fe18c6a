namespace Attention.Data;

/// <summary>One argument of a step in the one-line form: a number, or one of a few words.</summary>
/// <param name="Name">As written in <c>name=value</c>.</param>
/// <param name="Default">What stands for it where it is left out; null makes it required. A word stands as its place in Words.</param>
/// <param name="Min">The smallest number allowed.</param>
/// <param name="Max">The largest number allowed.</param>
/// <param name="Whole">Whether it has to be a whole number.</param>
/// <param name="Words">The words allowed in place of numbers.</param>
internal sealed record TransformArgument(string Name, double? Default, double Min, double Max, bool Whole = false, string[]? Words = null)
{
    public static TransformArgument Pixels(string name, double? byDefault = null, int min = 1) => new(name, byDefault, min, 65535, Whole: true);

    public static TransformArgument Share(string name, double byDefault) => new(name, byDefault, 0, 1);

    public static TransformArgument Word(string name, string[] words) => new(name, 0, 0, words.Length - 1, Words: words);
}

/// <summary>One kind of step: its name, its arguments, and how it is made from their values.</summary>
internal sealed record TransformKind(string Name, TransformArgument[] Arguments, Func<double[], object> Make)
{
    /// <summary>As in <c>resize(size, interpolation=bilinear)</c>.</summary>
    public string Signature => Arguments.Length == 0 ? Name : $"{Name}({string.Join(", ", Arguments.Select(Describe))})";

    private static string Describe(TransformArgument argument)
    {
        if (argument.Words is { } words)
            return $"{argument.Name}={string.Join('/', words)}";
        return argument.Default is { } value ? FormattableString.Invariant($"{argument.Name}={value}") : argument.Name;
    }
}

/// <summary>The steps that the one-line form knows.</summary>
internal static class TransformCatalogue
{
    private static readonly TransformArgument Filter = TransformArgument.Word("interpolation", ["bilinear", "bicubic"]);
    private static readonly (string Name, Normalize Value)[] Normals =
        [("imagenet", Normalize.ImageNet), ("half", Normalize.Half), ("cifar10", Normalize.Cifar10), ("unit", Normalize.Unit)];

    public static readonly TransformKind[] Kinds =
    [
        new("resize", [TransformArgument.Pixels("size"), Filter], v => new Resize((int)v[0], (Interpolation)v[1])),
        new("squash", [TransformArgument.Pixels("height"), TransformArgument.Pixels("width"), Filter],
            v => new Squash((int)v[0], (int)v[1], (Interpolation)v[2])),
        new("center_crop", [TransformArgument.Pixels("size")], v => new CenterCrop((int)v[0])),
        new("pad_crop", [TransformArgument.Pixels("size"), TransformArgument.Pixels("padding", 4, min: 0)],
            v => new PadCrop((int)v[0], (int)v[1])),
        new("random_resized_crop",
            [TransformArgument.Pixels("size"), TransformArgument.Share("min_area", 0.08), TransformArgument.Share("max_area", 1), Filter],
            v => new RandomResizedCrop((int)v[0], v[1], v[2], (Interpolation)v[3])),
        new("hflip", [TransformArgument.Share("probability", 0.5)], v => new HorizontalFlip(v[0])),
        new("normalize", [TransformArgument.Word("constants", [.. Normals.Select(n => n.Name)])], v => Normals[(int)v[0]].Value),
    ];
}
