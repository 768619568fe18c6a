namespace Attention.Data.Text;

/// <summary>GPT-2's way to write bytes as visible characters in its files: a space is <c>Ġ</c>.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] characters = Characters();
    private static readonly Dictionary<char, byte> bytes = characters.Select((c, value) => (c, (byte)value)).ToDictionary(each => each.c, each => each.Item2);

    /// <summary>The character of every byte.</summary>
    public static char Character(byte value) => characters[value];

    public static string ToText(ReadOnlySpan<byte> values) => string.Create(values.Length, values, (text, values) =>
    {
        for (int i = 0; i < text.Length; i++)
            text[i] = characters[values[i]];
    });

    /// <summary>The bytes, or null where a character is none of the alphabet's.</summary>
    public static byte[]? ToBytes(string text)
    {
        var values = new byte[text.Length];
        for (int i = 0; i < text.Length; i++)
            if (!bytes.TryGetValue(text[i], out values[i]))
                return null;
        return values;
    }

    /// <summary>Bytes that Latin-1 shows stand for themselves, the others follow from U+0100 on.</summary>
    private static char[] Characters()
    {
        int next = 0x100;
        var result = new char[256];
        for (int value = 0; value < 256; value++)
            result[value] = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)value : (char)next++;
        return result;
    }
}
