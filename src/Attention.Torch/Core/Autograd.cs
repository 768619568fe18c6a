using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    public static partial class autograd
    {
        private static nint[] Handles(IList<Tensor>? tensors) => tensors is null ? [] : tensors.Select(t => t is null || t.IsInvalid ? 0 : t.Handle).ToArray();

        /// <summary>Accumulates gradients into the leaves that the tensors depend on, or into <paramref name="inputs"/> alone.</summary>
        public static unsafe void backward(IList<Tensor> tensors, IList<Tensor> grad_tensors = null!, bool? retain_graph = null, bool create_graph = false, IList<Tensor> inputs = null!)
        {
            var roots = Handles(tensors);
            var grads = Handles(grad_tensors);
            var leaves = Handles(inputs);
            int status;
            fixed (nint* r = roots, g = grads, i = leaves)
                status = NativeMethods.att_backward(r, roots.Length, g, grads.Length, retain_graph is { } retain ? retain ? 1 : 0 : -1, create_graph ? 1 : 0, i, leaves.Length);
            ManagedCallbacks.Rethrow();
            NativeMethods.Check(status, "backward");
            GC.KeepAlive(tensors);
            GC.KeepAlive(grad_tensors);
            GC.KeepAlive(inputs);
        }

        public static void backward(Tensor tensor, IList<Tensor> grad_tensors = null!, bool? retain_graph = null, bool create_graph = false, IList<Tensor> inputs = null!) =>
            backward([tensor], grad_tensors, retain_graph, create_graph, inputs);

        public static void backward(Tensor tensor, Tensor grad_tensor, bool? retain_graph = null, bool create_graph = false, IList<Tensor> inputs = null!) =>
            backward([tensor], [grad_tensor], retain_graph, create_graph, inputs);

        /// <summary>
        /// Gradients of the outputs with respect to the inputs. Where that is allowed, an input that no output depends on has
        /// an invalid tensor for its gradient (<see cref="Tensor.IsInvalid"/>).
        /// </summary>
        public static unsafe IList<Tensor> grad(IList<Tensor> outputs, IList<Tensor> inputs, IList<Tensor> grad_outputs = null!, bool retain_graph = false, bool create_graph = false, bool allow_unused = false)
        {
            var roots = Handles(outputs);
            var leaves = Handles(inputs);
            var grads = Handles(grad_outputs);
            var results = new nint[leaves.Length];
            int status;
            fixed (nint* r = roots, i = leaves, g = grads, o = results)
                status = NativeMethods.att_grad(r, roots.Length, i, leaves.Length, g, grads.Length, retain_graph ? 1 : 0, create_graph ? 1 : 0, allow_unused ? 1 : 0, o);
            ManagedCallbacks.Rethrow();
            NativeMethods.Check(status, "grad");
            GC.KeepAlive(outputs);
            GC.KeepAlive(inputs);
            GC.KeepAlive(grad_outputs);
            return results.Select(Tensor.FromHandleOrInvalid).ToArray();
        }

        public static class functional
        {
            /// <summary>The derivatives of each output by each input, in shape (output, input): outputs first, then inputs.</summary>
            public static IEnumerable<Tensor> jacobian(Func<Tensor[], Tensor[]> function, params Tensor[] inputs)
            {
                using var scope = NewDisposeScope();
                using var mode = enable_grad();
                var leaves = Array.ConvertAll(inputs, input => input.detach().requires_grad_());
                return function(leaves).SelectMany(output => OfOutput(output, leaves)).ToArray().Select(t => t.MoveToOuterDisposeScope()).ToArray();
            }

            private static Tensor[] OfOutput(Tensor output, Tensor[] inputs)
            {
                var rows = Array.ConvertAll(inputs, _ => new List<Tensor>());
                foreach (var element in output.reshape(-1).unbind())
                {
                    var gradients = grad([element], inputs, retain_graph: true, allow_unused: true);
                    for (int i = 0; i < inputs.Length; i++)
                        rows[i].Add(gradients[i].IsInvalid ? zeros_like(inputs[i]) : gradients[i]);
                }
                return inputs.Select((input, i) => rows[i].Count > 0
                    ? stack(rows[i]).view([.. output.shape, .. input.shape])
                    : zeros([.. output.shape, .. input.shape], input.dtype, input.device)).ToArray();
            }

            /// <inheritdoc cref="jacobian(Func{Tensor[], Tensor[]}, Tensor[])"/>
            public static Tensor jacobian(Func<Tensor, Tensor> function, Tensor inputs) => jacobian(x => [function(x[0])], [inputs]).Single();
            public static IEnumerable<Tensor> jacobian(Func<Tensor, Tensor[]> function, Tensor inputs) => jacobian(x => function(x[0]), [inputs]);
            public static IEnumerable<Tensor> jacobian(Func<Tensor[], Tensor> function, params Tensor[] inputs) => jacobian(x => new[] { function(x) }, inputs);
        }

        /// <summary>Until it is disposed, a backward that gives NaN names the forward call that it belongs to.</summary>
        public static AnomalyMode detect_anomaly(bool check_nan = true) => new(true, check_nan);
        public static AnomalyMode set_detect_anomaly(bool mode, bool check_nan = true) => new(mode, check_nan);

        /// <summary>What a custom function's forward leaves for its backward.</summary>
        public class AutogradContext : IDisposable
        {
            private readonly Dictionary<string, object> data = [];
            internal List<Tensor> saved = [];
            internal List<Tensor> dirty = [];
            internal List<Tensor> nonDifferentiable = [];
            internal nint node;

            internal AutogradContext()
            {
            }

            /// <summary>Whether gradients that are not there come to backward as zeros.</summary>
            public bool MaterializeGrads { get; private set; } = true;
            public void set_materialize_grads(bool value) => MaterializeGrads = value;

            /// <summary>Keeps tensors for backward, where a change in place since then is an error.</summary>
            public void save_for_backward(List<Tensor> tensors) => saved = tensors;

            public List<Tensor> get_saved_variables()
            {
                if (node == 0)
                    return saved;
                int count = NativeMethods.att_node_saved_count(node);
                var tensors = new List<Tensor>(count);
                for (int i = 0; i < count; i++)
                    tensors.Add(Saved(i)!);
                return tensors;
            }

            // What was saved as null comes back as null.
            private unsafe Tensor? Saved(int index)
            {
                nint handle;
                NativeMethods.Check(NativeMethods.att_node_saved(node, index, &handle), "get_saved_variables");
                return handle == 0 ? null : Tensor.FromHandle(handle);
            }

            public void mark_dirty(List<Tensor> tensors) => dirty = tensors;
            public void mark_non_differentiable(List<Tensor> tensors) => nonDifferentiable = tensors;
            public void save_data(string key, object value) => data[key] = value;
            public object get_data(string key) => data.GetValueOrDefault(key)!;

            public void Dispose()
            {
                Dispose(true);
                GC.SuppressFinalize(this);
            }

            protected virtual void Dispose(bool disposing) => data.Clear();
        }

        /// <summary>An operator whose forward and backward are written in C#.</summary>
        public abstract class Function<T> where T : Function<T>, new()
        {
            /// <summary>The name that the graph and its errors use.</summary>
            public abstract string Name { get; }

            internal abstract List<Tensor> Forward(AutogradContext ctx, object[] vars);
            internal abstract List<Tensor> Backward(AutogradContext ctx, List<Tensor> grads);

            public static unsafe List<Tensor> apply_internal(params object[] vars)
            {
                var function = new T();
                var ctx = new AutogradContext();
                var inputs = vars.Where(IsTensor).Cast<Tensor>().ToList();
                List<Tensor> outputs;
                using (no_grad())
                    outputs = function.Forward(ctx, vars);
                if (!is_grad_enabled() || !inputs.Any(t => t.requires_grad))
                    return outputs;

                var isTensor = Array.ConvertAll(vars, IsTensor);
                var metadata = outputs.Select(t => (t.shape, t.dtype, t.device)).ToArray();
                long id = ManagedCallbacks.Add(new ManagedCallbacks.Backward(
                    (node, grads) =>
                    {
                        ctx.node = node;
                        for (int i = 0; i < grads.Count; i++)
                            if (grads[i].IsInvalid && ctx.MaterializeGrads)
                                grads[i] = zeros(metadata[i].shape, metadata[i].dtype, metadata[i].device);
                        var results = function.Backward(ctx, grads);
                        ctx.node = 0;
                        return OfTensors(isTensor, results, function.Name);
                    }));
                var inputHandles = Handles(inputs);
                nint node;
                fixed (byte* name = Aten.Utf8(function.Name))
                fixed (nint* p = inputHandles)
                    node = NativeMethods.Check(NativeMethods.att_node_create(name, id, &ManagedCallbacks.OnBackward, &ManagedCallbacks.OnRelease, p, inputHandles.Length), function.Name);

                var outputHandles = Handles(outputs);
                var savedHandles = Handles(ctx.saved);
                var dirty = outputs.Select(t => Flag(ctx.dirty, t)).ToArray();
                var frozen = outputs.Select(t => Flag(ctx.nonDifferentiable, t)).ToArray();
                var savedIsOutput = ctx.saved.Select(t => Flag(outputs, t)).ToArray();
                var results = new nint[outputs.Count];
                fixed (nint* o = outputHandles, s = savedHandles, r = results)
                fixed (byte* d = dirty, f = frozen, si = savedIsOutput)
                    NativeMethods.Check(NativeMethods.att_node_attach(node, o, outputHandles.Length, d, f, s, si, savedHandles.Length, r), function.Name);
                ctx.saved = [];
                var attached = results.Select((h, i) => dirty[i] != 0 ? Same(outputs[i], h) : Tensor.FromHandle(h)).ToList();
                GC.KeepAlive(inputs);
                foreach (var output in outputs)
                    if (!attached.Contains(output, (IEqualityComparer<Tensor>)ReferenceEqualityComparer.Instance) && !inputs.Contains(output, (IEqualityComparer<Tensor>)ReferenceEqualityComparer.Instance))
                        output.Dispose();
                return attached;
            }

            private static Tensor Same(Tensor tensor, nint handle)
            {
                NativeMethods.att_tensor_release(handle);
                return tensor;
            }

            private static byte Flag(List<Tensor> list, Tensor tensor) => list.Any(t => ReferenceEquals(t, tensor)) ? (byte)1 : (byte)0;

            private static bool IsTensor(object argument) => argument is Tensor { IsInvalid: false };

            // backward gives an entry for every argument of forward, null for those that are no tensors; more nulls may follow.
            private static List<Tensor?> OfTensors(bool[] isTensor, List<Tensor> results, string name)
            {
                if (results.Count < isTensor.Length || results.Skip(isTensor.Length).Any(t => IsTensor(t)))
                    throw new InvalidOperationException($"{name}: backward gave {results.Count} gradients for {isTensor.Length} arguments of forward");
                for (int i = 0; i < isTensor.Length; i++)
                    if (!isTensor[i] && IsTensor(results[i]))
                        throw new InvalidOperationException($"{name}: backward gave a gradient for argument {i} of forward, which is no tensor");
                return results.Where((_, i) => i < isTensor.Length && isTensor[i]).ToList<Tensor?>();
            }
        }

        /// <summary>A custom function with one result.</summary>
        public abstract class SingleTensorFunction<T> : Function<T> where T : SingleTensorFunction<T>, new()
        {
            public abstract Tensor forward(AutogradContext ctx, params object[] vars);
            public abstract List<Tensor> backward(AutogradContext ctx, Tensor grad_output);

            internal override List<Tensor> Forward(AutogradContext ctx, object[] vars) => [forward(ctx, vars)];
            internal override List<Tensor> Backward(AutogradContext ctx, List<Tensor> grads) => backward(ctx, grads[0]);

            public static Tensor apply(params object[] vars) => apply_internal(vars)[0];
        }

        /// <summary>A custom function with several results.</summary>
        public abstract class MultiTensorFunction<T> : Function<T> where T : MultiTensorFunction<T>, new()
        {
            public abstract List<Tensor> forward(AutogradContext ctx, params object[] vars);
            public abstract List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs);

            internal override List<Tensor> Forward(AutogradContext ctx, object[] vars) => forward(ctx, vars);
            internal override List<Tensor> Backward(AutogradContext ctx, List<Tensor> grads) => backward(ctx, grads);

            public static List<Tensor> apply(params object[] vars) => apply_internal(vars);
        }
    }

    public partial class Tensor
    {
        /// <summary>Calls the hook with this tensor's gradient whenever it is computed; what it gives takes the gradient's place.</summary>
        /// <returns>A handle whose Remove ends it.</returns>
        internal unsafe int RegisterHook(Func<Tensor, Tensor?> hook)
        {
            long id = ManagedCallbacks.Add(hook);
            return NativeMethods.Check(NativeMethods.att_tensor_register_hook(Handle, id, &ManagedCallbacks.OnHook, &ManagedCallbacks.OnRelease), "register_hook");
        }

        internal void RemoveHook(int hook) => NativeMethods.Check(NativeMethods.att_tensor_remove_hook(Handle, hook), "remove_hook");
    }

    /// <summary>Managed code that libtorch's backward calls. Exceptions do not cross: they are kept and thrown again outside.</summary>
    internal static class ManagedCallbacks
    {
        internal delegate List<Tensor?> Backward(nint node, List<Tensor> grads);

        private static readonly ConcurrentDictionary<long, Delegate> live = new();
        private static long lastId;
        private static ExceptionDispatchInfo? failure;

        internal static long Add(Delegate callback)
        {
            long id = Interlocked.Increment(ref lastId);
            live[id] = callback;
            return id;
        }

        /// <summary>Throws what a callback threw during the backward that has just ended.</summary>
        internal static void Rethrow() => Interlocked.Exchange(ref failure, null)?.Throw();

        private static unsafe int Fail(Exception e)
        {
            failure = ExceptionDispatchInfo.Capture(e);
            fixed (byte* text = Aten.Utf8(e.Message))
                NativeMethods.att_set_last_error(text);
            return -1;
        }

        [UnmanagedCallersOnly]
        internal static unsafe int OnBackward(long id, nint node, nint* grads, int count, nint* inputs, int inputCount)
        {
            try
            {
                using var scope = NewDisposeScope();
                var list = new List<Tensor>(count);
                for (int i = 0; i < count; i++)
                    list.Add(Tensor.FromHandleOrInvalid(grads[i]));
                var results = ((Backward)live[id])(node, list);
                // The engine takes a reference to each gradient; ours end with the scope.
                for (int i = 0; i < inputCount && i < results.Count; i++)
                    inputs[i] = results[i] is { IsInvalid: false } gradient ? NativeMethods.att_tensor_alias(gradient.Handle) : 0;
                return 0;
            }
            catch (Exception e)
            {
                return Fail(e);
            }
        }

        [UnmanagedCallersOnly]
        internal static unsafe int OnHook(long id, nint grad, nint* replacement)
        {
            try
            {
                using var scope = NewDisposeScope();
                if (((Func<Tensor, Tensor?>)live[id])(Tensor.FromHandle(grad)) is { } changed)
                    *replacement = NativeMethods.att_tensor_alias(changed.Handle);
                return 0;
            }
            catch (Exception e)
            {
                return Fail(e);
            }
        }

        [UnmanagedCallersOnly]
        internal static void OnRelease(long id) => live.TryRemove(id, out _);
    }
}

/// <summary>libtorch's search for the forward call behind a NaN in backward, until it is disposed.</summary>
public class AnomalyMode : IDisposable
{
    private readonly int enabledBefore = NativeMethods.att_anomaly_enabled();
    private readonly int checkBefore = NativeMethods.att_anomaly_check_nan();

    public AnomalyMode(bool enabled, bool check_nan = true) => NativeMethods.att_set_anomaly(enabled ? 1 : 0, check_nan ? 1 : 0);

    public static bool IsEnabled => NativeMethods.att_anomaly_enabled() != 0;
    public static bool ShouldCheckNaN => NativeMethods.att_anomaly_check_nan() != 0;

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) => NativeMethods.att_set_anomaly(enabledBefore, checkBefore);
}
