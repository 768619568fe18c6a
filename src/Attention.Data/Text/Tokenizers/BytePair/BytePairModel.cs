namespace Attention.Data.Text;

/// <summary>Byte-level byte-pair encoding of words (Sennrich et al. 2016, GPT-2): the vocabulary and the rule of merging.</summary>
internal abstract class BytePairModel
{
    private readonly Dictionary<byte[], int> ids;
    private readonly int[] byteIds = new int[256];
    private readonly bool wholeWords;

    private BytePairModel(byte[]?[] pieces, bool wholeWords)
    {
        Pieces = pieces;
        this.wholeWords = wholeWords;
        ids = ByteComparer.Dictionary<int>(pieces.Length);
        for (int id = 0; id < pieces.Length; id++)
            if (pieces[id] is { Length: > 0 } piece)
                ids.TryAdd(piece, id);
        for (int value = 0; value < 256; value++)
            byteIds[value] = ids.GetValueOrDefault([(byte)value], -1);
    }

    /// <summary>Every id's bytes; null where an id has none.</summary>
    public byte[]?[] Pieces { get; }

    /// <summary>The id used for a byte that the vocabulary lacks, or null to leave it out.</summary>
    public int? Unknown { get; init; }

    /// <summary>A vocabulary whose ids are ranks, as tiktoken's files have it.</summary>
    public static BytePairModel OfRanks(byte[]?[] pieces) => new OfConcatenations(pieces);

    /// <summary>A vocabulary with listed merges, the first of which goes first.</summary>
    /// <param name="pieces">Every id's bytes.</param>
    /// <param name="merges">Rank and id of every pair of ids: see <see cref="PairRule.Key"/>.</param>
    /// <param name="wholeWords">Whether a word that is in the vocabulary is taken whole, whatever the merges say.</param>
    public static BytePairModel OfMerges(byte[]?[] pieces, Dictionary<long, (int Rank, int Id)> merges, bool wholeWords, int? unknown = null) =>
        new OfPairs(pieces, merges, wholeWords) { Unknown = unknown };

    /// <summary>The id of a byte string, or null.</summary>
    public int? Find(ReadOnlySpan<byte> piece) => ids.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(piece, out int id) ? id : null;

    /// <summary>Memory for one text at a time; words met before are looked up.</summary>
    public Encoder CreateEncoder() => new(this);

    protected abstract int Merge(ReadOnlySpan<byte> word, Span<Symbol> symbols);

    /// <summary>Encodes words for one thread.</summary>
    internal sealed class Encoder(BytePairModel model)
    {
        private const int LongestRemembered = 64, MostRemembered = 1 << 17;
        private readonly Dictionary<byte[], int[]> memory = ByteComparer.Dictionary<int[]>();
        private Symbol[] symbols = new Symbol[256];

        /// <summary>Where words end, for the caller's use.</summary>
        public List<int> Ends { get; } = [];

        public void Encode(ReadOnlySpan<byte> word, List<int> output)
        {
            if (model.wholeWords && model.Find(word) is { } whole)
            {
                output.Add(whole);
                return;
            }
            if (word.Length > LongestRemembered)
            {
                EncodeNew(word, output);
                return;
            }
            var lookup = memory.GetAlternateLookup<ReadOnlySpan<byte>>();
            if (lookup.TryGetValue(word, out var known))
            {
                output.AddRange(known.AsSpan());
                return;
            }
            int before = output.Count;
            EncodeNew(word, output);
            if (memory.Count >= MostRemembered)
                memory.Clear();
            lookup[word] = [.. System.Runtime.InteropServices.CollectionsMarshal.AsSpan(output)[before..]];
        }

        private void EncodeNew(ReadOnlySpan<byte> word, List<int> output)
        {
            if (symbols.Length < word.Length)
                symbols = new Symbol[Math.Max(word.Length, 2 * symbols.Length)];
            int count = 0;
            for (int i = 0; i < word.Length; i++)
            {
                int id = model.byteIds[word[i]];
                if (id < 0 && model.Unknown is null)
                    continue;
                symbols[count++] = new(i, i + 1, id < 0 ? model.Unknown!.Value : id);
            }
            count = model.Merge(word, symbols.AsSpan(0, count));
            for (int i = 0; i < count; i++)
                output.Add(symbols[i].Id);
        }
    }

    private sealed class OfConcatenations(byte[]?[] pieces) : BytePairModel(pieces, wholeWords: true)
    {
        private readonly ConcatenationRule rule = new(Ranks(pieces));

        private static Dictionary<byte[], (int, int)> Ranks(byte[]?[] pieces)
        {
            var ranks = ByteComparer.Dictionary<(int, int)>(pieces.Length);
            for (int id = 0; id < pieces.Length; id++)
                if (pieces[id] is { Length: > 0 } piece)
                    ranks.TryAdd(piece, (id, id));
            return ranks;
        }

        protected override int Merge(ReadOnlySpan<byte> word, Span<Symbol> symbols) => PairMerger.Merge(rule, word, symbols);
    }

    private sealed class OfPairs(byte[]?[] pieces, Dictionary<long, (int Rank, int Id)> merges, bool wholeWords) : BytePairModel(pieces, wholeWords)
    {
        private readonly PairRule rule = new(merges);

        protected override int Merge(ReadOnlySpan<byte> word, Span<Symbol> symbols) => PairMerger.Merge(rule, word, symbols);
    }
}
