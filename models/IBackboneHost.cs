namespace Attention.Models;

/// <summary>A model that stands on an image model: a checkpoint of that alone gives it its weights, and leaves the rest as it is.</summary>
public interface IBackboneHost
{
    /// <summary>The image model, without classifier.</summary>
    ImageModel Body { get; }
}
