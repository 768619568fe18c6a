using System.IO.Compression;
using System.Text;

namespace Attention.Data.Text;

/// <summary>How documents lie in files.</summary>
public abstract record CorpusFormat
{
    private CorpusFormat()
    {
    }

    /// <summary>A file is a document.</summary>
    /// <param name="Separator">A text on one line that separates documents within a file, such as <c>&lt;|endoftext|&gt;</c>; null for none.</param>
    public sealed record PlainText(string? Separator = null) : CorpusFormat;

    /// <summary>A line is a JSON object.</summary>
    /// <param name="Field">Where its text is; dots lead into objects.</param>
    public sealed record JsonLines(string Field = "text") : CorpusFormat;

    /// <summary>A line is a JSON object with a dialogue: a list of objects with <c>role</c> and <c>content</c> (or <c>from</c> and <c>value</c>).</summary>
    /// <param name="Field">Where the list is; null for <c>messages</c>, else <c>conversations</c>.</param>
    public sealed record Chat(string? Field = null) : CorpusFormat;

    /// <summary>Lines of JSON by the file's name, else plain text.</summary>
    public static CorpusFormat Of(string file) => CorpusFiles.IsJsonLines(file) ? new JsonLines() : new PlainText();
}

/// <summary>A document's bytes, or a part of them.</summary>
/// <param name="Utf8">The text, or a line of JSON; checked to be UTF-8.</param>
/// <param name="File">Where it was read.</param>
/// <param name="Line">The line's number from 1, or 0 for plain text.</param>
/// <param name="EndsDocument">Whether the document ends with it.</param>
internal readonly record struct CorpusPiece(ReadOnlyMemory<byte> Utf8, string File, long Line, bool EndsDocument);

/// <summary>The texts of files as they are, for measuring.</summary>
public static class CorpusTexts
{
    /// <summary>The documents of files, or of folders of files.</summary>
    /// <param name="inputs">Files and folders.</param>
    /// <param name="format">How documents lie in them; null goes by each file's name. Not for dialogues.</param>
    /// <exception cref="UserError">A file is no UTF-8 or no JSON, or there is none.</exception>
    public static IEnumerable<(string File, byte[] Utf8)> Read(IEnumerable<string> inputs, CorpusFormat? format = null)
    {
        foreach (var file in CorpusFiles.Find(inputs))
        {
            var form = format ?? CorpusFormat.Of(file);
            var document = new List<byte>();
            foreach (var piece in CorpusFiles.Read(file, form))
            {
                document.AddRange((form is CorpusFormat.JsonLines lines ? CorpusEncoder.Text(piece, lines.Field) : piece.Utf8).Span);
                if (!piece.EndsDocument)
                    continue;
                if (document.Count > 0)
                    yield return (file, [.. document]);
                document.Clear();
            }
        }
    }

    /// <summary>The JSON objects of a file with one on each line.</summary>
    /// <exception cref="UserError">The file is no UTF-8, or a line no JSON object.</exception>
    public static IEnumerable<(long Line, OrderedDictionary<string, object?> Fields)> Objects(string file) =>
        CorpusFiles.Read(file, new CorpusFormat.JsonLines()).Select(piece => (piece.Line, CorpusEncoder.Object(piece)));
}

/// <summary>Files with text, read piece by piece.</summary>
internal static class CorpusFiles
{
    // What is larger is cut after a line, which a tokenizer that works on words does not notice.
    private const int LongestPiece = 64 << 20;
    private const int LongestLine = 1 << 30;
    private static readonly string[] jsonEndings = [".jsonl", ".ndjson", ".jsonlines"];
    private static readonly string[] endings = [.. jsonEndings, ".txt", ".text", ".md"];

    public static bool IsJsonLines(string file) => jsonEndings.Any(Plain(file).EndsWith);

    /// <summary>The files behind paths: of a folder those with text below it, in the order of their names.</summary>
    /// <exception cref="UserError">There is none.</exception>
    public static List<string> Find(IEnumerable<string> paths)
    {
        var files = new List<string>();
        foreach (var path in paths)
        {
            if (File.Exists(path))
                files.Add(path);
            else if (!Directory.Exists(path))
                throw new UserError($"there is no file or folder '{path}'", "name files with text, or folders of them");
            else
                files.AddRange(Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Where(file => endings.Any(Plain(file).EndsWith)).Order(StringComparer.Ordinal));
        }
        return files.Count > 0 ? files : throw new UserError($"there is no text in {string.Join(", ", paths)}", $"files are found by their endings: {string.Join(", ", endings)}, each also with .gz");
    }

    /// <summary>The pieces of a file.</summary>
    /// <param name="file">As it is, or compressed with gzip where its name ends so.</param>
    /// <param name="format">How documents lie in it.</param>
    /// <param name="read">Is told how far the file is read, in bytes on the disk.</param>
    /// <exception cref="UserError">It cannot be read, or is no UTF-8.</exception>
    public static IEnumerable<CorpusPiece> Read(string file, CorpusFormat format, Action<long>? read = null)
    {
        using var raw = Open(file);
        using Stream stream = file.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new GZipStream(raw, CompressionMode.Decompress) : raw;
        var pieces = format is CorpusFormat.PlainText plain ? Text(stream, file, plain.Separator) : Lines(stream, file);
        foreach (var piece in pieces)
        {
            read?.Invoke(raw.Position);
            yield return piece;
        }
    }

    private static string Plain(string file) => (file.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? file[..^3] : file).ToLowerInvariant();

    private static FileStream Open(string file)
    {
        try
        {
            return new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"'{file}' cannot be read: {e.Message}", "check the file and its permissions", e);
        }
    }

    // A buffer that is filled from the stream; what is taken from its front is dropped at the next filling.
    private sealed class Window(Stream stream, string file)
    {
        private byte[] bytes = new byte[1 << 16];
        private int start, end;

        public bool AtEnd { get; private set; }
        public long Offset { get; private set; }
        public ReadOnlyMemory<byte> Contents => bytes.AsMemory(start, end - start);

        public void Drop(int count) => (start, Offset) = (start + count, Offset + count);

        public void Fill(int most)
        {
            bytes.AsSpan(start, end - start).CopyTo(bytes);
            (start, end) = (0, end - start);
            if (end == bytes.Length)
                Array.Resize(ref bytes, (int)Math.Min(most, 2L * bytes.Length));
            try
            {
                int count = stream.ReadAtLeast(bytes.AsSpan(end), bytes.Length - end, throwOnEndOfStream: false);
                AtEnd = end + count < bytes.Length;
                end += count;
            }
            catch (Exception e) when (e is IOException or InvalidDataException)
            {
                throw new UserError($"'{file}' cannot be read: {e.Message}", "check the file, or get it again", e);
            }
        }
    }

    private static IEnumerable<CorpusPiece> Lines(Stream stream, string file)
    {
        var window = new Window(stream, file);
        long line = 0;
        int searched = 0;
        while (true)
        {
            int length = window.Contents.Span[searched..].IndexOf((byte)'\n');
            if (length < 0 && !window.AtEnd)
            {
                searched = window.Contents.Length;
                if (searched >= LongestLine)
                    throw new UserError($"'{file}' line {line + 1} is longer than {LongestLine >> 20} MiB", "check that it is a file with a JSON object on each line");
                window.Fill(LongestLine);
                continue;
            }
            bool isLast = length < 0;
            length = isLast ? window.Contents.Length : searched + length;
            line++;
            StrictUtf8.Require(window.Contents.Span[..length], file, window.Offset, isLast);
            if (!window.Contents.Span[..length].Trim(" \t\r"u8).IsEmpty)
                yield return new CorpusPiece(window.Contents[..length].ToArray(), file, line, EndsDocument: true);
            if (isLast)
                yield break;
            window.Drop(length + 1);
            searched = 0;
        }
    }

    private static IEnumerable<CorpusPiece> Text(Stream stream, string file, string? separator)
    {
        var mark = separator is null ? null : Encoding.UTF8.GetBytes(separator);
        var window = new Window(stream, file);
        while (!window.AtEnd)
        {
            if (window.Contents.Length < LongestPiece)
            {
                window.Fill(LongestPiece);
                if (!window.AtEnd && window.Contents.Length < LongestPiece)
                    continue;
            }
            int length = window.AtEnd ? window.Contents.Length : Cut(window.Contents.Span);
            StrictUtf8.Require(window.Contents.Span[..length], file, window.Offset, window.AtEnd);
            int start = 0;
            while (mark is not null && window.Contents.Span[start..length].IndexOf(mark) is >= 0 and var found)
            {
                yield return new CorpusPiece(window.Contents.Slice(start, found).ToArray(), file, 0, EndsDocument: true);
                start += found + mark.Length;
            }
            yield return new CorpusPiece(window.Contents[start..length].ToArray(), file, 0, EndsDocument: window.AtEnd);
            window.Drop(length);
        }
    }

    // After the last line that a line with text at its beginning follows, else before a character that is not whole.
    private static int Cut(ReadOnlySpan<byte> text)
    {
        for (int at = text.Length - 1; at > 0; at--)
            if (text[at - 1] == '\n' && text[at] > ' ')
                return at;
        return text.Length - StrictUtf8.Unfinished(text);
    }
}
