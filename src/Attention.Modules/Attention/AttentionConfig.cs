using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Modules;

/// <summary>What an attention module takes and gives.</summary>
public enum AttentionLayout
{
    /// <summary>A sequence (B, N, C), to the same.</summary>
    Sequence,
    /// <summary>A map (B, H, W, C), to the same.</summary>
    Map,
}

/// <summary>Where a host places an attention module.</summary>
/// <param name="Dim">Channels C.</param>
/// <param name="NumHeads">Heads that the host has there.</param>
/// <param name="Height">Rows of the map at the host's image size.</param>
/// <param name="Width">Columns of the map.</param>
/// <param name="Index">The block's number in its stage, from 0: modules that alternate go by it.</param>
/// <param name="PrefixTokens">Tokens before those of the map: class, distillation, registers.</param>
public record AttentionSite(long Dim, int NumHeads, int Height, int Width, int Index = 0, int PrefixTokens = 0);

/// <summary>
/// What an attention module is made from: the keys of <c>attention:</c> in a config, where <c>name</c> chooses the record
/// (<see cref="AttentionModules"/>).
/// </summary>
public abstract record AttentionConfig
{
    public abstract AttentionLayout Layout { get; }

    /// <summary>A new module for a host's place; what the record leaves open is as the host has it.</summary>
    /// <exception cref="UserError">The record does not fit the place.</exception>
    public abstract nn.Module<Tensor, Tensor> Create(AttentionSite site);
}

/// <summary>An attention with heads.</summary>
public abstract record MultiHeadConfig : AttentionConfig
{
    /// <summary>Heads; each has dim / num_heads channels. Null for as many as the host has at the place.</summary>
    public int? num_heads { get; init; }

    /// <summary>The heads for so many channels.</summary>
    /// <exception cref="UserError">There are none, or they do not divide the channels.</exception>
    public int HeadsFor(long dim)
    {
        int heads = num_heads ?? throw new UserError("num_heads is not given", "outside of a host, an attention module needs num_heads");
        return heads >= 1 && dim % heads == 0 ? heads
            : throw new UserError($"{dim} channels do not divide into num_heads {heads}", "choose a number of heads that divides the channels");
    }
}

/// <summary>Something whose own attention can be replaced by any other: <c>model: {name: ..., attention: {name: ...}}</c>.</summary>
public interface IAttentionHost
{
    /// <summary>The attention in place of the family's own; null for that.</summary>
    AttentionConfig? attention { get; }
}
