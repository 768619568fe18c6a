namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>A module whose calls can be watched and changed by hooks.</summary>
        public class HookableModule<TPreHook, TPostHook> : Module
        {
            // Arrays that are replaced, never changed: a hook may remove itself while it runs.
            internal (string Key, TPreHook Hook)[] preHooks = [];
            internal (string Key, TPostHook Hook)[] postHooks = [];
            internal (string Key, Action<Module> Hook)[] modulePreHooks = [];
            internal (string Key, Action<Module> Hook)[] modulePostHooks = [];
            internal bool hooked;

            protected HookableModule(string name) : base(name)
            {
            }

            /// <summary>Adds a hook that sees, and may replace, the result of every call.</summary>
            public HookRemover register_forward_hook(TPostHook hook) => Add(ref postHooks, hook);

            /// <summary>Adds a hook that sees, and may replace, the arguments of every call.</summary>
            public HookRemover register_forward_pre_hook(TPreHook hook) => Add(ref preHooks, hook);

            public HookRemover register_forward_hook(Action<Module> hook) => Add(ref modulePostHooks, hook);
            public HookRemover register_forward_pre_hook(Action<Module> hook) => Add(ref modulePreHooks, hook);

            private HookRemover Add<T>(ref (string, T)[] hooks, T hook)
            {
                var key = Guid.NewGuid().ToString();
                hooks = [.. hooks, (key, hook)];
                hooked = true;
                return new HookRemover(this, key);
            }

            private void Remove(string key)
            {
                preHooks = Array.FindAll(preHooks, entry => entry.Key != key);
                postHooks = Array.FindAll(postHooks, entry => entry.Key != key);
                modulePreHooks = Array.FindAll(modulePreHooks, entry => entry.Key != key);
                modulePostHooks = Array.FindAll(modulePostHooks, entry => entry.Key != key);
                hooked = preHooks.Length + postHooks.Length + modulePreHooks.Length + modulePostHooks.Length > 0;
            }

            internal void RunModulePreHooks()
            {
                foreach (var (_, hook) in modulePreHooks)
                    hook(this);
            }

            internal void RunModulePostHooks()
            {
                foreach (var (_, hook) in modulePostHooks)
                    hook(this);
            }

            /// <summary>Ends one hook.</summary>
            public class HookRemover(HookableModule<TPreHook, TPostHook> module, string key)
            {
                public void remove() => module.Remove(key);
            }
        }

        public interface IModule<T, TResult>
        {
            TResult call(T input1);
        }

        /// <summary>A module whose forward takes one argument.</summary>
        public abstract class Module<T, TResult> : HookableModule<Func<Module<T, TResult>, T, T>, Func<Module<T, TResult>, T, TResult, TResult>>, IModule<T, TResult>
        {
            protected Module(string name) : base(name)
            {
            }

            /// <summary>The computation itself, without hooks.</summary>
            public abstract TResult forward(T input);

            /// <summary>The computation, with the hooks around it.</summary>
            public TResult call(T input) => hooked ? CallHooked(input) : forward(input);

            private TResult CallHooked(T input)
            {
                RunModulePreHooks();
                foreach (var (_, hook) in preHooks)
                    input = hook(this, input) ?? input;
                var result = forward(input);
                foreach (var (_, hook) in postHooks)
                    result = hook(this, input, result) ?? result;
                RunModulePostHooks();
                return result;
            }
        }

        public interface IModule<T1, T2, TResult>
        {
            TResult call(T1 input1, T2 input2);
        }

        /// <summary>A module whose forward takes two arguments.</summary>
        public abstract class Module<T1, T2, TResult> : HookableModule<Func<Module<T1, T2, TResult>, T1, T2, (T1, T2)?>, Func<Module<T1, T2, TResult>, T1, T2, TResult, TResult>>, IModule<T1, T2, TResult>
        {
            protected Module(string name) : base(name)
            {
            }

            /// <summary>The computation itself, without hooks.</summary>
            public abstract TResult forward(T1 input1, T2 input2);

            /// <summary>The computation, with the hooks around it.</summary>
            public TResult call(T1 input1, T2 input2) => hooked ? CallHooked(input1, input2) : forward(input1, input2);

            private TResult CallHooked(T1 input1, T2 input2)
            {
                RunModulePreHooks();
                foreach (var (_, hook) in preHooks)
                    if (hook(this, input1, input2) is { } changed)
                        (input1, input2) = changed;
                var result = forward(input1, input2);
                foreach (var (_, hook) in postHooks)
                    result = hook(this, input1, input2, result) ?? result;
                RunModulePostHooks();
                return result;
            }
        }

        public interface IModule<T1, T2, T3, TResult>
        {
            TResult call(T1 input1, T2 input2, T3 input3);
        }

        /// <summary>A module whose forward takes three arguments.</summary>
        public abstract class Module<T1, T2, T3, TResult> : HookableModule<Func<Module<T1, T2, T3, TResult>, T1, T2, T3, (T1, T2, T3)?>, Func<Module<T1, T2, T3, TResult>, T1, T2, T3, TResult, TResult>>, IModule<T1, T2, T3, TResult>
        {
            protected Module(string name) : base(name)
            {
            }

            /// <summary>The computation itself, without hooks.</summary>
            public abstract TResult forward(T1 input1, T2 input2, T3 input3);

            /// <summary>The computation, with the hooks around it.</summary>
            public TResult call(T1 input1, T2 input2, T3 input3) => hooked ? CallHooked(input1, input2, input3) : forward(input1, input2, input3);

            private TResult CallHooked(T1 input1, T2 input2, T3 input3)
            {
                RunModulePreHooks();
                foreach (var (_, hook) in preHooks)
                    if (hook(this, input1, input2, input3) is { } changed)
                        (input1, input2, input3) = changed;
                var result = forward(input1, input2, input3);
                foreach (var (_, hook) in postHooks)
                    result = hook(this, input1, input2, input3, result) ?? result;
                RunModulePostHooks();
                return result;
            }
        }

        public interface IModule<T1, T2, T3, T4, TResult>
        {
            TResult call(T1 input1, T2 input2, T3 input3, T4 input4);
        }

        /// <summary>A module whose forward takes four arguments.</summary>
        public abstract class Module<T1, T2, T3, T4, TResult> : HookableModule<Func<Module<T1, T2, T3, T4, TResult>, T1, T2, T3, T4, (T1, T2, T3, T4)?>, Func<Module<T1, T2, T3, T4, TResult>, T1, T2, T3, T4, TResult, TResult>>, IModule<T1, T2, T3, T4, TResult>
        {
            protected Module(string name) : base(name)
            {
            }

            /// <summary>The computation itself, without hooks.</summary>
            public abstract TResult forward(T1 input1, T2 input2, T3 input3, T4 input4);

            /// <summary>The computation, with the hooks around it.</summary>
            public TResult call(T1 input1, T2 input2, T3 input3, T4 input4) => hooked ? CallHooked(input1, input2, input3, input4) : forward(input1, input2, input3, input4);

            private TResult CallHooked(T1 input1, T2 input2, T3 input3, T4 input4)
            {
                RunModulePreHooks();
                foreach (var (_, hook) in preHooks)
                    if (hook(this, input1, input2, input3, input4) is { } changed)
                        (input1, input2, input3, input4) = changed;
                var result = forward(input1, input2, input3, input4);
                foreach (var (_, hook) in postHooks)
                    result = hook(this, input1, input2, input3, input4, result) ?? result;
                RunModulePostHooks();
                return result;
            }
        }

        public interface IModule<T1, T2, T3, T4, T5, TResult>
        {
            TResult call(T1 input1, T2 input2, T3 input3, T4 input4, T5 input5);
        }

        /// <summary>A module whose forward takes five arguments.</summary>
        public abstract class Module<T1, T2, T3, T4, T5, TResult> : HookableModule<Func<Module<T1, T2, T3, T4, T5, TResult>, T1, T2, T3, T4, T5, (T1, T2, T3, T4, T5)?>, Func<Module<T1, T2, T3, T4, T5, TResult>, T1, T2, T3, T4, T5, TResult, TResult>>, IModule<T1, T2, T3, T4, T5, TResult>
        {
            protected Module(string name) : base(name)
            {
            }

            /// <summary>The computation itself, without hooks.</summary>
            public abstract TResult forward(T1 input1, T2 input2, T3 input3, T4 input4, T5 input5);

            /// <summary>The computation, with the hooks around it.</summary>
            public TResult call(T1 input1, T2 input2, T3 input3, T4 input4, T5 input5) => hooked ? CallHooked(input1, input2, input3, input4, input5) : forward(input1, input2, input3, input4, input5);

            private TResult CallHooked(T1 input1, T2 input2, T3 input3, T4 input4, T5 input5)
            {
                RunModulePreHooks();
                foreach (var (_, hook) in preHooks)
                    if (hook(this, input1, input2, input3, input4, input5) is { } changed)
                        (input1, input2, input3, input4, input5) = changed;
                var result = forward(input1, input2, input3, input4, input5);
                foreach (var (_, hook) in postHooks)
                    result = hook(this, input1, input2, input3, input4, input5, result) ?? result;
                RunModulePostHooks();
                return result;
            }
        }

        public interface IModule<T1, T2, T3, T4, T5, T6, TResult>
        {
            TResult call(T1 input1, T2 input2, T3 input3, T4 input4, T5 input5, T6 input6);
        }

        /// <summary>A module whose forward takes six arguments.</summary>
        public abstract class Module<T1, T2, T3, T4, T5, T6, TResult> : HookableModule<Func<Module<T1, T2, T3, T4, T5, T6, TResult>, T1, T2, T3, T4, T5, T6, (T1, T2, T3, T4, T5, T6)?>, Func<Module<T1, T2, T3, T4, T5, T6, TResult>, T1, T2, T3, T4, T5, T6, TResult, TResult>>, IModule<T1, T2, T3, T4, T5, T6, TResult>
        {
            protected Module(string name) : base(name)
            {
            }

            /// <summary>The computation itself, without hooks.</summary>
            public abstract TResult forward(T1 input1, T2 input2, T3 input3, T4 input4, T5 input5, T6 input6);

            /// <summary>The computation, with the hooks around it.</summary>
            public TResult call(T1 input1, T2 input2, T3 input3, T4 input4, T5 input5, T6 input6) => hooked ? CallHooked(input1, input2, input3, input4, input5, input6) : forward(input1, input2, input3, input4, input5, input6);

            private TResult CallHooked(T1 input1, T2 input2, T3 input3, T4 input4, T5 input5, T6 input6)
            {
                RunModulePreHooks();
                foreach (var (_, hook) in preHooks)
                    if (hook(this, input1, input2, input3, input4, input5, input6) is { } changed)
                        (input1, input2, input3, input4, input5, input6) = changed;
                var result = forward(input1, input2, input3, input4, input5, input6);
                foreach (var (_, hook) in postHooks)
                    result = hook(this, input1, input2, input3, input4, input5, input6, result) ?? result;
                RunModulePostHooks();
                return result;
            }
        }
    }
}
