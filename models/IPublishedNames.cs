namespace Attention.Models;

/// <summary>A model whose published checkpoints name some tensors otherwise than it does.</summary>
public interface IPublishedNames
{
    /// <summary>The name here of a tensor of a published checkpoint; null for one that the model has no use for.</summary>
    string? Rename(string published);
}
