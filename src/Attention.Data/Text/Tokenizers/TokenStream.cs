using System.Buffers;
using System.Text;

namespace Attention.Data.Text;

/// <summary>Turns ids into bytes, one after the other; holds what depends on the ids before.</summary>
internal interface ITokenDecoder
{
    /// <summary>Writes what is certain after this id.</summary>
    void Push(int id, IBufferWriter<byte> output);

    /// <summary>Writes what was held back, at the end of the sequence.</summary>
    void Finish(IBufferWriter<byte> output);
}

/// <summary>
/// Decodes a sequence as it grows. Every call gives the text that became whole by it: never a part of a character, and all
/// texts together are the text of the sequence. Bytes that cannot become a character are given as U+FFFD.
/// </summary>
public sealed class TokenStream
{
    private readonly ITokenDecoder decoder;
    private readonly ArrayBufferWriter<byte> bytes = new();

    internal TokenStream(ITokenDecoder decoder) => this.decoder = decoder;

    /// <summary>Takes the next id and gives the text that is now certain, which may be empty.</summary>
    public string Append(int id)
    {
        decoder.Push(id, bytes);
        return Take(bytes.WrittenCount - UnfinishedBytes(bytes.WrittenSpan));
    }

    /// <summary>Ends the sequence and gives what is left. The stream then begins a sequence anew.</summary>
    public string Finish()
    {
        decoder.Finish(bytes);
        return Take(bytes.WrittenCount);
    }

    private string Take(int count)
    {
        if (count == 0)
            return "";
        var text = Encoding.UTF8.GetString(bytes.WrittenSpan[..count]);
        var rest = bytes.WrittenSpan[count..].ToArray();
        bytes.ResetWrittenCount();
        bytes.Write(rest);
        return text;
    }

    /// <summary>How many bytes at the end may still become a character.</summary>
    private static int UnfinishedBytes(ReadOnlySpan<byte> text)
    {
        for (int length = 1; length <= Math.Min(3, text.Length); length++)
            if (Rune.DecodeFromUtf8(text[^length..], out _, out int size) == OperationStatus.NeedMoreData && size == length)
                return length;
        return 0;
    }
}
