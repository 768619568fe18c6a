using System.Collections;
using System.Diagnostics.CodeAnalysis;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>Parameters under names of their own, in the order in which they were added.</summary>
    public class ParameterDict : nn.Module, IDictionary<string, Parameter>, IList<(string, Parameter)>
    {
        private readonly OrderedDictionary<string, Parameter> members = [];

        public ParameterDict() : base(nameof(ParameterDict))
        {
        }

        // A change may move what follows, so all are registered anew.
        private void Register()
        {
            ClearParameters();
            foreach (var (key, value) in members)
                register_parameter(key, value);
        }

        /// <summary>Nothing: members are registered when they are added.</summary>
        protected override void RegisterComponents()
        {
        }

        public int Count => members.Count;
        public bool IsReadOnly => false;
        public ICollection<string> Keys => members.Keys;
        public ICollection<Parameter> Values => members.Values;
        public IEnumerable<string> keys() => members.Keys;
        public IEnumerable<Parameter> values() => members.Values;
        public IEnumerator<(string, Parameter)> items() => GetEnumerator();

        public Parameter this[string key]
        {
            get => members[key];
            set
            {
                members[key] = value;
                Register();
            }
        }

        public (string, Parameter) this[int index]
        {
            get => (members.GetAt(index).Key, members.GetAt(index).Value);
            set
            {
                members.SetAt(index, value.Item1, value.Item2);
                Register();
            }
        }

        public void Add((string, Parameter) item) => Add(item.Item1, item.Item2);
        public void Add(KeyValuePair<string, Parameter> item) => Add(item.Key, item.Value);

        public void Add(string key, Parameter value)
        {
            register_parameter(key, value);
            members.Add(key, value);
        }

        public void Insert(int index, (string, Parameter) item)
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

        public bool Remove((string, Parameter) item) => Contains(item) && Remove(item.Item1);
        public bool Remove(KeyValuePair<string, Parameter> item) => Contains(item) && Remove(item.Key);
        public void RemoveAt(int index) => Remove(members.GetAt(index).Key);

        public void Clear()
        {
            members.Clear();
            ClearParameters();
        }

        public void clear() => Clear();

        public bool ContainsKey(string key) => members.ContainsKey(key);
        public bool Contains((string, Parameter) item) => members.TryGetValue(item.Item1, out var value) && ReferenceEquals(value, item.Item2);
        public bool Contains(KeyValuePair<string, Parameter> item) => Contains((item.Key, item.Value));
        public int IndexOf((string, Parameter) item) => Contains(item) ? members.IndexOf(item.Item1) : -1;
        public bool TryGetValue(string key, [MaybeNullWhen(false)] out Parameter value) => members.TryGetValue(key, out value);

        public void CopyTo((string, Parameter)[] array, int arrayIndex)
        {
            foreach (var (key, value) in members)
                array[arrayIndex++] = (key, value);
        }

        public void CopyTo(KeyValuePair<string, Parameter>[] array, int arrayIndex) => ((ICollection<KeyValuePair<string, Parameter>>)members).CopyTo(array, arrayIndex);

        public IEnumerator<(string, Parameter)> GetEnumerator()
        {
            foreach (var (key, value) in members)
                yield return (key, value);
        }

        IEnumerator<KeyValuePair<string, Parameter>> IEnumerable<KeyValuePair<string, Parameter>>.GetEnumerator() => members.GetEnumerator();
        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static ParameterDict ParameterDict(params (string, Parameter)[] parameters)
            {
                var result = new ParameterDict();
                foreach (var item in parameters)
                    result.Add(item);
                return result;
            }
        }
    }
}
