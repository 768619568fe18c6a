using System.Text.Json;
using Attention.Models;
using Attention.Models.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>What recordings of DETR and its followers have in common: images, options, matchings, losses.</summary>
internal abstract class DetrSystem(DenseRecording recording) : DenseSystem
{
    private static readonly float[] mean = [0.485f, 0.456f, 0.406f], std = [0.229f, 0.224f, 0.225f];

    protected readonly Dictionary<string, Tensor> values = [];

    protected DenseRecording Recording => recording;

    protected int Whole(string option) => recording.Get($"config.{option}").GetInt32();

    protected double Real(string option) => recording.Get($"config.{option}").GetDouble();

    protected bool Flag(string option) => recording.Find($"config.{option}") is { ValueKind: JsonValueKind.True };

    /// <summary>A ResNet of the zoo with frozen norms, as the authors' are.</summary>
    protected BackboneConfig Backbone() => DetrBackbone.Frozen(recording.Get("config.backbone").GetString()!);

    /// <summary>The recording's images, normalised and padded with zeros, and their sizes, which are those of the results too.</summary>
    protected PaddedImages Batch()
    {
        var images = recording.Images();
        var sizes = images.Select(image => new ImageSize((int)image.shape[1], (int)image.shape[2])).ToArray();
        var pixels = zeros(images.Count, 3, sizes.Max(size => size.height), sizes.Max(size => size.width));
        foreach (var (image, i) in images.Select((image, i) => (image, i)))
        {
            var normal = (image - tensor(mean).view(3, 1, 1)) / tensor(std).view(3, 1, 1);
            pixels[i].narrow(1, 0, sizes[i].height).narrow(2, 0, sizes[i].width).copy_(normal);
        }
        var results = recording.Get("postprocess.target_sizes_hw").EnumerateArray().Select(size => new ImageSize(size[0].GetInt32(), size[1].GetInt32())).ToArray();
        return new PaddedImages(pixels, sizes, results);
    }

    /// <summary>One field of all targets, the objects of all images one after the other.</summary>
    protected Tensor Targets(string field, params long[] shape) =>
        tensor(recording.Get("targets").EnumerateArray().SelectMany(target => DenseRecording.Flat(target.GetProperty(field))).Select(value => (float)value).ToArray())
            .reshape([-1, .. shape]);

    /// <summary>Objects of each image.</summary>
    protected int[] Counts() => [.. recording.Get("targets").EnumerateArray().Select(target => target.GetProperty("labels").GetArrayLength())];

    /// <summary>Keeps the costs and the pairs of the matchings, in the order in which the reference's matcher was called.</summary>
    protected void KeepMatchings(IReadOnlyList<Tensor> costs, IReadOnlyList<int> counts)
    {
        for (int call = 0; call < costs.Count; call++)
        {
            long queries = costs[call].shape[0] / counts.Count, first = 0;
            for (int image = 0; image < counts.Count; image++)
            {
                var block = costs[call].narrow(0, image * queries, queries).narrow(1, first, counts[image]);
                var matching = SetMatching.Find(block, [counts[image]]);
                var path = $"matching.{call * counts.Count + image}";
                values[$"{path}.cost"] = block;
                values[$"{path}.queries"] = matching.Queries;
                values[$"{path}.targets"] = matching.Objects;
                first += counts[image];
            }
        }
    }

    /// <summary>Keeps weighted losses as the reference has them, without their weights, and their sum, and goes backward from it.</summary>
    protected void KeepLosses(IReadOnlyDictionary<string, Tensor> losses)
    {
        var total = losses.Values.Aggregate((sum, loss) => sum + loss);
        total.backward();
        values["total"] = total;
        foreach (var (name, loss) in losses)
            values[$"losses.{name}"] = loss / recording.Get($"losses.{name}").GetProperty("weight").GetDouble();
    }

    /// <summary>How many of the matched queries, in percent, are surest of another class than that of their object.</summary>
    protected static Tensor ClassError(Tensor logits, Tensor labels, SetMatching matching) =>
        100 * matching.OfQueries(logits).argmax(-1).ne(labels.index_select(0, matching.Objects)).to(ScalarType.Float32).mean();
}
