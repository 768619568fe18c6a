namespace Attention.Data;

/// <summary>Another image of the data set after the steps before; null where none can be read.</summary>
public delegate DenseImage? OtherImage(ref SeededRandom random);

/// <summary>What a step has at hand beside its image.</summary>
/// <param name="Scratch">The buffers of the thread.</param>
/// <param name="Mirror">For each keypoint the one that takes its place in the mirror image.</param>
/// <param name="Other">Other images.</param>
public sealed record DenseContext(ImageScratch Scratch, IReadOnlyList<int> Mirror, OtherImage Other);

/// <summary>One step from a decoded image to the model's input, with all that is known of the image. Steps hold no state and serve all threads.</summary>
public abstract class DenseTransform
{
    /// <summary>Applies the step.</summary>
    /// <param name="input">Is not written to.</param>
    /// <param name="context">Its buffers give the image that is returned.</param>
    /// <param name="random">All randomness, so that the result depends on its keys alone.</param>
    public abstract DenseImage Apply(DenseImage input, DenseContext context, ref SeededRandom random);
}
