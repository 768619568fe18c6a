using System.Collections.Concurrent;
using Attention.Torch;

namespace Attention.Data;

/// <summary>The images that could not be read: each is counted once, and the first ones are named.</summary>
internal sealed class BrokenList(Action<string>? warn)
{
    private const int MaxNamed = 20;
    private readonly ConcurrentDictionary<int, string> _reasons = new();

    public int Count => _reasons.Count;

    /// <summary>The reason of the first image by index, or an empty text.</summary>
    public string First => _reasons.IsEmpty ? "" : _reasons[_reasons.Keys.Min()];

    public bool Has(int index) => !_reasons.IsEmpty && _reasons.ContainsKey(index);

    public void Add(int index, ImageError error)
    {
        if (!_reasons.TryAdd(index, error.Message) || warn is null)
            return;
        int count = Count;
        if (count <= MaxNamed)
            warn($"broken image {error.Message}");
        if (count == MaxNamed)
            warn($"{MaxNamed} images are broken so far; further ones are counted but not named");
    }
}
