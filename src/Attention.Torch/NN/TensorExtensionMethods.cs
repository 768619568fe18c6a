using static TorchSharp.torch;

namespace TorchSharp;

public static partial class TensorExtensionMethods
{
    /// <summary>The tensor as a parameter: the object given is empty afterwards.</summary>
    public static Modules.Parameter AsParameter(this Tensor tensor) => new(tensor);
}
