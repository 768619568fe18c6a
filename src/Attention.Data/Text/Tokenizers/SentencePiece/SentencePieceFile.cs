using System.Text;

namespace Attention.Data.Text;

/// <summary>What a piece is, by SentencePiece's numbers.</summary>
internal enum PieceType
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>A piece of a SentencePiece vocabulary.</summary>
internal readonly record struct SentencePiece(string Text, float Score, PieceType Type);

/// <summary>A SentencePiece <c>.model</c> file: the protocol buffer <c>ModelProto</c>, as far as encoding and decoding need it.</summary>
internal sealed class SentencePieceFile
{
    private const long LargestFile = 256 << 20;

    public required string Path { get; init; }
    public List<SentencePiece> Pieces { get; } = [];
    public bool IsPairs { get; private set; }
    public bool ByteFallback { get; private set; }
    public bool SpaceIsSuffix { get; private set; }
    public string UnknownSurface { get; private set; } = " \u2047 ";
    public Dictionary<string, string> Roles { get; } = new() { ["unk_token"] = "<unk>", ["bos_token"] = "<s>", ["eos_token"] = "</s>", ["pad_token"] = "<pad>" };
    public CharacterMap? Map { get; private set; }
    public bool AddDummyPrefix { get; private set; } = true;
    public bool RemoveExtraSpaces { get; private set; } = true;
    public bool EscapeSpaces { get; private set; } = true;

    /// <exception cref="UserError">The file is broken, or of a kind that is not supported.</exception>
    public static SentencePieceFile Load(string path)
    {
        if (new FileInfo(path).Length is var length && length > LargestFile)
            throw new UserError($"'{path}' of {length} bytes is over the limit of {LargestFile >> 20} MiB for a SentencePiece model", "check that it is a tokenizer and not a model's weights");
        var file = new SentencePieceFile { Path = path };
        file.Read(File.ReadAllBytes(path));
        return file;
    }

    private void Read(ReadOnlySpan<byte> bytes)
    {
        var message = new ProtoReader(bytes, Path);
        while (message.Next())
            switch (message.Field)
            {
                case 1: ReadPiece(message.Span()); break;
                case 2: ReadTrainer(message.Span()); break;
                case 3: ReadNormalizer(message.Span()); break;
                default: message.Skip(); break;
            }
        if (Pieces.Count == 0)
            throw new UserError($"'{Path}' is no SentencePiece model: it has no pieces", "copy or download it again");
        if (Pieces.Count(piece => piece.Type == PieceType.Unknown) != 1)
            throw new UserError($"'{Path}' has {Pieces.Count(piece => piece.Type == PieceType.Unknown)} unknown pieces, but must have one", "copy or download it again");
    }

    private void ReadPiece(ReadOnlySpan<byte> bytes)
    {
        var (text, score, type) = ("", 0f, PieceType.Normal);
        var message = new ProtoReader(bytes, Path);
        while (message.Next())
            switch (message.Field)
            {
                case 1: text = Encoding.UTF8.GetString(message.Span()); break;
                case 2: score = message.Single(); break;
                case 3: type = (PieceType)message.Number(); break;
                default: message.Skip(); break;
            }
        if (text == "" || !Enum.IsDefined(type) || Pieces.Count >= Tokenizers.MostTokens)
            throw new UserError($"'{Path}': its piece {Pieces.Count} is malformed", "copy or download it again");
        Pieces.Add(new(text, score, type));
    }

    private void ReadTrainer(ReadOnlySpan<byte> bytes)
    {
        var message = new ProtoReader(bytes, Path);
        while (message.Next())
            switch (message.Field)
            {
                case 3:
                    IsPairs = message.Number() switch
                    {
                        1 => false,
                        2 => true,
                        var kind => throw new UserError($"'{Path}' is a SentencePiece model of type {(kind == 3 ? "word" : kind == 4 ? "char" : kind)}", "use one of type unigram or bpe"),
                    };
                    break;
                case 24: SpaceIsSuffix = message.Flag(); break;
                case 35: ByteFallback = message.Flag(); break;
                case 44: UnknownSurface = Encoding.UTF8.GetString(message.Span()); break;
                case 45: Role("unk_token", message.Span()); break;
                case 46: Role("bos_token", message.Span()); break;
                case 47: Role("eos_token", message.Span()); break;
                case 48: Role("pad_token", message.Span()); break;
                default: message.Skip(); break;
            }
    }

    private void Role(string role, ReadOnlySpan<byte> piece)
    {
        if (!piece.IsEmpty)
            Roles[role] = Encoding.UTF8.GetString(piece);
    }

    private void ReadNormalizer(ReadOnlySpan<byte> bytes)
    {
        var message = new ProtoReader(bytes, Path);
        while (message.Next())
            switch (message.Field)
            {
                case 2: Map = CharacterMap.Read(message.Span(), Path); break;
                case 3: AddDummyPrefix = message.Flag(); break;
                case 4: RemoveExtraSpaces = message.Flag(); break;
                case 5: EscapeSpaces = message.Flag(); break;
                default: message.Skip(); break;
            }
    }
}
