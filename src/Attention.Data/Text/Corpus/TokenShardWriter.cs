using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Attention.Data.Text;

/// <summary>Writes a shard: whole under its name, or not at all.</summary>
public sealed class TokenShardWriter : IDisposable
{
    private readonly string path;
    private readonly FileStream file;
    private readonly int vocabularySize, endOfText, width;
    private readonly List<byte>? answers;
    private readonly List<long> ends = [];
    private byte[] buffer = [];
    private uint checksum;

    /// <param name="path">The file, conventionally <c>*.tokens</c>.</param>
    /// <param name="vocabularySize">One more than the largest token there can be; up to 65536 a token takes 2 bytes, else 4.</param>
    /// <param name="endOfText">The token that ends each document, for those who read the shard; null where none does.</param>
    /// <param name="hasAnswers">Whether tokens come with whether they are a dialogue's answers.</param>
    public TokenShardWriter(string path, int vocabularySize, int? endOfText = null, bool hasAnswers = false)
    {
        (this.path, this.vocabularySize, this.endOfText) = (path, vocabularySize, endOfText ?? -1);
        width = TokenShardHeader.WidthFor(vocabularySize);
        answers = hasAnswers ? [] : null;
        file = new FileStream(path + ".tmp", FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16);
        file.Write(new byte[TokenShardHeader.Size]);
    }

    /// <summary>Tokens so far.</summary>
    public long Tokens { get; private set; }

    /// <summary>Documents so far, those that have ended.</summary>
    public long Documents => ends.Count;

    /// <summary>Appends tokens to the document that is open.</summary>
    /// <param name="tokens">Numbers below the size of the vocabulary.</param>
    /// <param name="isAnswer">Whether each belongs to an answer, where the shard tells them apart.</param>
    public void Write(ReadOnlySpan<int> tokens, ReadOnlySpan<bool> isAnswer = default)
    {
        if (buffer.Length < tokens.Length * width)
            buffer = new byte[tokens.Length * width];
        var bytes = buffer.AsSpan(0, tokens.Length * width);
        for (int i = 0; i < tokens.Length; i++)
        {
            if ((uint)tokens[i] >= (uint)vocabularySize)
                throw new ArgumentOutOfRangeException(nameof(tokens), $"token {tokens[i]} is not in the vocabulary of {vocabularySize}");
            if (width == 2)
                BinaryPrimitives.WriteUInt16LittleEndian(bytes[(2 * i)..], (ushort)tokens[i]);
            else
                BinaryPrimitives.WriteInt32LittleEndian(bytes[(4 * i)..], tokens[i]);
        }
        Append(bytes);
        for (int i = 0; answers is not null && i < tokens.Length; i++)
        {
            long bit = Tokens + i;
            if (bit % 8 == 0)
                answers.Add(0);
            if (isAnswer[i])
                answers[^1] |= (byte)(1 << (int)(bit % 8));
        }
        Tokens += tokens.Length;
    }

    /// <summary>Ends the open document; one without tokens is none.</summary>
    public void EndDocument()
    {
        if (Tokens > (ends.Count > 0 ? ends[^1] : 0))
            ends.Add(Tokens);
    }

    /// <summary>Ends the last document and gives the file its name.</summary>
    public void Finish()
    {
        EndDocument();
        if (answers is not null)
            Append(CollectionsMarshal.AsSpan(answers));
        var header = new TokenShardHeader(width, answers is not null, Tokens, ends.Count, vocabularySize, endOfText, 0);
        Append(new byte[header.EndsAt - file.Position]);
        Append(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(ends)));
        var bytes = new byte[TokenShardHeader.Size];
        (header with { Checksum = checksum }).Write(bytes);
        file.Position = 0;
        file.Write(bytes);
        file.Flush(flushToDisk: true);
        file.Dispose();
        File.Move(path + ".tmp", path, overwrite: true);
    }

    /// <summary>Removes what was not finished.</summary>
    public void Dispose()
    {
        file.Dispose();
        File.Delete(path + ".tmp");
    }

    private void Append(ReadOnlySpan<byte> bytes)
    {
        checksum = TokenShardHeader.Crc(checksum, bytes);
        file.Write(bytes);
    }
}
