using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>Modules that are called one after another, each with the result of the one before.</summary>
    public class Sequential : nn.Module<Tensor, Tensor>
    {
        private readonly List<nn.IModule<Tensor, Tensor>> steps = [];
        private readonly List<string> names = [];

        internal Sequential() : base(nameof(Sequential))
        {
        }

        protected Sequential(params (string name, nn.Module<Tensor, Tensor> submodule)[] modules) : this()
        {
            foreach (var (name, module) in modules)
                append(name, module);
        }

        protected Sequential(params nn.Module<Tensor, Tensor>[] modules) : this()
        {
            foreach (var module in modules)
                append(module);
        }

        public Sequential append(nn.IModule<Tensor, Tensor> module) => append($"{steps.Count}", module);

        public Sequential append(string name, nn.IModule<Tensor, Tensor> module)
        {
            register_module(name, (nn.Module)module);
            steps.Add(module);
            names.Add(name);
            return this;
        }

        public int Count => steps.Count;
        public nn.IModule<Tensor, Tensor> this[int index] => steps[index];

        /// <summary>The modules from <c>start</c> up to but without <c>end</c>, shared with this one.</summary>
        public Sequential this[(int? start, int? end) index] => Slice(index.start ?? 0, index.end ?? Count);

        public Sequential this[Range index] => Slice(index.Start.GetOffset(Count), index.End.GetOffset(Count));

        private Sequential Slice(int start, int end)
        {
            if (start < 0 || start > Count || end < 0 || end > Count)
                throw new IndexOutOfRangeException($"{start}..{end} is not within a Sequential of {Count} modules");
            var slice = new Sequential();
            for (int i = start; i < end; i++)
                slice.append(names[i], steps[i]);
            return slice;
        }

        public override Tensor forward(Tensor tensor)
        {
            if (steps.Count == 0)
                return tensor.Handover();
            var current = tensor;
            foreach (var step in steps)
            {
                var next = step.call(current);
                if (!ReferenceEquals(current, tensor) && !ReferenceEquals(current, next))
                    current.Dispose();
                current = next;
            }
            return current;
        }
    }

    /// <summary>A list of modules of any kind whose forward a derived class writes.</summary>
    public abstract class Sequential<T, TResult> : nn.Module<T, TResult>
    {
        private readonly List<nn.Module> steps = [];

        protected Sequential(params (string name, nn.Module submodule)[] modules) : base(nameof(Sequential))
        {
            foreach (var (name, module) in modules)
                Add(name, module);
        }

        protected Sequential(params nn.Module[] modules) : base(nameof(Sequential))
        {
            foreach (var module in modules)
                Add(module);
        }

        protected internal void Add(nn.Module module) => Add($"{steps.Count}", module);

        protected internal void Add(string name, nn.Module sm)
        {
            register_module(name, sm);
            steps.Add(sm);
        }

        public Sequential<T, TResult> append(nn.Module module)
        {
            Add(module);
            return this;
        }

        public Sequential<T, TResult> append(string name, nn.Module module)
        {
            Add(name, module);
            return this;
        }

        public int Count => steps.Count;
        public nn.Module this[int index] => steps[index];
        public Sequential<T, TResult> this[(int? start, int? end) index] => Slice(index.start ?? 0, index.end ?? Count);
        public Sequential<T, TResult> this[Range index] => Slice(index.Start.GetOffset(Count), index.End.GetOffset(Count));

        /// <summary>Gives the modules from <paramref name="start"/> up to but without <paramref name="end"/>, where a derived class offers that.</summary>
        protected virtual Sequential<T, TResult> Slice(int start, int end) => throw new NotSupportedException($"{GetType().Name} does not offer slices");
    }

    /// <summary>A list of modules of any kind whose forward a derived class writes.</summary>
    public abstract class Sequential<T1, T2, TResult> : nn.Module<T1, T2, TResult>
    {
        private readonly List<nn.Module> steps = [];

        protected Sequential(params (string name, nn.Module submodule)[] modules) : base(nameof(Sequential))
        {
            foreach (var (name, module) in modules)
                Add(name, module);
        }

        protected Sequential(params nn.Module[] modules) : base(nameof(Sequential))
        {
            foreach (var module in modules)
                Add(module);
        }

        protected internal void Add(nn.Module module) => Add($"{steps.Count}", module);

        protected internal void Add(string name, nn.Module sm)
        {
            register_module(name, sm);
            steps.Add(sm);
        }

        public Sequential<T1, T2, TResult> append(nn.Module module)
        {
            Add(module);
            return this;
        }

        public Sequential<T1, T2, TResult> append(string name, nn.Module module)
        {
            Add(name, module);
            return this;
        }

        public int Count => steps.Count;
        public nn.Module this[int index] => steps[index];
        public Sequential<T1, T2, TResult> this[(int? start, int? end) index] => Slice(index.start ?? 0, index.end ?? Count);
        public Sequential<T1, T2, TResult> this[Range index] => Slice(index.Start.GetOffset(Count), index.End.GetOffset(Count));

        /// <summary>Gives the modules from <paramref name="start"/> up to but without <paramref name="end"/>, where a derived class offers that.</summary>
        protected virtual Sequential<T1, T2, TResult> Slice(int start, int end) => throw new NotSupportedException($"{GetType().Name} does not offer slices");
    }

    /// <summary>A list of modules of any kind whose forward a derived class writes.</summary>
    public abstract class Sequential<T1, T2, T3, TResult> : nn.Module<T1, T2, T3, TResult>
    {
        private readonly List<nn.Module> steps = [];

        protected Sequential(params (string name, nn.Module submodule)[] modules) : base(nameof(Sequential))
        {
            foreach (var (name, module) in modules)
                Add(name, module);
        }

        protected Sequential(params nn.Module[] modules) : base(nameof(Sequential))
        {
            foreach (var module in modules)
                Add(module);
        }

        protected internal void Add(nn.Module module) => Add($"{steps.Count}", module);

        protected internal void Add(string name, nn.Module sm)
        {
            register_module(name, sm);
            steps.Add(sm);
        }

        public Sequential<T1, T2, T3, TResult> append(nn.Module module)
        {
            Add(module);
            return this;
        }

        public Sequential<T1, T2, T3, TResult> append(string name, nn.Module module)
        {
            Add(name, module);
            return this;
        }

        public int Count => steps.Count;
        public nn.Module this[int index] => steps[index];
        public Sequential<T1, T2, T3, TResult> this[(int? start, int? end) index] => Slice(index.start ?? 0, index.end ?? Count);
        public Sequential<T1, T2, T3, TResult> this[Range index] => Slice(index.Start.GetOffset(Count), index.End.GetOffset(Count));

        /// <summary>Gives the modules from <paramref name="start"/> up to but without <paramref name="end"/>, where a derived class offers that.</summary>
        protected virtual Sequential<T1, T2, T3, TResult> Slice(int start, int end) => throw new NotSupportedException($"{GetType().Name} does not offer slices");
    }

    /// <summary>A list of modules of any kind whose forward a derived class writes.</summary>
    public abstract class Sequential<T1, T2, T3, T4, TResult> : nn.Module<T1, T2, T3, T4, TResult>
    {
        private readonly List<nn.Module> steps = [];

        protected Sequential(params (string name, nn.Module submodule)[] modules) : base(nameof(Sequential))
        {
            foreach (var (name, module) in modules)
                Add(name, module);
        }

        protected Sequential(params nn.Module[] modules) : base(nameof(Sequential))
        {
            foreach (var module in modules)
                Add(module);
        }

        protected internal void Add(nn.Module module) => Add($"{steps.Count}", module);

        protected internal void Add(string name, nn.Module sm)
        {
            register_module(name, sm);
            steps.Add(sm);
        }

        public Sequential<T1, T2, T3, T4, TResult> append(nn.Module module)
        {
            Add(module);
            return this;
        }

        public Sequential<T1, T2, T3, T4, TResult> append(string name, nn.Module module)
        {
            Add(name, module);
            return this;
        }

        public int Count => steps.Count;
        public nn.Module this[int index] => steps[index];
        public Sequential<T1, T2, T3, T4, TResult> this[(int? start, int? end) index] => Slice(index.start ?? 0, index.end ?? Count);
        public Sequential<T1, T2, T3, T4, TResult> this[Range index] => Slice(index.Start.GetOffset(Count), index.End.GetOffset(Count));

        /// <summary>Gives the modules from <paramref name="start"/> up to but without <paramref name="end"/>, where a derived class offers that.</summary>
        protected virtual Sequential<T1, T2, T3, T4, TResult> Slice(int start, int end) => throw new NotSupportedException($"{GetType().Name} does not offer slices");
    }

    /// <summary>A list of modules of any kind whose forward a derived class writes.</summary>
    public abstract class Sequential<T1, T2, T3, T4, T5, TResult> : nn.Module<T1, T2, T3, T4, T5, TResult>
    {
        private readonly List<nn.Module> steps = [];

        protected Sequential(params (string name, nn.Module submodule)[] modules) : base(nameof(Sequential))
        {
            foreach (var (name, module) in modules)
                Add(name, module);
        }

        protected Sequential(params nn.Module[] modules) : base(nameof(Sequential))
        {
            foreach (var module in modules)
                Add(module);
        }

        protected internal void Add(nn.Module module) => Add($"{steps.Count}", module);

        protected internal void Add(string name, nn.Module sm)
        {
            register_module(name, sm);
            steps.Add(sm);
        }

        public Sequential<T1, T2, T3, T4, T5, TResult> append(nn.Module module)
        {
            Add(module);
            return this;
        }

        public Sequential<T1, T2, T3, T4, T5, TResult> append(string name, nn.Module module)
        {
            Add(name, module);
            return this;
        }

        public int Count => steps.Count;
        public nn.Module this[int index] => steps[index];
        public Sequential<T1, T2, T3, T4, T5, TResult> this[(int? start, int? end) index] => Slice(index.start ?? 0, index.end ?? Count);
        public Sequential<T1, T2, T3, T4, T5, TResult> this[Range index] => Slice(index.Start.GetOffset(Count), index.End.GetOffset(Count));

        /// <summary>Gives the modules from <paramref name="start"/> up to but without <paramref name="end"/>, where a derived class offers that.</summary>
        protected virtual Sequential<T1, T2, T3, T4, T5, TResult> Slice(int start, int end) => throw new NotSupportedException($"{GetType().Name} does not offer slices");
    }

    /// <summary>A list of modules of any kind whose forward a derived class writes.</summary>
    public abstract class Sequential<T1, T2, T3, T4, T5, T6, TResult> : nn.Module<T1, T2, T3, T4, T5, T6, TResult>
    {
        private readonly List<nn.Module> steps = [];

        protected Sequential(params (string name, nn.Module submodule)[] modules) : base(nameof(Sequential))
        {
            foreach (var (name, module) in modules)
                Add(name, module);
        }

        protected Sequential(params nn.Module[] modules) : base(nameof(Sequential))
        {
            foreach (var module in modules)
                Add(module);
        }

        protected internal void Add(nn.Module module) => Add($"{steps.Count}", module);

        protected internal void Add(string name, nn.Module sm)
        {
            register_module(name, sm);
            steps.Add(sm);
        }

        public Sequential<T1, T2, T3, T4, T5, T6, TResult> append(nn.Module module)
        {
            Add(module);
            return this;
        }

        public Sequential<T1, T2, T3, T4, T5, T6, TResult> append(string name, nn.Module module)
        {
            Add(name, module);
            return this;
        }

        public int Count => steps.Count;
        public nn.Module this[int index] => steps[index];
        public Sequential<T1, T2, T3, T4, T5, T6, TResult> this[(int? start, int? end) index] => Slice(index.start ?? 0, index.end ?? Count);
        public Sequential<T1, T2, T3, T4, T5, T6, TResult> this[Range index] => Slice(index.Start.GetOffset(Count), index.End.GetOffset(Count));

        /// <summary>Gives the modules from <paramref name="start"/> up to but without <paramref name="end"/>, where a derived class offers that.</summary>
        protected virtual Sequential<T1, T2, T3, T4, T5, T6, TResult> Slice(int start, int end) => throw new NotSupportedException($"{GetType().Name} does not offer slices");
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static Sequential Sequential() => new();
            public static Sequential Sequential(params (string name, Module<Tensor, Tensor> submodule)[] modules) => Sequential((IEnumerable<(string, Module<Tensor, Tensor>)>)modules);
            public static Sequential Sequential(params Tuple<string, Module<Tensor, Tensor>>[] modules) => Sequential((IEnumerable<Tuple<string, Module<Tensor, Tensor>>>)modules);
            public static Sequential Sequential(params Module<Tensor, Tensor>[] modules) => Sequential((IEnumerable<Module<Tensor, Tensor>>)modules);

            public static Sequential Sequential(IEnumerable<(string name, Module<Tensor, Tensor> submodule)> modules) =>
                modules.Aggregate(Sequential(), (all, next) => all.append(next.name, next.submodule));

            public static Sequential Sequential(IEnumerable<Tuple<string, Module<Tensor, Tensor>>> modules) =>
                modules.Aggregate(Sequential(), (all, next) => all.append(next.Item1, next.Item2));

            public static Sequential Sequential(IEnumerable<Module<Tensor, Tensor>> modules) =>
                modules.Aggregate(Sequential(), (all, next) => all.append(next));
        }

        public partial class Tensor
        {
            /// <summary>Another object for the same tensor: no view, no operator.</summary>
            internal Tensor Handover() => Keep(new Tensor(Attention.Torch.Native.NativeMethods.att_tensor_alias(Handle)));
        }
    }
}
