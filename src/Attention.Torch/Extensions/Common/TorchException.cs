using System.Runtime.InteropServices;

namespace Attention.Torch;

/// <summary>A failure inside libtorch: its own message, with the name of the operator before it.</summary>
public sealed class TorchException(string message) : ExternalException(message);
