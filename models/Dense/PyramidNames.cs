using System.Text.RegularExpressions;

namespace Attention.Models.Dense;

/// <summary>Names of torchvision's detectors before its convolutions became sequences: most published checkpoints have them.</summary>
internal static partial class PyramidNames
{
    public static string Rename(string published)
    {
        published = Pyramid().Replace(published, "$1.0.$2");
        published = Proposals().Replace(published, "$1.0.0.$2");
        published = Masks().Replace(published, match => $"{match.Groups[1]}{int.Parse(match.Groups[2].Value) - 1}.0.{match.Groups[3]}");
        // In RetinaNet's heads ReLUs had numbers too.
        return Heads().Replace(published, match => $"{match.Groups[1]}{int.Parse(match.Groups[2].Value) / 2}.0.{match.Groups[3]}");
    }

    [GeneratedRegex(@"(fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$")]
    private static partial Regex Pyramid();

    [GeneratedRegex(@"^(rpn\.head\.conv)\.(weight|bias)$")]
    private static partial Regex Proposals();

    [GeneratedRegex(@"^(roi_heads\.mask_head\.)mask_fcn(\d+)\.(weight|bias)$")]
    private static partial Regex Masks();

    [GeneratedRegex(@"^(head\.\w+_head\.conv\.)(\d+)\.(weight|bias)$")]
    private static partial Regex Heads();
}
