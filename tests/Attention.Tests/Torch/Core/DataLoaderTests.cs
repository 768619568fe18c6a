using TorchSharp;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.utils.data;

namespace Attention.Tests.Torch.Core;

/// <summary>torch.utils.data and the ordered dictionary.</summary>
public sealed class DataLoaderTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private sealed class Squares : Dataset
    {
        public override long Count => 10;
        public override Dictionary<string, Tensor> GetTensor(long index) => new() { ["x"] = tensor(index), ["y"] = tensor(index * index) };
    }

    [Fact]
    public void BatchesOfNamedTensors()
    {
        using var loader = DataLoader(new Squares(), 4);
        Assert.Equal(3, loader.Count);
        var seen = new List<long[]>();
        Tensor? last = null;
        long before = Tensor.TotalCount;
        foreach (var batch in loader)
        {
            Assert.True(last is null || last.IsInvalid);
            last = batch["y"];
            seen.Add(last.data<long>().ToArray());
        }
        Assert.Equal([[0, 1, 4, 9], [16, 25, 36, 49], [64, 81]], seen);
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void TheLastBatchCanBeDropped()
    {
        using var loader = DataLoader(new Squares(), 4, drop_last: true);
        Assert.Equal(2, loader.Count);
        Assert.Equal(2, loader.Count());
    }

    [Fact]
    public void ShuffledBySeed()
    {
        long[] Order(int seed)
        {
            using var loader = DataLoader(new Squares(), 3, shuffle: true, seed: seed);
            return loader.SelectMany(batch => batch["x"].data<long>().ToArray()).ToArray();
        }
        Assert.Equal(Order(1), Order(1));
        Assert.NotEqual(Order(1), Order(2));
        Assert.Equal(Enumerable.Range(0, 10).Select(i => (long)i), Order(1).Order());
        Assert.Equal(5, new FisherYatesShuffler(5).Distinct().Count());
    }

    [Fact]
    public void TensorsAsADataSet()
    {
        Tensor x = arange(6).reshape(3, 2), y = arange(3);
        using var dataset = TensorDataset(x, y);
        Assert.Equal(3, dataset.Count);
        Assert.Equal([2L, 3], dataset[1][0].data<long>().ToArray());
        using var loader = DataLoader(dataset, 2);
        Assert.Equal([2L, 1], loader.Select(batch => batch[0].size(0)));
        Assert.Throws<ArgumentException>(() => TensorDataset(x, ones(2)));
    }

    [Fact]
    public void OrderedDictionary()
    {
        var dict = new OrderedDict<string, int> { { "b", 1 }, { "a", 2 } };
        dict["c"] = 3;
        dict["b"] = 4;
        dict.Insert(1, ("d", 5));
        Assert.Equal(["b", "d", "a", "c"], dict.keys());
        Assert.Equal([("b", 4), ("d", 5), ("a", 2), ("c", 3)], dict);
        Assert.Equal(("a", 2), dict[2]);
        Assert.True(dict.Remove("d"));
        Assert.False(dict.Contains(("a", 9)));
        Assert.Equal(1, dict.IndexOf(("a", 2)));
        Assert.Throws<ArgumentException>(() => dict.Add("a", 1));
        Assert.False(dict.TryGetValue("x", out _));
    }
}
