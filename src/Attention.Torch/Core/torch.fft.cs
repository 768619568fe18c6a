using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>Discrete Fourier transforms. A length of -1, and dims and sizes that are null, mean those of the input.</summary>
    public static partial class fft
    {
        private static string Norm(FFTNormType norm) => norm.ToString().ToLowerInvariant();

        private static Tensor Transform(string name, Tensor input, long n, long dim, FFTNormType norm) =>
            Aten.Call(name, input, n < 0 ? default(Arg) : n, dim, Norm(norm));

        private static Tensor Transform(string name, Tensor input, long[]? s, long[]? dim, FFTNormType norm) =>
            Aten.Call(name, input, s, dim, Norm(norm));

        public static Tensor fft_(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) => Transform("fft_fft", input, n, dim, norm);
        public static Tensor ifft(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) => Transform("fft_ifft", input, n, dim, norm);
        public static Tensor rfft(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) => Transform("fft_rfft", input, n, dim, norm);
        public static Tensor irfft(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) => Transform("fft_irfft", input, n, dim, norm);
        public static Tensor hfft(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) => Transform("fft_hfft", input, n, dim, norm);
        public static Tensor ihfft(Tensor input, long n = -1, long dim = -1, FFTNormType norm = FFTNormType.Backward) => Transform("fft_ihfft", input, n, dim, norm);

        public static Tensor fft2(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_fft2", input, s, dim, norm);
        public static Tensor ifft2(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_ifft2", input, s, dim, norm);
        public static Tensor rfft2(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_rfft2", input, s, dim, norm);
        public static Tensor irfft2(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_irfft2", input, s, dim, norm);
        public static Tensor hfft2(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_hfft2", input, s, dim, norm);
        public static Tensor ihfft2(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_ihfft2", input, s, dim, norm);

        public static Tensor fftn(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_fftn", input, s, dim, norm);
        public static Tensor ifftn(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_ifftn", input, s, dim, norm);
        public static Tensor rfftn(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_rfftn", input, s, dim, norm);
        public static Tensor irfftn(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_irfftn", input, s, dim, norm);
        public static Tensor hfftn(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_hfftn", input, s, dim, norm);
        public static Tensor ihfftn(Tensor input, long[] s = null!, long[] dim = null!, FFTNormType norm = FFTNormType.Backward) => Transform("fft_ihfftn", input, s, dim, norm);

        public static Tensor fftshift(Tensor input, long[] dim = null!) => Aten.Call("fft_fftshift", input, dim);
        public static Tensor ifftshift(Tensor input, long[] dim = null!) => Aten.Call("fft_ifftshift", input, dim);

        /// <summary>The frequencies of a transform's bins, in cycles per unit of <paramref name="d"/>, the sample spacing.</summary>
        public static Tensor fftfreq(long n, double d = 1, ScalarType? dtype = null, Device device = null!, bool requires_grad = false) =>
            Finish(Aten.Call("fft_fftfreq(n,d,dtype,device)", n, d, dtype ?? defaultType, On(device)), requires_grad, null);

        /// <inheritdoc cref="fftfreq"/>
        public static Tensor rfftfreq(long n, double d = 1, ScalarType? dtype = null, Device device = null!, bool requires_grad = false) =>
            Finish(Aten.Call("fft_rfftfreq(n,d,dtype,device)", n, d, dtype ?? defaultType, On(device)), requires_grad, null);
    }
}
