using System.Runtime.CompilerServices;
using Attention.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Attention.Tests.Torch.Core;

/// <summary>Gradients, hooks and functions whose backward is written in C#.</summary>
public sealed class AutogradTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    private static float[] Values(Tensor? tensor) => tensor!.detach().data<float>().ToArray();

    private static Tensor Leaf(params float[] values) => tensor(values, requires_grad: true);

    [Fact]
    public void GradientsAccumulate()
    {
        var x = Leaf(1, 2, 3);
        Assert.Null(x.grad);
        (x * x).sum().backward();
        Assert.Equal([2, 4, 6], Values(x.grad));
        (x * 3).sum().backward();
        Assert.Equal([5, 7, 9], Values(x.grad));
        x.grad = null;
        Assert.Null(x.grad);
        x.grad = ones(3);
        x.sum().backward();
        Assert.Equal([2, 2, 2], Values(x.grad));
    }

    [Fact]
    public void GradientsOfIntermediates()
    {
        var x = Leaf(1, 2);
        var y = x * 2;
        Assert.True(x.is_leaf);
        Assert.False(y.is_leaf);
        y.retain_grad();
        (y * y).sum().backward();
        Assert.Equal([4, 8], Values(y.grad));
        Assert.Equal([8, 16], Values(x.grad));
    }

    [Fact]
    public void BackwardOfSeveralElementsNeedsGradients()
    {
        var x = Leaf(1, 2);
        Assert.Contains("grad can be implicitly created only for scalar outputs", Assert.Throws<TorchException>(() => (x * 2).backward()).Message);
        autograd.backward(x * 2, tensor(new[] { 1f, 10 }));
        Assert.Equal([2, 20], Values(x.grad));
    }

    [Fact]
    public void TheGraphIsFreedUnlessRetained()
    {
        var x = Leaf(2);
        var y = (x * x).sum();
        y.backward(retain_graph: true);
        y.backward();
        Assert.Equal([8], Values(x.grad));
        Assert.Contains("second time", Assert.Throws<TorchException>(() => y.backward()).Message);
    }

    [Fact]
    public void Grad()
    {
        Tensor x = Leaf(1, 2), z = Leaf(3, 4), unused = Leaf(5);
        var gradients = autograd.grad([(x * z).sum()], [x, z, unused], allow_unused: true);
        Assert.Equal([3, 4], Values(gradients[0]));
        Assert.Equal([1, 2], Values(gradients[1]));
        Assert.True(gradients[2].IsInvalid);
        Assert.Null(x.grad);
        Assert.Contains("appears to not have been used", Assert.Throws<TorchException>(() => autograd.grad([x.sum()], [unused])).Message);
    }

    [Fact]
    public void BackwardIntoChosenInputs()
    {
        Tensor x = Leaf(1), z = Leaf(3);
        (x * z).sum().backward(inputs: [x]);
        Assert.Equal([3], Values(x.grad));
        Assert.Null(z.grad);
    }

    [Fact]
    public void SecondDerivatives()
    {
        var x = Leaf(1, 2);
        var first = autograd.grad([x.pow(3).sum()], [x], create_graph: true)[0];
        var second = autograd.grad([first.sum()], [x])[0];
        Assert.Equal([3, 12], Values(first));
        Assert.Equal([6, 12], Values(second));
    }

    [Fact]
    public void Jacobians()
    {
        var x = Leaf(1, 2);
        var jacobian = autograd.functional.jacobian((Tensor t) => stack([t[0] * t[1], t[0] + t[1]]), x);
        Assert.Equal([2L, 2], jacobian.shape);
        Assert.Equal([2, 1, 1, 1], Values(jacobian));
        var several = autograd.functional.jacobian((Tensor[] t) => t[0] * 2, x, Leaf(7)).ToArray();
        Assert.Equal([2, 0, 0, 2], Values(several[0]));
        Assert.Equal([2L, 1], several[1].shape);
        Assert.Equal([0, 0], Values(several[1]));
    }

    // --- modes -----------------------------------------------------------------------------------

    [Fact]
    public void GradModesNest()
    {
        Assert.True(is_grad_enabled());
        using (no_grad())
        {
            Assert.False(is_grad_enabled());
            using (enable_grad())
            {
                Assert.True(is_grad_enabled());
                using (set_grad_enabled(false))
                    Assert.False((Leaf(1) * 2).requires_grad);
                Assert.True((Leaf(1) * 2).requires_grad);
            }
            Assert.False(is_grad_enabled());
        }
        Assert.True(is_grad_enabled());
    }

    [Fact]
    public void InferenceMode()
    {
        var x = Leaf(1, 2);
        Tensor y;
        using (inference_mode())
        {
            Assert.True(is_inference_mode_enabled());
            y = x * 2;
            using (inference_mode(false))
            {
                Assert.False(is_inference_mode_enabled());
                Assert.True((x * 2).requires_grad);
            }
            Assert.True(is_inference_mode_enabled());
        }
        Assert.False(is_inference_mode_enabled());
        Assert.False(y.requires_grad);
        Assert.Contains("nference tensor", Assert.Throws<TorchException>(() => y * x).Message);
    }

    [Fact]
    public void ChangesInPlaceOfWhatBackwardNeedsAreFound()
    {
        var x = Leaf(1, 2);
        var y = x.exp();
        y.add_(1);
        Assert.Contains("modified by an inplace operation", Assert.Throws<TorchException>(() => y.sum().backward()).Message);
        Assert.Contains("a leaf Variable that requires grad", Assert.Throws<TorchException>(() => x.add_(1)).Message);
    }

    [Fact]
    public void AnomaliesNameTheForward()
    {
        Assert.False(AnomalyMode.IsEnabled);
        using (autograd.detect_anomaly())
        {
            Assert.True(AnomalyMode.IsEnabled);
            var x = Leaf(0);
            var e = Assert.Throws<TorchException>(() => (x.sqrt() * 0).sum().backward());
            Assert.Contains("SqrtBackward0", e.Message);
        }
        Assert.False(AnomalyMode.IsEnabled);
    }

    // --- hooks -----------------------------------------------------------------------------------

    [Fact]
    public void HooksSeeAndChangeGradients()
    {
        var x = Leaf(1, 2);
        var y = x * 3;
        float[]? seen = null;
        using var first = TensorHooks.Register(y, g =>
        {
            seen = Values(g);
            return null;
        });
        using (TensorHooks.Register(x, g => g * 10))
            y.sum().backward(retain_graph: true);
        Assert.Equal([1, 1], seen!);
        Assert.Equal([30, 30], Values(x.grad));
        y.sum().backward();
        Assert.Equal([33, 33], Values(x.grad));
    }

    [Fact]
    public void AnExceptionInAHookArrivesAsItself()
    {
        var x = Leaf(1);
        using var hook = TensorHooks.Register(x, _ => throw new NotSupportedException("no gradient today"));
        Assert.Equal("no gradient today", Assert.Throws<NotSupportedException>(() => x.sum().backward()).Message);
        // The next backward is not touched by it.
        var y = Leaf(1);
        y.sum().backward();
        Assert.Equal([1], Values(y.grad));
    }

    // --- custom functions ------------------------------------------------------------------------

    private sealed class Cube : autograd.SingleTensorFunction<Cube>
    {
        public override string Name => nameof(Cube);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var x = (Tensor)vars[0];
            ctx.save_for_backward([x]);
            ctx.save_data("scale", vars[1]);
            return x.pow(3) * (double)vars[1];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var x = ctx.get_saved_variables()[0];
            return [grad_output * 3 * x * x * (double)ctx.get_data("scale"), null!];
        }
    }

    [Fact]
    public void ACustomFunction()
    {
        var x = Leaf(1, 2);
        var y = Cube.apply(x, 2.0);
        Assert.True(y.requires_grad);
        Assert.Equal([2, 16], Values(y));
        (y * 10).sum().backward();
        Assert.Equal([60, 240], Values(x.grad));
        using (no_grad())
            Assert.False(Cube.apply(x, 2.0).requires_grad);
        Assert.False(Cube.apply(ones(2), 2.0).requires_grad);
    }

    [Fact]
    public void ACustomFunctionsGradientCanBeDifferentiated()
    {
        var x = Leaf(1, 2);
        var first = autograd.grad([Cube.apply(x, 1.0).sum()], [x], create_graph: true)[0];
        Assert.Equal([6, 12], Values(autograd.grad([first.sum()], [x])[0]));
    }

    /// <summary>Gives the sum, the signs (which have no gradient) and a part that may stay unused; saves one of its outputs.</summary>
    private sealed class Several : autograd.MultiTensorFunction<Several>
    {
        public static bool Materialize { get; set; } = true;
        public static bool[] Missing { get; private set; } = [];

        public override string Name => nameof(Several);

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (x, z) = ((Tensor)vars[0], (Tensor)vars[1]);
            ctx.set_materialize_grads(Materialize);
            List<Tensor> outputs = [(x * z).exp(), x.sign(), x * 2];
            ctx.mark_non_differentiable([outputs[1]]);
            ctx.save_for_backward([outputs[0], x, z]);
            return outputs;
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            Missing = grad_outputs.Select(g => g.IsInvalid).ToArray();
            var saved = ctx.get_saved_variables();
            var g = grad_outputs[0] * saved[0];
            return [g * saved[2], g * saved[1]];
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void SeveralOutputs(bool materialize)
    {
        Several.Materialize = materialize;
        Tensor x = Leaf(0.5f), z = Leaf(2);
        var outputs = Several.apply(x, z);
        Assert.True(outputs[0].requires_grad);
        Assert.False(outputs[1].requires_grad);
        outputs[0].sum().backward();
        Assert.Equal(2 * MathF.E, Values(x.grad)[0], 1e-5);
        Assert.Equal(0.5f * MathF.E, Values(z.grad)[0], 1e-5);
        Assert.Equal(new[] { false, !materialize, !materialize }, Several.Missing);
    }

    private sealed class Doubled : autograd.SingleTensorFunction<Doubled>
    {
        public override string Name => nameof(Doubled);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var x = (Tensor)vars[0];
            x.mul_(2);
            ctx.mark_dirty([x]);
            return x;
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => [grad_output * 2];
    }

    [Fact]
    public void AnInputChangedInPlace()
    {
        var x = Leaf(1, 2);
        var y = x * 3;
        var doubled = Doubled.apply(y);
        Assert.Same(y, doubled);
        Assert.Equal([6, 12], Values(y));
        (doubled * doubled).sum().backward();
        Assert.Equal([72, 144], Values(x.grad));
    }

    private sealed class Broken : autograd.SingleTensorFunction<Broken>
    {
        public static Func<List<Tensor>> Backward { get; set; } = () => [];

        public override string Name => nameof(Broken);
        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars) => (Tensor)vars[0] * 1;
        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => Backward();
    }

    [Fact]
    public void ExceptionsInBackwardArriveAsThemselves()
    {
        Broken.Backward = () => throw new InvalidDataException("broken backward");
        var e = Assert.Throws<InvalidDataException>(() => Broken.apply(Leaf(1)).sum().backward());
        Assert.Equal("broken backward", e.Message);
        Assert.Contains(nameof(ExceptionsInBackwardArriveAsThemselves), e.StackTrace);

        Broken.Backward = () => [];
        Assert.Contains("backward gave 0 gradients for 1 arguments", Assert.Throws<InvalidOperationException>(() => Broken.apply(Leaf(1)).sum().backward()).Message);
        Broken.Backward = () => [ones(1), ones(1)];
        Assert.Throws<InvalidOperationException>(() => Broken.apply(Leaf(1)).sum().backward());
        Broken.Backward = () => [ones(3)];
        Assert.Contains("invalid gradient at index 0", Assert.Throws<TorchException>(() => Broken.apply(Leaf(1, 2)).sum().backward()).Message);
        Broken.Backward = () => [null!];
        var x = Leaf(1);
        Broken.apply(x).sum().backward();
        Assert.Null(x.grad);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void ManyCustomCalls(int count)
    {
        for (int i = 0; i < count; i++)
        {
            using var inner = NewDisposeScope();
            var x = Leaf(0.5f, 1);
            var y = Several.apply(x, Cube.apply(x, 1.0));
            y[0].sum().backward();
            // A graph that backward never runs through.
            Several.apply(x, x);
        }
    }

    [Fact]
    public void CustomFunctionsLeaveNothingBehind()
    {
        Several.Materialize = true;
        ManyCustomCalls(2);
        long tensors = Tensor.TotalCount;
        int callbacks = LiveCallbacks();
        ManyCustomCalls(100);
        Assert.Equal(tensors, Tensor.TotalCount);
        Assert.Equal(callbacks, LiveCallbacks());
    }

    private static int LiveCallbacks()
    {
        var live = typeof(torch).GetNestedType("ManagedCallbacks", System.Reflection.BindingFlags.NonPublic)!
            .GetField("live", System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Static)!.GetValue(null)!;
        return ((System.Collections.ICollection)live).Count;
    }

    [Fact]
    public void BackwardOnAnotherThread()
    {
        var x = Leaf(1, 2);
        var y = Cube.apply(x, 1.0).sum();
        Exception? failure = null;
        var thread = new Thread(() => failure = Record.Exception(() => y.backward()));
        thread.Start();
        thread.Join();
        Assert.Null(failure);
        Assert.Equal([3, 12], Values(x.grad));
    }
}
