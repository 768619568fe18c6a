using Attention.Models.Dense;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Engine.Verification;

/// <summary>
/// What modules give, kept by the names of a recording: <c>blocks.0</c>, <c>blocks.0#1</c> for the second call of a shared
/// module, <c>stages.1.0</c> for the first tensor of several.
/// </summary>
internal sealed class FeatureWatch
{
    private readonly Dictionary<string, Tensor> features = [];
    private readonly Dictionary<string, int> calls = [];
    private readonly Dictionary<string, nn.Module> modules;

    public FeatureWatch(nn.Module model, IEnumerable<string> wanted)
    {
        modules = model.named_modules().ToDictionary(each => each.name, each => each.module);
        foreach (var module in wanted.Select(ModuleOf).Distinct())
            if (modules.TryGetValue(module, out var found))
                Watch(module, IsCallable(found) ? found : LastOf(found));
    }

    /// <summary>The feature of that name, or the only one where the recording has the first of several; null where no module gives it.</summary>
    public Tensor? Find(string name) => features.GetValueOrDefault(name) ?? (name.EndsWith(".0", StringComparison.Ordinal) ? features.GetValueOrDefault(name[..^2]) : null);

    private string ModuleOf(string feature)
    {
        var path = feature.Split('#')[0];
        int dot = path.LastIndexOf('.');
        // Modules are recorded where a name comes before their number: after another number it is that of a tensor.
        if (path.Split('.') is [.., var stage, var item] && int.TryParse(stage, out _) && int.TryParse(item, out _) && modules.ContainsKey(path[..dot]))
            return path[..dot];
        return modules.ContainsKey(path) || dot < 0 || !modules.ContainsKey(path[..dot]) || !int.TryParse(path[(dot + 1)..], out _) ? path : path[..dot];
    }

    // A list of blocks that the model calls one by one stands for its last.
    private static nn.Module? LastOf(nn.Module list) => list.named_children().LastOrDefault().module;

    private static bool IsCallable(nn.Module module) => module is nn.Module<Tensor, Tensor> or nn.Module<Tensor, Tensor[]> or nn.Module<Tensor[], Tensor[]>
        or nn.Module<Tensor, (Tensor, Tensor)> or nn.Module<Tensor, Tensor, Tensor> or nn.Module<Tensor, Tensor, Tensor, Tensor>
        or nn.Module<Tensor, DeformableContext, Tensor> or nn.Module<Tensor, DetrContext, Tensor> or nn.Module<Tensor, MaskedContext, Tensor>
        or nn.Module<Tensor[], Tensor>;

    private void Watch(string name, nn.Module? module)
    {
        switch (module)
        {
            case nn.Module<Tensor, Tensor> one:
                one.register_forward_hook((_, _, result) => Keep(name, result));
                break;
            case nn.Module<Tensor, Tensor, Tensor> one:
                one.register_forward_hook((_, _, _, result) => Keep(name, result));
                break;
            case nn.Module<Tensor, Tensor, Tensor, Tensor> one:
                one.register_forward_hook((_, _, _, _, result) => Keep(name, result));
                break;
            case nn.Module<Tensor, DeformableContext, Tensor> one:
                one.register_forward_hook((_, _, _, result) => Keep(name, result));
                break;
            case nn.Module<Tensor, DetrContext, Tensor> one:
                one.register_forward_hook((_, _, _, result) => Keep(name, result));
                break;
            case nn.Module<Tensor, MaskedContext, Tensor> one:
                one.register_forward_hook((_, _, _, result) => Keep(name, result));
                break;
            case nn.Module<Tensor[], Tensor> one:
                one.register_forward_hook((_, _, result) => Keep(name, result));
                break;
            case nn.Module<Tensor, Tensor[]> many:
                many.register_forward_hook((_, _, results) => Keep(name, results));
                break;
            case nn.Module<Tensor[], Tensor[]> many:
                many.register_forward_hook((_, _, results) => Keep(name, results));
                break;
            case nn.Module<Tensor, (Tensor, Tensor)> two:
                two.register_forward_hook((_, _, results) =>
                {
                    Keep(name, [results.Item1, results.Item2]);
                    return results;
                });
                break;
        }
    }

    private Tensor Keep(string name, Tensor result)
    {
        Add(Label(name), result);
        return result;
    }

    private Tensor[] Keep(string name, Tensor[] results)
    {
        var label = Label(name);
        for (int i = 0; i < results.Length; i++)
            Add($"{label}.{i}", results[i]);
        return results;
    }

    private string Label(string name)
    {
        int call = calls[name] = calls.GetValueOrDefault(name, -1) + 1;
        return call == 0 ? name : $"{name}#{call}";
    }

    // A copy: what comes next may work in place.
    private void Add(string label, Tensor result) => features[label] = result.detach().clone().DetachFromDisposeScope();
}
