using System.Diagnostics;
using Attention.Data;

namespace Attention.Engine.Benchmarks;

/// <summary>How fast images become batches: reading, decoding, transforming and collating, on the calling thread alone.</summary>
public static class DataBenchmark
{
    /// <summary>Median images per second of passes over the images, after one that warms up.</summary>
    /// <param name="images">The images.</param>
    /// <param name="transforms">What is done to each.</param>
    /// <param name="batch">Images per batch.</param>
    /// <param name="seconds">How long to go on; at least three passes are made.</param>
    /// <param name="workers">Threads beside the calling one, or 0 for that one.</param>
    public static double Run(IImageDataset images, TransformPipeline transforms, int batch, double seconds, int workers = 0)
    {
        using var loader = new DataLoader(images, transforms, new LoaderOptions { BatchSize = batch, Workers = workers, Broken = BrokenImages.Skip });
        var rates = new List<double>();
        long start = Stopwatch.GetTimestamp();
        for (int pass = 0; rates.Count < 4 || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds; pass++)
        {
            long begun = Stopwatch.GetTimestamp();
            int count = 0;
            foreach (var each in loader.Epoch(pass))
                using (each)
                    count += (int)each.images.shape[0];
            rates.Add(count / Stopwatch.GetElapsedTime(begun).TotalSeconds);
        }
        rates.RemoveAt(0);
        rates.Sort();
        return rates[rates.Count / 2];
    }
}
