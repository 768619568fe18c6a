using System.Buffers;
using System.Text;

namespace Attention.Data.Text;

/// <summary>SentencePiece's normalisation: the rules of the character map, then what the model asks for about spaces.</summary>
internal sealed class SentencePieceNormalizer(SentencePieceFile file, ByteTrie userDefined)
{
    private readonly byte[] space = file.EscapeSpaces ? "▁"u8.ToArray() : " "u8.ToArray();

    /// <summary>The text that pieces are looked for in.</summary>
    /// <param name="input">UTF-8; bytes that are none become U+FFFD.</param>
    /// <param name="addDummyPrefix">Whether the model's space before the text, if it has one, is added.</param>
    public byte[] Normalize(ReadOnlySpan<byte> input, bool addDummyPrefix)
    {
        if (file.RemoveExtraSpaces)
            while (!input.IsEmpty && Prefix(input, out int length).SequenceEqual(" "u8))
                input = input[length..];
        if (input.IsEmpty)
            return [];

        addDummyPrefix &= file.AddDummyPrefix;
        var output = new ArrayBufferWriter<byte>(input.Length + input.Length / 2 + 8);
        if (addDummyPrefix && !file.SpaceIsSuffix)
            output.Write(space);
        bool afterSpace = file.RemoveExtraSpaces;
        while (!input.IsEmpty)
        {
            var part = Prefix(input, out int length);
            while (afterSpace && part.StartsWith(" "u8))
                part = part[1..];
            if (!part.IsEmpty)
            {
                foreach (byte value in part)
                    output.Write(value == ' ' ? space : [value]);
                afterSpace = file.RemoveExtraSpaces && part[^1] == ' ';
            }
            input = input[length..];
        }
        var result = output.WrittenSpan;
        if (file.RemoveExtraSpaces)
            while (result.EndsWith(space))
                result = result[..^space.Length];
        return addDummyPrefix && file.SpaceIsSuffix ? [.. result, .. space] : result.ToArray();
    }

    /// <summary>What the beginning of the text becomes, and how many bytes that is.</summary>
    private ReadOnlySpan<byte> Prefix(ReadOnlySpan<byte> input, out int length)
    {
        if ((length = userDefined.Longest(input)) > 0)
            return input[..length];
        if (file.Map is { } map && map.TryLongest(input, out length, out var replacement))
            return replacement;
        if (Rune.DecodeFromUtf8(input, out _, out length) == OperationStatus.Done)
            return input[..length];
        length = 1;
        return "\uFFFD"u8;
    }
}
