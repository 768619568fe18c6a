using System.Diagnostics;
using Attention.Modules.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Benchmarks;

/// <summary>How long operators of detectors take. Inputs are random, of seed 0 and in an order that scripts/bench/dense_peer.py repeats.</summary>
public static class DenseBenchmark
{
    /// <param name="Name">Of the case.</param>
    /// <param name="Forward">Median seconds without gradients.</param>
    /// <param name="Train">Median seconds forward and backward; null where there is no backward.</param>
    public readonly record struct Timing(string Name, double Forward, double? Train);

    // An image of 800 x 1088 in a feature pyramid.
    private const int Height = 800, Width = 1088, Channels = 256;

    private static readonly (string Name, Func<Case> Make)[] cases =
    [
        ("roi_align, 1024 regions to 7x7 of 4 maps", () => RegionsOfPyramid(7)),
        ("roi_align, 256 regions to 14x14 of 4 maps", () => RegionsOfPyramid(14, 128)),
        ("roi_align, 300 regions to 14x14 of one map, adaptive samples", RegionsOfOneMap),
        ("nms, 1000 boxes", () => Suppressed(1000)),
        ("nms, 5000 boxes", () => Suppressed(5000)),
        ("batched_nms, 1000 boxes of 80 labels", () => Suppressed(1000, 80)),
        ("batched_nms, 5000 boxes of 80 labels", () => Suppressed(5000, 80)),
        ("deformable attention, 4534 queries (encoder)", () => Deformable(null)),
        ("deformable attention, 300 queries (decoder)", () => Deformable(300)),
        ("deform_conv2d, 128 channels, 3x3, 50x68", Convolved),
        ("paste_masks_in_image, 100 masks", Pasted),
    ];

    /// <summary>Times the cases whose name has the part.</summary>
    /// <param name="part">Of names; "" for all.</param>
    /// <param name="seconds">To spend on each case, forward and backward alike.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static IEnumerable<Timing> Run(string part, double seconds, CancellationToken cancellation)
    {
        foreach (var (name, make) in cases.Where(each => each.Name.Contains(part, StringComparison.OrdinalIgnoreCase)))
        {
            using var scope = NewDisposeScope();
            manual_seed(0);
            var work = make();
            double forward;
            using (no_grad())
                forward = Median(() => work.Compute().Dispose(), seconds, cancellation);
            double? train = work.Leaves.Length == 0 ? null : Median(() =>
            {
                using var step = NewDisposeScope();
                work.Compute().sum().backward();
                foreach (var leaf in work.Leaves)
                    leaf.grad = null;
            }, seconds, cancellation);
            yield return new Timing(name, forward, train);
        }
    }

    private static double Median(Action action, double seconds, CancellationToken cancellation)
    {
        const int warmUp = 2;
        var times = new List<double>();
        var clock = Stopwatch.StartNew();
        while (times.Count < warmUp + 5 || clock.Elapsed.TotalSeconds < seconds)
        {
            cancellation.ThrowIfCancellationRequested();
            long start = Stopwatch.GetTimestamp();
            action();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        var sorted = times.Skip(warmUp).Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    private readonly record struct Case(Func<Tensor> Compute, params Tensor[] Leaves);

    // Sides from 8 to about 400, more small ones than large ones.
    private static Tensor RandomBoxes(int count)
    {
        var sizes = (rand(count, 2) * 3.9).exp() * 8;
        var corners = rand(count, 2) * tensor(new float[] { Width, Height }) - sizes / 2;
        return cat([corners, corners + sizes], 1);
    }

    private static Case RegionsOfPyramid(int size, int each = 512)
    {
        Tensor[] maps = [.. new[] { 4, 8, 16, 32 }.Select(stride => rand(2, Channels, Height / stride, Width / stride).requires_grad_())];
        Tensor[] boxes = [RandomBoxes(each), RandomBoxes(each)];
        var align = new MultiScaleRoiAlign(size, 2);
        return new Case(() => align.Cut(maps, boxes, Height), maps);
    }

    private static Case RegionsOfOneMap()
    {
        var map = rand(1, Channels, Height / 16, Width / 16).requires_grad_();
        var regions = cat([zeros(300, 1), RandomBoxes(300)], 1);
        return new Case(() => RoiAlign.Cut(map, regions, (14, 14), 1 / 16.0, -1, aligned: true), map);
    }

    private static Case Suppressed(int count, int? labels = null)
    {
        var (boxes, scores) = (RandomBoxes(count), rand(count));
        if (labels is null)
            return new Case(() => Suppression.Keep(boxes, scores, 0.5));
        var label = (rand(count) * labels.Value).to(ScalarType.Int64);
        return new Case(() => Suppression.KeepPerLabel(boxes, scores, label, 0.5));
    }

    // Deformable DETR's: 4 maps, 8 heads of 32, 4 points; the image has half its sides.
    private static Case Deformable(int? queries)
    {
        (long Height, long Width)[] maps = [(50, 68), (25, 34), (13, 17), (7, 9)];
        long places = maps.Sum(map => map.Height * map.Width), count = queries ?? places;
        var value = rand(1, places, 8, 32).requires_grad_();
        var locations = rand([1, count, 8, 4, 4, 2]).requires_grad_();
        var weights = rand([1, count, 8, 4, 4]).requires_grad_();
        return new Case(() => DeformableSampling.Attend(value, maps, locations, weights), value, locations, weights);
    }

    private static Case Convolved()
    {
        var x = rand(2, 128, 50, 68).requires_grad_();
        var offset = (rand(2, 18, 50, 68) * 4 - 2).requires_grad_();
        var weight = rand(128, 128, 3, 3).requires_grad_();
        var mask = rand(2, 9, 50, 68).requires_grad_();
        return new Case(() => DeformableSampling.Convolve(x, offset, weight, null, mask, padding: 1), x, offset, weight, mask);
    }

    private static Case Pasted()
    {
        var (masks, boxes) = (rand(100, 1, 28, 28), RandomBoxes(100));
        return new Case(() => MaskPasting.Paste(masks, boxes, Height, Width));
    }
}
