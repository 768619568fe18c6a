using System.Collections;
using System.Diagnostics.CodeAnalysis;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>Modules under names of their own, in the order in which they were added.</summary>
    public class ModuleDict<T> : nn.Module, IDictionary<string, T>, IList<(string, T)> where T : nn.Module
    {
        private readonly OrderedDictionary<string, T> members = [];

        public ModuleDict() : base(nameof(ModuleDict<>))
        {
        }

        // A change may move what follows, so all are registered anew.
        private void Register()
        {
            ClearModules();
            foreach (var (key, value) in members)
                register_module(key, value);
        }

        /// <summary>Nothing: members are registered when they are added.</summary>
        protected override void RegisterComponents()
        {
        }

        public int Count => members.Count;
        public bool IsReadOnly => false;
        public ICollection<string> Keys => members.Keys;
        public ICollection<T> Values => members.Values;
        public IEnumerable<string> keys() => members.Keys;
        public IEnumerable<T> values() => members.Values;
        public IEnumerator<(string, T)> items() => GetEnumerator();

        public T this[string key]
        {
            get => members[key];
            set
            {
                members[key] = value;
                Register();
            }
        }

        public (string, T) this[int index]
        {
            get => (members.GetAt(index).Key, members.GetAt(index).Value);
            set
            {
                members.SetAt(index, value.Item1, value.Item2);
                Register();
            }
        }

        public void Add((string, T) item) => Add(item.Item1, item.Item2);
        public void Add(KeyValuePair<string, T> item) => Add(item.Key, item.Value);

        public void Add(string key, T value)
        {
            register_module(key, value);
            members.Add(key, value);
        }

        public void Insert(int index, (string, T) item)
        {
            members.Insert(index, item.Item1, item.Item2);
            Register();
        }

        public bool Remove(string key)
        {
            bool removed = members.Remove(key);
            Register();
            return removed;
        }

        public bool Remove((string, T) item) => Contains(item) && Remove(item.Item1);
        public bool Remove(KeyValuePair<string, T> item) => Contains(item) && Remove(item.Key);
        public void RemoveAt(int index) => Remove(members.GetAt(index).Key);

        public void Clear()
        {
            members.Clear();
            ClearModules();
        }

        public void clear() => Clear();

        public bool ContainsKey(string key) => members.ContainsKey(key);
        public bool Contains((string, T) item) => members.TryGetValue(item.Item1, out var value) && ReferenceEquals(value, item.Item2);
        public bool Contains(KeyValuePair<string, T> item) => Contains((item.Key, item.Value));
        public int IndexOf((string, T) item) => Contains(item) ? members.IndexOf(item.Item1) : -1;
        public bool TryGetValue(string key, [MaybeNullWhen(false)] out T value) => members.TryGetValue(key, out value);

        public void CopyTo((string, T)[] array, int arrayIndex)
        {
            foreach (var (key, value) in members)
                array[arrayIndex++] = (key, value);
        }

        public void CopyTo(KeyValuePair<string, T>[] array, int arrayIndex) => ((ICollection<KeyValuePair<string, T>>)members).CopyTo(array, arrayIndex);

        public IEnumerator<(string, T)> GetEnumerator()
        {
            foreach (var (key, value) in members)
                yield return (key, value);
        }

        IEnumerator<KeyValuePair<string, T>> IEnumerable<KeyValuePair<string, T>>.GetEnumerator() => members.GetEnumerator();
        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static ModuleDict<Module> ModuleDict(params (string, Module)[] modules) => ModuleDict<Module>(modules);

            public static ModuleDict<T> ModuleDict<T>(params (string, T)[] modules) where T : Module
            {
                var result = new ModuleDict<T>();
                foreach (var item in modules)
                    result.Add(item);
                return result;
            }
        }
    }
}
