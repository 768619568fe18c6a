using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace TorchSharp.Utils;

/// <summary>A dictionary that keeps the order in which its keys came, as Python's does.</summary>
public class OrderedDict<TKey, TValue> : IDictionary<TKey, TValue>, IList<(TKey, TValue)> where TKey : notnull
{
    private readonly OrderedDictionary<TKey, TValue> entries = [];

    public int Count => entries.Count;
    public bool IsReadOnly => false;
    public ICollection<TKey> Keys => entries.Keys;
    public ICollection<TValue> Values => entries.Values;
    public IEnumerable<TKey> keys() => entries.Keys;
    public IEnumerable<TValue> values() => entries.Values;
    public IEnumerator<(TKey, TValue)> items() => GetEnumerator();

    public TValue this[TKey key]
    {
        get => entries[key];
        set => entries[key] = value;
    }

    public (TKey, TValue) this[int index]
    {
        get
        {
            var (key, value) = entries.GetAt(index);
            return (key, value);
        }
        set => entries.SetAt(index, value.Item1, value.Item2);
    }

    public void Add(TKey key, TValue value) => entries.Add(key, value);
    public void Add((TKey, TValue) item) => entries.Add(item.Item1, item.Item2);
    public void Add(KeyValuePair<TKey, TValue> item) => entries.Add(item.Key, item.Value);
    public void Insert(int index, (TKey, TValue) item) => entries.Insert(index, item.Item1, item.Item2);

    public bool Remove(TKey key) => entries.Remove(key);
    public bool Remove((TKey, TValue) item) => Contains(item) && entries.Remove(item.Item1);
    public bool Remove(KeyValuePair<TKey, TValue> item) => Remove((item.Key, item.Value));
    public void RemoveAt(int index) => entries.RemoveAt(index);
    public void Clear() => entries.Clear();
    public void clear() => entries.Clear();

    public bool ContainsKey(TKey key) => entries.ContainsKey(key);
    public bool Contains((TKey, TValue) item) => IndexOf(item) >= 0;
    public bool Contains(KeyValuePair<TKey, TValue> item) => Contains((item.Key, item.Value));
    public bool TryGetValue(TKey key, [MaybeNullWhen(false)] out TValue value) => entries.TryGetValue(key, out value);

    public int IndexOf((TKey, TValue) item) =>
        entries.TryGetValue(item.Item1, out var value) && EqualityComparer<TValue>.Default.Equals(value, item.Item2) ? entries.IndexOf(item.Item1) : -1;

    public void CopyTo((TKey, TValue)[] array, int arrayIndex)
    {
        foreach (var item in this)
            array[arrayIndex++] = item;
    }

    public void CopyTo(KeyValuePair<TKey, TValue>[] array, int arrayIndex) =>
        ((ICollection<KeyValuePair<TKey, TValue>>)entries).CopyTo(array, arrayIndex);

    public IEnumerator<(TKey, TValue)> GetEnumerator() => entries.Select(entry => (entry.Key, entry.Value)).GetEnumerator();
    IEnumerator<KeyValuePair<TKey, TValue>> IEnumerable<KeyValuePair<TKey, TValue>>.GetEnumerator() => entries.GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => entries.GetEnumerator();
}
