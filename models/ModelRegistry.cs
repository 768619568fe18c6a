using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Models;

/// <summary>A family of models: one file, one config record, a table of variants.</summary>
public abstract class ModelFamily
{
    /// <summary>The family's name in listings.</summary>
    public required string Name { get; init; }

    /// <summary>The paper, in a line.</summary>
    public required string Reference { get; init; }

    /// <summary>The names of its variants.</summary>
    public abstract IEnumerable<string> Variants { get; }

    /// <summary>A variant's config: a record whose fields a YAML <c>model:</c> section can override.</summary>
    public abstract object Config(string variant);

    /// <summary>A new model, freshly initialised.</summary>
    public abstract nn.Module Create(object config);
}

/// <inheritdoc cref="ModelFamily"/>
public sealed class ModelFamily<TConfig> : ModelFamily where TConfig : class
{
    public required IReadOnlyDictionary<string, TConfig> Table { get; init; }
    public required Func<TConfig, nn.Module> Build { get; init; }

    public override IEnumerable<string> Variants => Table.Keys;
    public override object Config(string variant) => Table[variant];
    public override nn.Module Create(object config) => Build((TConfig)config);
}

/// <summary>Every model there is, by name.</summary>
public static class ModelRegistry
{
    private static readonly Dictionary<string, ModelFamily> byVariant = [];

    static ModelRegistry()
    {
        Register(Vision.VisionTransformer.Family);
        Register(Vision.DeiT.Family);
        Register(Vision.ClipVit.Family);
        Register(Vision.DinoV2.Family);
        Register(Vision.SigLip.Family);
        Register(Vision.Aimv2.Family);
        Register(Vision.Beit.Family);
        Register(Vision.Beit3.Family);
        Register(Vision.Eva.Family);
        Register(Vision.DinoV3.Family);
        Register(Vision.RopeVit.Family);
        Register(Vision.PerceptionEncoder.Family);
        Register(Vision.SwinTransformer.Family);
        Register(Vision.SwinTransformerV2.Family);
        Register(Vision.SwinTransformerV2Cr.Family);
        Register(Vision.PyramidVisionTransformer.Family);
        Register(Vision.Twins.Family);
        Register(Vision.BiFormer.Family);
        Register(Vision.CrossVit.Family);
        Register(Vision.ConVit.Family);
        Register(Vision.TransformerInTransformer.Family);
        Register(Vision.DaVit.Family);
        Register(Vision.Cait.Family);
        Register(Vision.Xcit.Family);
        Register(Vision.Visformer.Family);
        Register(Vision.Nest.Family);
        Register(Vision.MetaFormer.Family);
        Register(Vision.VitRelPos.Family);
        Register(Vision.VitHybrid.Family);
        Register(Vision.ResNet.Family);
        Register(Vision.ConvNeXt.Family);
        Register(Language.Gpt2.Family);
        Register(Language.Decoder.Family);
        Register(Vision.TransNeXt.Family);
        Register(Vision.MohVit.Family);
        Register(Vision.DiT.Family);
        Register(Vision.DiT.MohFamily);
        Register(Vision.CoAtNet.Family);
        Register(Vision.MaxVit.Family);
        Register(Vision.HaloNet.Family);
        Register(Vision.FocalNet.Family);
        Register(Vision.GcVit.Family);
        Register(Vision.ShVit.Family);
        Register(Vision.Van.Family);
        Register(Vision.CrossFormer.Family);
        Register(Vision.LitV2.Family);
        Register(Vision.Smt.Family);
        Register(Vision.FaVit.Family);
        Register(Vision.SpectFormer.Family);
        Register(Vision.SpectFormerVanilla.Family);
        Register(Vision.StVit.Family);
        Register(Vision.LowFormer.Family);
        Register(Vision.GlNet.Family);
        Register(Vision.L2Vit.Family);
        Register(Vision.FcaFormer.Family);
        Register(Vision.NeighborhoodTransformer.Family);
        Register(Vision.NeighborhoodIsotropic.Family);
        Register(Vision.OverLock.Family);
        Register(Vision.MobileMamba.Family);
        Register(Dense.UperNet.Family);
        Register(Dense.SemanticFpn.Family);
        Register(Dense.Fcn.Family);
        Register(Dense.PspNet.Family);
        Register(Dense.DeepLab.Family);
        Register(Dense.TorchvisionSegmentation.Family);
        Register(Dense.Mask2Former.Family);
        Register(Dense.Mask2FormerInstances.Family);
        Register(Dense.Rcnn.Family);
        Register(Dense.RetinaNet.Family);
        Register(Dense.Detr.Family);
        Register(Dense.DeformableDetr.Family);
        Register(Dense.GroupPose.Family);
    }

    /// <summary>Adds a family: a user's own, from their program.</summary>
    /// <exception cref="ArgumentException">A variant's name is taken.</exception>
    public static void Register(ModelFamily family)
    {
        foreach (var variant in family.Variants)
            if (!byVariant.TryAdd(variant, family))
                throw new ArgumentException($"model '{variant}' of {family.Name} is already registered by {byVariant[variant].Name}");
    }

    /// <summary>All names, in the order of registration.</summary>
    public static IReadOnlyCollection<string> Names => byVariant.Keys;

    /// <summary>The names of those that take images and can be the backbone of another.</summary>
    public static IReadOnlyCollection<string> ImageModels => [.. byVariant.Where(known => known.Value.Config(known.Key) is ImageModelConfig).Select(known => known.Key)];

    /// <summary>The family that has the variant.</summary>
    /// <exception cref="UserError">There is no such model; the message names the nearest.</exception>
    public static ModelFamily Family(string name) =>
        byVariant.TryGetValue(name, out var family) ? family
        : throw new UserError($"no model '{name}'", $"did you mean '{Nearest(name)}'? ./attention models lists all");

    /// <summary>A new model with the variant's own config.</summary>
    public static nn.Module Create(string name) => Family(name).Create(Family(name).Config(name));

    /// <summary>A new model with a changed config: <c>Create&lt;VitConfig&gt;("vit_tiny_patch16_224", c =&gt; c with { num_classes = 10 })</c>.</summary>
    public static nn.Module Create<TConfig>(string name, Func<TConfig, TConfig> change) where TConfig : class =>
        Family(name).Create(change((TConfig)Family(name).Config(name)));

    private static string Nearest(string name) => byVariant.Keys.MinBy(candidate => Distance(name, candidate))!;

    // Levenshtein.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0]++;
            for (int j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
        }
        return row[^1];
    }
}
