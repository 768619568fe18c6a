using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Attention.Tests.Torch.Nn;

/// <summary>Lists, dictionaries and sequences of modules and parameters.</summary>
public sealed class ContainerTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static IEnumerable<string> Keys(nn.Module module) => module.state_dict().Keys;

    [Fact]
    public void SequentialNamesAndSlices()
    {
        using var all = Sequential(Linear(2, 3), ReLU(), Linear(3, 4)).append("last", Linear(4, 1));
        Assert.Equal(["0.weight", "0.bias", "2.weight", "2.bias", "last.weight", "last.bias"], Keys(all));
        Assert.Equal(4, all.Count);
        Assert.Equal([5, 1], all.call(ones(5, 2)).shape);
        Assert.Equal([5, 3], all[..2].call(ones(5, 2)).shape);
        Assert.Equal(["2.weight", "2.bias", "last.weight", "last.bias"], Keys(all[(2, null)]));
        Assert.Same(all[0], all[..2][0]);
        Assert.Throws<IndexOutOfRangeException>(() => all[(3, 9)]);
        Assert.Throws<InvalidOperationException>(() => all.append("last", ReLU()));
        Assert.Equal(["a.weight", "b.weight"], Keys(Sequential(("a", Linear(1, 1, false)), ("b", Linear(1, 1, false)))));
        var x = ones(2);
        Assert.Equal([2], Sequential().call(x).shape);
        Sequential(new[] { ReLU(inplace: true) }).call(x).Dispose();
        Assert.False(x.IsInvalid);
    }

    [Fact]
    public void ModuleListKeepsItsNumbers()
    {
        using var list = ModuleList(Linear(1, 1, false), Linear(1, 2, false));
        list.append(Linear(1, 3, false));
        Assert.Equal(["0.weight", "1.weight", "2.weight"], Keys(list));
        var removed = list[0];
        list.RemoveAt(0);
        Assert.Equal(["0.weight", "1.weight"], Keys(list));
        Assert.Equal(2, list[0].out_features);
        list.Insert(1, removed);
        list[2] = Linear(1, 5, false);
        Assert.Equal([2, 1, 5], list.Select(layer => layer.out_features));
        Assert.Equal([5, 1], list.get_parameter("2.weight")!.shape);
        Assert.Equal((3, 1, true, false), (list.Count, list.IndexOf(removed), list.Contains(removed), list.Remove(Linear(1, 1))));
        list.eval();
        Assert.False(removed.training);
        list.Clear();
        Assert.Empty(Keys(list));
    }

    [Fact]
    public void ModuleDictKeepsItsOrder()
    {
        using var dict = ModuleDict(("b", Linear(1, 1, false)), ("a", Linear(1, 2, false)));
        dict.Add("c", Linear(1, 3, false));
        Assert.Equal(["b.weight", "a.weight", "c.weight"], Keys(dict));
        Assert.Equal(["b", "a", "c"], dict.keys());
        Assert.Equal(2, dict["a"].out_features);
        Assert.Equal("c", dict[2].Item1);
        Assert.Throws<InvalidOperationException>(() => dict.Add("a", Linear(1, 1)));
        dict["a"] = Linear(1, 7, false);
        Assert.Equal([7, 1], dict.get_parameter("a.weight")!.shape);
        Assert.True(dict.Remove("b"));
        Assert.False(dict.ContainsKey("b"));
        Assert.Equal(["a.weight", "c.weight"], Keys(dict));
        Assert.Equal([7, 3], dict.values().Select(layer => layer.out_features));
        dict.clear();
        Assert.Empty(Keys(dict));
    }

    [Fact]
    public void ParameterContainers()
    {
        using var list = ParameterList(Parameter(zeros(1)), Parameter(zeros(2)));
        list.append(Parameter(zeros(3)));
        Assert.Equal(["0", "1", "2"], Keys(list));
        list.RemoveAt(0);
        Assert.Equal([2, 3], list.parameters().Select(p => p.numel()));
        list.to(ScalarType.Float64);
        Assert.Equal(ScalarType.Float64, list[1].dtype);

        using var dict = ParameterDict(("x", Parameter(zeros(1))), ("y", Parameter(zeros(2), false)));
        Assert.Equal(["x", "y"], Keys(dict));
        dict["x"] = Parameter(zeros(5));
        Assert.Equal(5, dict.get_parameter("x")!.numel());
        Assert.True(dict.TryGetValue("y", out var y) && !y.requires_grad);
        dict.RemoveAt(0);
        Assert.Equal(["y"], Keys(dict));
    }

    private sealed class Pair() : Sequential<Tensor, Tensor, Tensor>(("a", Linear(2, 3)), ("b", Linear(2, 3)))
    {
        public override Tensor forward(Tensor x, Tensor y) => ((Linear)this[0]).call(x) + ((Linear)this[1]).call(y);
    }

    [Fact]
    public void SequentialOfSeveralArguments()
    {
        using var pair = new Pair();
        Assert.Equal(["a.weight", "a.bias", "b.weight", "b.bias"], Keys(pair));
        Assert.Equal([3], pair.call(ones(2), ones(2)).shape);
        Assert.Throws<NotSupportedException>(() => pair[..1]);
    }

    [Fact]
    public void ParametersTakeTheTensorOver()
    {
        var data = arange(3).to(ScalarType.Float32);
        var parameter = Parameter(data);
        Assert.True(data.IsInvalid);
        Assert.True(parameter.requires_grad && parameter.is_leaf);
        Assert.Equal([0f, 1f, 2f], parameter.data<float>().ToArray());
        Assert.False(ones(2).AsParameter().IsInvalid);
    }
}
