using System.Collections.Concurrent;

namespace Attention.Data;

/// <summary>An image that could not be read, and why; the reason begins with its name.</summary>
internal readonly record struct BrokenImage(int Index, string Reason);

/// <summary>
/// The images that could not be read: each is counted once, the first ones are named, and beyond a limit the run ends. Workers
/// only look at it; the consumer fills it, batch by batch, so that what it says does not depend on the workers' pace.
/// </summary>
internal sealed class BrokenList(int images, int limit, Action<string>? warn)
{
    private const int MaxNamed = 20;
    private readonly ConcurrentDictionary<int, string> _reasons = new();

    public int Count => _reasons.Count;

    /// <summary>How many a run survives.</summary>
    public int Limit => limit;

    public bool Has(int index) => !_reasons.IsEmpty && _reasons.ContainsKey(index);

    /// <exception cref="UserError">There are more than the limit, or nothing but broken images.</exception>
    public void Add(IEnumerable<BrokenImage> met)
    {
        foreach (var image in met)
            if (_reasons.TryAdd(image.Index, image.Reason))
                Tell(image.Reason);
    }

    private void Tell(string reason)
    {
        int count = Count;
        if (count <= MaxNamed)
            warn?.Invoke($"broken image {reason}");
        if (count == MaxNamed)
            warn?.Invoke($"{MaxNamed} images are broken so far; further ones are counted but not named");
        if (count == images)
            throw new UserError($"not one of {images} images can be read; {reason}", "check the files and their permissions");
        if (count > limit)
            throw new UserError($"{count} of {images} images are broken, more than the limit of {limit}; {reason}", "mend or remove them, or raise the limit");
    }
}
