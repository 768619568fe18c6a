using System.Numerics;
using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    public static partial class fft
    {
        public static Tensor fftshift(Tensor input, long[] dim = null!) => Aten.Call("fft_fftshift", input, dim);
        public static Tensor ifftshift(Tensor input, long[] dim = null!) => Aten.Call("fft_ifftshift", input, dim);
    }
}
