using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Extensions;

public sealed class ActivationCheckpointTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static float[] Values(Tensor tensor) => tensor.detach().data<float>().ToArray();

    /// <summary>Loss and gradients of three blocks with dropout; the input's last.</summary>
    private static float[][] Train(bool checkpoint, bool inputGradient, bool autocast)
    {
        manual_seed(7);
        var input = randn(6, 16).requires_grad_(inputGradient);
        var weights = Enumerable.Range(0, 3).Select(_ => (randn(16, 16) * 0.3).requires_grad_()).ToArray();
        Tensor loss;
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16, autocast))
        {
            var x = input;
            foreach (var w in weights)
            {
                Tensor Block(Tensor t) => AtenOperators.Call("dropout", t.matmul(w).tanh(), 0.4, true)[0] as Tensor ?? throw new InvalidOperationException();
                x = checkpoint ? ActivationCheckpoint.Run(Block, x) : Block(x);
            }
            loss = (x.to_type(ScalarType.Float32).pow(2) + rand(6, 16)).sum();
        }
        loss.backward();
        return [Values(loss), .. weights.Select(w => Values(w.grad!)), inputGradient ? Values(input.grad!) : [], Values(rand(2))];
    }

    /// <summary>Loss, gradients and the random numbers drawn afterwards are those of a plain run, to the bit.</summary>
    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(false, true)]
    public void SameBitsAsWithout(bool inputGradient, bool autocast)
    {
        var plain = Train(checkpoint: false, inputGradient, autocast);
        Assert.Contains(plain[1], g => g != 0);
        Assert.Equal(plain, Train(checkpoint: true, inputGradient, autocast));
    }

    [Fact]
    public void SeveralInputsAndResults()
    {
        manual_seed(8);
        var (a, b, c) = (randn(4).requires_grad_(), randn(4).requires_grad_(), randn(4));
        var results = ActivationCheckpoint.Run(t => [t[0] * t[1], t[1] + t[2], t[2] * 2], [a, b, c]);
        (results[0] * 3 + results[1]).sum().backward();
        Assert.Equal(Values(b * 3), Values(a.grad!));
        Assert.Equal(Values(a * 3 + 1), Values(b.grad!));
        Assert.Null(c.grad);

        var sum = ActivationCheckpoint.Run((x, y) => x * y, a.detach().requires_grad_(), b);
        Assert.Equal(Values(a * b), Values(sum));
    }

    [Fact]
    public void CheckpointsNest()
    {
        manual_seed(9);
        var w = randn(5, 5).requires_grad_();
        var x = randn(3, 5);
        var plain = x.matmul(w).tanh().matmul(w).tanh();
        plain.sum().backward();
        var expected = Values(w.grad!);
        w.grad = null;
        Tensor Inner(Tensor t) => t.matmul(w).tanh();
        var nested = ActivationCheckpoint.Run(t => ActivationCheckpoint.Run(Inner, Inner(t)), x);
        nested.sum().backward();
        Assert.Equal(Values(plain), Values(nested));
        Assert.Equal(expected, Values(w.grad!), (a, b) => Math.Abs(a - b) < 1e-5);
    }

    [Fact]
    public void WithoutGradientsItIsAPlainCall()
    {
        var w = randn(3, 3).requires_grad_();
        using (no_grad())
            Assert.False(ActivationCheckpoint.Run(t => t.matmul(w), randn(2, 3)).requires_grad);
    }

    [Fact]
    public void ExceptionsOfTheBlockComeOut()
    {
        var w = randn(3).requires_grad_();
        int runs = 0;
        var y = ActivationCheckpoint.Run(t => ++runs == 2 ? throw new InvalidOperationException("second run") : t * w, randn(3));
        Assert.Equal("second run", Assert.Throws<InvalidOperationException>(() => y.sum().backward()).Message);
    }

    /// <summary>Peak memory grows with the blocks' results alone, not with what is inside them.</summary>
    [SkippableFact]
    public void NeedsLessMemory()
    {
        Skip.IfNot(MemoryInfo.ResetPeak(), "the peak of resident memory cannot be reset here");
        long plain = Peak(checkpoint: false);
        long checkpointed = Peak(checkpoint: true);
        Assert.True(checkpointed < plain / 2, $"{checkpointed >> 20} MiB with, {plain >> 20} MiB without");

        static long Peak(bool checkpoint)
        {
            const int blocks = 6, inside = 6;
            using var step = NewDisposeScope();
            // 40 MiB: more than the allocator keeps for itself when it is freed.
            var x = ones(10 << 20).requires_grad_();
            long before = MemoryInfo.Resident;
            MemoryInfo.ResetPeak();
            var y = x;
            for (int i = 0; i < blocks; i++)
                y = checkpoint ? ActivationCheckpoint.Run(Block, y) : Block(y);
            y.sum().backward();
            return MemoryInfo.PeakResident - before;

            static Tensor Block(Tensor t)
            {
                using var block = NewDisposeScope();
                for (int i = 0; i < inside; i++)
                    t = t.sin();
                return t.MoveToOuterDisposeScope();
            }
        }
    }
}
