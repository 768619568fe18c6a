using Attention.Engine.Configuration;
using Attention.Models;
using Attention.Modules;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Attention.Engine.Training.Tuning;

/// <summary>
/// Low-rank adaptation of linear layers (Hu et al., LoRA, 2022, arXiv:2106.09685): y = W x + alpha / rank * B A x, where only A
/// and B are trained. They are children of the layers themselves, <c>lora.A</c> (rank, in) and <c>lora.B</c> (out, rank), and
/// start as no change.
/// </summary>
public sealed class LoraAdapters
{
    private const string Child = "lora";
    private readonly List<Adapter> adapters = [];
    private readonly nn.Module model;

    /// <summary>Adapts a model: everything but the adapters, an image model's classifier and what the config names is frozen.</summary>
    /// <exception cref="UserError">No linear layer fits a target.</exception>
    public LoraAdapters(nn.Module model, LoraConfig config)
    {
        this.model = model;
        var layers = model.named_modules().Select(module => (module.name, map: LinearMap.Of(module.module))).Where(each => each.map is not null)
            .ToDictionary(each => each.name, each => each.map!);
        var chosen = layers.Keys.Where(name => NamePatterns.Fits(name, config.targets)).ToArray();
        if (chosen.Length == 0)
            throw new UserError($"lora.targets: no linear layer is called {string.Join(" or ", config.targets)}",
                $"linear layers are, for example: {string.Join(", ", layers.Keys.Take(6))}");

        var names = model.named_parameters().Select(p => p.name).ToArray();
        var trained = NamePatterns.Choose(names, config.train, "lora.train").Union(model is ImageModel image ? Freezing.Classifier(image) : new HashSet<string>()).ToHashSet();
        foreach (var (name, parameter) in model.named_parameters())
            if (!trained.Contains(name))
                parameter.requires_grad_(false);
        foreach (var name in chosen)
            adapters.Add(new Adapter(name, layers[name], config));
    }

    /// <summary>The layers that were adapted, by name.</summary>
    public IReadOnlyList<string> Layers => [.. adapters.Select(adapter => adapter.Name)];

    /// <summary>The model's state with the changes merged into the weights, under the names it had before: the caller's tensors.</summary>
    public IReadOnlyDictionary<string, Tensor> Merged() => Merged(model.state_dict());

    /// <summary>The same of another state of the model, such as a running average.</summary>
    public IReadOnlyDictionary<string, Tensor> Merged(IEnumerable<KeyValuePair<string, Tensor>> given)
    {
        using var mode = no_grad();
        var state = given.ToDictionary(pair => pair.Key, pair => pair.Value.detach());
        foreach (var adapter in adapters)
        {
            if (!state.Remove($"{adapter.Name}.{Child}.A", out var a) || !state.Remove($"{adapter.Name}.{Child}.B", out var b))
                throw new ArgumentException($"the state has no adapter of '{adapter.Name}'");
            state[$"{adapter.Name}.weight"] = state[$"{adapter.Name}.weight"] + adapter.Layer.Turned(b.mm(a)) * adapter.Change.Scale;
        }
        return state;
    }

    /// <summary>Merges the changes into the model's own weights for good; the model computes the same, and no longer slower.</summary>
    public void Merge()
    {
        using var scope = NewDisposeScope();
        using var mode = no_grad();
        foreach (var adapter in adapters)
            adapter.Merge();
        adapters.Clear();
    }

    /// <summary>Says which layer the model passed by: one whose weight is used without calling it cannot be adapted.</summary>
    /// <exception cref="UserError">After a backward pass, an adapter has no gradient.</exception>
    public void RequireGradients()
    {
        if (adapters.FirstOrDefault(adapter => adapter.Change.B.grad is null) is { } idle)
            throw new UserError($"lora: the model does not call the layer '{idle.Name}'", "leave it out of lora.targets");
    }

    private sealed class Adapter
    {
        private readonly Action unhook;

        public Adapter(string name, LinearMap layer, LoraConfig config)
        {
            (Name, Layer) = (name, layer);
            Change = new LowRankChange(layer, config);
            layer.Module.register_module(Child, Change);
            unhook = layer.Module.register_forward_hook((_, input, output) => Add(input, output)).remove;
        }

        public LinearMap Layer { get; }

        public string Name { get; }
        public LowRankChange Change { get; }

        public void Merge()
        {
            Layer.Weight.add_(Layer.Turned(Change.B.mm(Change.A)), Change.Scale);
            unhook();
            Layer.Module.register_module(Child, null!);
            Change.Dispose();
        }

        private Tensor Add(Tensor input, Tensor output)
        {
            using var scope = NewDisposeScope();
            return scope.MoveToOuter(output + Change.call(input));
        }
    }

    /// <summary>A layer that multiplies by a matrix.</summary>
    private sealed record LinearMap(nn.Module<Tensor, Tensor> Module, Parameter Weight, bool IsTransposed)
    {
        public long Inputs => Weight.shape[IsTransposed ? 0 : 1];
        public long Outputs => Weight.shape[IsTransposed ? 1 : 0];

        public static LinearMap? Of(nn.Module module) => module switch
        {
            Linear linear => new(linear, linear.weight, IsTransposed: false),
            ILinearMap map and nn.Module<Tensor, Tensor> callable => new(callable, map.Weight, map.IsTransposed),
            _ => null,
        };

        /// <summary>A matrix (out, in) as the weight has it.</summary>
        public Tensor Turned(Tensor matrix) => IsTransposed ? matrix.t() : matrix;
    }

    /// <summary>What is added to a linear layer's result: (..., in) to (..., out).</summary>
    private sealed class LowRankChange : nn.Module<Tensor, Tensor>
    {
        private readonly double dropout;
        public readonly Parameter A;
        public readonly Parameter B;

        public LowRankChange(LinearMap layer, LoraConfig config) : base(nameof(LowRankChange))
        {
            (Scale, dropout) = (config.alpha / config.rank, config.dropout);
            var (type, device) = (layer.Weight.dtype, layer.Weight.device);
            A = new Parameter(empty(config.rank, layer.Inputs, type, device));
            nn.init.kaiming_uniform_(A, Math.Sqrt(5));
            B = new Parameter(zeros(layer.Outputs, config.rank, type, device));
            RegisterComponents();
        }

        public double Scale { get; }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            if (dropout > 0)
                input = nn.functional.dropout(input, dropout, training);
            return scope.MoveToOuter(nn.functional.linear(nn.functional.linear(input, A), B) * Scale);
        }
    }
}
