namespace Attention.Data.Text;

/// <summary>Byte strings by prefix: one hash table of (node, byte) to node.</summary>
internal sealed class ByteTrie
{
    private const int None = -1;
    private readonly List<int> values = [None];
    private long[] keys = new long[1 << 10];
    private int[] children = new int[1 << 10];
    private int count;

    public const int Root = 0;

    /// <summary>Adds a string with a value of at least 0; the first value of a string stays.</summary>
    public void Add(ReadOnlySpan<byte> text, int value)
    {
        int node = Root;
        foreach (byte label in text)
        {
            int child = Child(node, label);
            if (child == None)
            {
                child = values.Count;
                values.Add(None);
                Insert(Key(node, label), child);
            }
            node = child;
        }
        if (values[node] == None)
            values[node] = value;
    }

    /// <summary>The node after a byte, or -1.</summary>
    public int Child(int node, byte label)
    {
        long key = Key(node, label);
        for (int slot = Slot(key); keys[slot] != 0; slot = slot + 1 & keys.Length - 1)
            if (keys[slot] == key)
                return children[slot];
        return None;
    }

    /// <summary>The value of the string that ends at a node, or -1.</summary>
    public int Value(int node) => values[node];

    /// <summary>The length of the longest string at the text's beginning, or 0.</summary>
    public int Longest(ReadOnlySpan<byte> text)
    {
        int longest = 0;
        for (int i = 0, node = Root; i < text.Length && (node = Child(node, text[i])) != None; i++)
            if (values[node] != None)
                longest = i + 1;
        return longest;
    }

    // One more than the pair, so that 0 marks an empty slot.
    private static long Key(int node, byte label) => ((long)node << 8 | label) + 1;

    private int Slot(long key) => (int)((ulong)key * 0x9E3779B97F4A7C15 >> 32) & keys.Length - 1;

    private void Insert(long key, int child)
    {
        if (++count * 2 > keys.Length)
        {
            var (oldKeys, oldChildren) = (keys, children);
            (keys, children) = (new long[2 * oldKeys.Length], new int[2 * oldKeys.Length]);
            for (int i = 0; i < oldKeys.Length; i++)
                if (oldKeys[i] != 0)
                    Place(oldKeys[i], oldChildren[i]);
        }
        Place(key, child);
    }

    private void Place(long key, int child)
    {
        int slot = Slot(key);
        while (keys[slot] != 0)
            slot = slot + 1 & keys.Length - 1;
        (keys[slot], children[slot]) = (key, child);
    }
}
