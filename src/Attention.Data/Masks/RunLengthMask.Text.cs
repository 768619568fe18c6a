using System.Text;

namespace Attention.Data;

/// <summary>
/// COCO's compressed text: each count as groups of five bits in the characters from '0' on, lowest first, a sixth bit where more
/// follow, with a sign; from the fourth on as the difference to the last count of the same kind.
/// </summary>
public sealed partial class RunLengthMask
{
    private const int BitsPerCharacter = 5, MoreFollow = 0x20, Sign = 0x10, FirstCharacter = '0';

    // 35 bits: a count, or the difference of two, with its sign.
    private const int MostCharacters = 7;

    /// <summary>Reads the compressed text of a mask.</summary>
    /// <exception cref="FormatException">It is no such text, or of an image of another size.</exception>
    public static RunLengthMask Parse(ReadOnlySpan<char> text, int height, int width)
    {
        PixelsOf(height, width);
        var counts = new List<int>();
        for (int at = 0; at < text.Length;)
        {
            long count = ReadNumber(text, ref at) + (counts.Count > 2 ? counts[^2] : 0);
            counts.Add(count is >= 0 and <= int.MaxValue ? (int)count : throw new FormatException($"its run lengths hold {count}"));
        }
        return Of(height, width, counts);
    }

    /// <summary>The compressed text, which <see cref="Parse"/> reads.</summary>
    public string ToText()
    {
        var text = new StringBuilder(_counts.Length * 2);
        for (int i = 0; i < _counts.Length; i++)
        {
            int number = i > 2 ? _counts[i] - _counts[i - 2] : _counts[i];
            bool more;
            do
            {
                int bits = number & (1 << BitsPerCharacter) - 1;
                number >>= BitsPerCharacter;
                more = number != ((bits & Sign) != 0 ? -1 : 0);
                text.Append((char)(FirstCharacter + (more ? bits | MoreFollow : bits)));
            }
            while (more);
        }
        return text.ToString();
    }

    private static long ReadNumber(ReadOnlySpan<char> text, ref int at)
    {
        long number = 0;
        for (int group = 0; group < MostCharacters; group++)
        {
            if (at == text.Length)
                throw new FormatException("its compressed run lengths end within a number");
            int bits = text[at++] - FirstCharacter;
            if (bits is < 0 or >= 64)
                throw new FormatException($"its compressed run lengths hold the character U+{(int)text[at - 1]:X4} at {at - 1}");
            number |= (long)(bits & (1 << BitsPerCharacter) - 1) << group * BitsPerCharacter;
            if ((bits & MoreFollow) != 0)
                continue;
            return (bits & Sign) != 0 ? number | -1L << (group + 1) * BitsPerCharacter : number;
        }
        throw new FormatException("its compressed run lengths hold a number of more than 35 bits");
    }
}
