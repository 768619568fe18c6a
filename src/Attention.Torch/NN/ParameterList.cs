using System.Collections;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.Modules
{
    /// <summary>Parameters under the names "0", "1", ...</summary>
    public class ParameterList : nn.Module, IList<Parameter>
    {
        private readonly List<Parameter> items = [];

        public ParameterList(params Parameter[] parameters) : base(nameof(ParameterList)) => extend(parameters);

        // A change may renumber what follows, so all are registered anew.
        private void Register()
        {
            ClearParameters();
            for (int i = 0; i < items.Count; i++)
                register_parameter($"{i}", items[i]);
        }

        /// <summary>Nothing: members are registered when they are added.</summary>
        protected override void RegisterComponents()
        {
        }

        public int Count => items.Count;
        public bool IsReadOnly => false;

        public Parameter this[int index]
        {
            get => items[index];
            set
            {
                items[index] = value;
                Register();
            }
        }

        public void Add(Parameter item)
        {
            register_parameter($"{items.Count}", item);
            items.Add(item);
        }

        public void append(params Parameter[] parameters) => extend(parameters);

        public void extend(IEnumerable<Parameter> parameters)
        {
            foreach (var parameter in parameters)
                Add(parameter);
        }

        public void Insert(int index, Parameter item)
        {
            items.Insert(index, item);
            Register();
        }

        public bool Remove(Parameter item)
        {
            bool removed = items.Remove(item);
            Register();
            return removed;
        }

        public void RemoveAt(int index)
        {
            items.RemoveAt(index);
            Register();
        }

        public void Clear()
        {
            items.Clear();
            ClearParameters();
        }

        public bool Contains(Parameter item) => items.Contains(item);
        public int IndexOf(Parameter item) => items.IndexOf(item);
        public void CopyTo(Parameter[] array, int arrayIndex) => items.CopyTo(array, arrayIndex);
        public IEnumerator<Parameter> GetEnumerator() => items.GetEnumerator();
        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}

namespace TorchSharp
{
    public static partial class torch
    {
        public static partial class nn
        {
            public static ParameterList ParameterList(params Parameter[] parameters) => new(parameters);
        }
    }
}
