using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>
/// An attention module in its place in a host, which may have another layout than the module. It is no module itself: the
/// host registers <see cref="Module"/> under the name that its checkpoints have.
/// </summary>
public sealed class HostedAttention
{
    private readonly AttentionLayout layout;
    private readonly AttentionSite site;

    /// <summary>A new module for the place.</summary>
    public HostedAttention(AttentionConfig config, AttentionSite site) : this(config.Create(site), config.Layout, site)
    {
    }

    /// <summary>A module that there is.</summary>
    public HostedAttention(nn.Module<Tensor, Tensor> module, AttentionLayout layout, AttentionSite site) =>
        (Module, this.layout, this.site) = (module, layout, site);

    public nn.Module<Tensor, Tensor> Module { get; }

    /// <summary>(B, H, W, C) to the same: a module for sequences gets the map row by row.</summary>
    public Tensor OnMap(Tensor x)
    {
        if (layout == AttentionLayout.Map)
            return Module.call(x);
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Module.call(x.flatten(1, 2)).reshape(x.shape));
    }

    /// <summary>
    /// (B, prefix + H * W, C) to the same. A module for maps gets the tokens of the map; the prefix tokens, which have no place
    /// on it, get the mean of what it gives.
    /// </summary>
    public Tensor OnTokens(Tensor x)
    {
        if (layout == AttentionLayout.Sequence)
            return Module.call(x);
        using var scope = NewDisposeScope();
        var (batch, tokens, dim) = (x.shape[0], x.shape[1] - site.PrefixTokens, x.shape[2]);
        var (height, width) = Grid(tokens);
        var mixed = Module.call(x.slice(1, site.PrefixTokens, x.shape[1], 1).reshape(batch, height, width, dim)).reshape(batch, tokens, dim);
        return scope.MoveToOuter(site.PrefixTokens == 0 ? mixed : cat([mixed.mean([1], keepdim: true).expand(-1, site.PrefixTokens, -1), mixed], 1));
    }

    private (long height, long width) Grid(long tokens)
    {
        if (tokens == (long)site.Height * site.Width)
            return (site.Height, site.Width);
        long side = (long)Math.Round(Math.Sqrt(tokens));
        return side * side == tokens ? (side, side)
            : throw new ArgumentException($"{tokens} patches make no square map, which the model's attention needs: give square images, or the model's img_size");
    }
}
