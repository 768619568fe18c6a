using System.IO.Compression;
using System.Text;
using Attention.Data.Text;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Text;

public sealed class CorpusTests : IDisposable
{
    private const string ChatMarkup = "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    private readonly TemporaryFolder folder = new();
    private readonly ITokenizer tokenizer;

    public CorpusTests()
    {
        Directory.CreateDirectory(folder.File("bpe"));
        var trainer = new BytePairTrainer(new() { VocabularySize = 300, SpecialTokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] });
        trainer.Feed(Encoding.UTF8.GetBytes(TrainerTests.Sample));
        trainer.Train().Save(folder.File("bpe/tokenizer.json"));
        tokenizer = Tokenizers.Load(folder.File("bpe"));
    }

    public void Dispose() => folder.Dispose();

    private static long[] Values(Tensor tensor) => [.. tensor.data<long>()];

    private TokenShards Shards(CorpusOptions options, params string[] inputs)
    {
        new CorpusTokenizer(tokenizer, options).WriteShards(inputs, folder.File("shards"));
        return TokenShards.Open(folder.File("shards"));
    }

    private List<string> Documents(ITokenStore store) =>
    [
        .. Enumerable.Range(0, (int)store.Documents).Select(document =>
        {
            var tokens = new long[store.StartOf(document + 1) - store.StartOf(document)];
            store.Read(store.StartOf(document), tokens);
            return tokenizer.Decode([.. tokens.Select(token => (int)token)], skipSpecial: false);
        }),
    ];

    [Fact]
    public void Text_files_become_documents_with_an_end()
    {
        var text = folder.Write("in/a.txt", "the cat");
        folder.Write("in/b.md", "the hat<|endoftext|>the mat<|endoftext|>\n");
        folder.Write("in/ignored.bin", "nothing");
        using (var shards = Shards(new(), folder.File("in")))
            Assert.Equal(["the cat<|endoftext|>", "the hat<|endoftext|>the mat<|endoftext|>\n<|endoftext|>"], Documents(shards));
        Directory.Delete(folder.File("shards"), true);
        using (var shards = Shards(new() { Format = new CorpusFormat.PlainText("<|endoftext|>"), ShardTokens = 1, BeginOfText = "<|im_start|>" }, folder.File("in")))
        {
            Assert.Equal(["<|im_start|>the cat<|endoftext|>", "<|im_start|>the hat<|endoftext|>", "<|im_start|>the mat<|endoftext|>"], Documents(shards));
            Assert.Equal(3, shards.Files.Count);
            Assert.Equal(2, shards.Files[0].Width);
            Assert.Equal(0, shards.EndOfText);
            Assert.Equal([0, 1, 2], Enumerable.Range(0, 3).Select(i => ((ITokenStore)shards).DocumentAt(shards.StartOf(i) + 1)));
            Assert.Equal([0, 0, 1], Enumerable.Range(0, 3).Select(i => ((ITokenStore)shards).DocumentAt(shards.StartOf(1) - 2 + i)));
        }
        var refused = Assert.Throws<UserError>(() => Shards(new(), text));
        Assert.Contains("is there already", refused.Message);
    }

    [Fact]
    public void Json_lines_become_documents_in_order_whatever_the_number_of_threads()
    {
        var texts = Enumerable.Range(0, 2000).Select(i => $"text {i} é{string.Concat(Enumerable.Repeat(" the cat", i % 300))}").ToArray();
        var lines = string.Join("\n", texts.Select(text => "{\"id\": 1, \"doc\": {\"text\": \"" + text + "\"}}")) + "\n\n";
        using (var stream = new GZipStream(File.Create(folder.File("x.jsonl.gz")), CompressionLevel.Fastest))
            stream.Write(Encoding.UTF8.GetBytes(lines));
        foreach (int workers in new[] { 1, 3 })
        {
            var options = new CorpusOptions { Format = new CorpusFormat.JsonLines("doc.text"), EndOfText = "", Workers = workers, ShardTokens = 100_000 };
            using var shards = Shards(options, folder.File("x.jsonl.gz"));
            Assert.Equal(texts, Documents(shards));
            Assert.True(shards.Files.Count > 1);
            Assert.Null(shards.EndOfText);
            foreach (var shard in shards.Files)
                shard.Verify();
            Assert.Equal(texts, Documents(new CorpusTokenizer(tokenizer, options).Load([folder.File("x.jsonl.gz")])));
            Directory.Delete(folder.File("shards"), true);
        }
    }

    [Theory]
    [InlineData("{\"text\": \"a\"}\n{\"other\": 1}", "line 2 has no 'text'; its fields are other")]
    [InlineData("{\"text\": \"a\"}\n\n{\"text\": \"b\"", "line 3 is no JSON")]
    [InlineData("{\"text\": 3}", "line 1 has a 'text' that is no text")]
    [InlineData("[1]", "line 1 is no JSON object")]
    [InlineData("{\"text\": \"\\ud800\"}", "half a surrogate pair")]
    [InlineData("", "there is no text in")]
    public void Wrong_lines_are_named_and_nothing_is_left(string lines, string expected)
    {
        var file = folder.Write("x.jsonl", lines);
        Assert.Contains(expected, Assert.Throws<UserError>(() => Shards(new(), file)).Message);
        Assert.False(Path.Exists(folder.File("shards")) || Path.Exists(folder.File("shards.partial")));
    }

    [Theory]
    [InlineData("x.txt")]
    [InlineData("x.jsonl")]
    public void Text_that_is_no_utf8_is_named_with_its_place(string name)
    {
        byte[] start = [.. "{\"text\": \"é"u8];
        File.WriteAllBytes(folder.File(name), [.. start, 0xFF, .. "\"}\n"u8]);
        Assert.Contains($"is no UTF-8: byte {start.Length} is 0xFF", Assert.Throws<UserError>(() => Shards(new(), folder.File(name))).Message);
        File.WriteAllBytes(folder.File(name), [.. start, 0xE6, 0x97]);
        Assert.Contains($"is cut in the middle of a character: byte {start.Length} begins one of 3 bytes, but only 2 are there",
            Assert.Throws<UserError>(() => Shards(new(), folder.File(name))).Message);
        File.WriteAllBytes(folder.File(name), [.. start, 0xE6, 0x97, .. "\n"u8]);
        Assert.Contains($"byte {start.Length} is 0xE6", Assert.Throws<UserError>(() => Shards(new(), folder.File(name))).Message);
        Assert.False(Path.Exists(folder.File("shards")) || Path.Exists(folder.File("shards.partial")));
    }

    [Fact]
    public void A_shard_that_is_cut_or_damaged_is_named()
    {
        var path = folder.File("x.tokens");
        using (var writer = new TokenShardWriter(path, 70_000, endOfText: 5, hasAnswers: true))
        {
            writer.Write([1, 69_999, 5], [false, true, true]);
            writer.EndDocument();
            writer.EndDocument();
            writer.Write([7, 5], [true, false]);
            writer.Finish();
        }
        var whole = File.ReadAllBytes(path);
        using (var shard = TokenShard.Open(path))
        {
            var (tokens, answers) = (new long[5], new bool[5]);
            shard.Read(0, tokens);
            shard.ReadAnswers(0, answers);
            Assert.Equal([1, 69_999, 5, 7, 5], tokens);
            Assert.Equal([false, true, true, true, false], answers);
            Assert.Equal([0, 3, 5], new[] { shard.StartOf(0), shard.StartOf(1), shard.StartOf(2) });
            Assert.Equal((4, 2L, 5), (shard.Width, shard.Documents, shard.EndOfText));
            shard.Verify();
        }
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.Contains("is cut", Assert.Throws<UserError>(() => TokenShard.Open(path)).Message);
        }
        for (int at = 0; at < whole.Length; at++)
        {
            var damaged = whole.ToArray();
            damaged[at] ^= 0x10;
            File.WriteAllBytes(path, damaged);
            Assert.Throws<UserError>(() =>
            {
                using var shard = TokenShard.Open(path);
                shard.Verify();
            });
        }
    }

    [Fact]
    public void A_shard_is_there_only_once_it_is_finished()
    {
        using (var writer = new TokenShardWriter(folder.File("x.tokens"), 10))
            writer.Write([1]);
        Assert.Empty(Directory.EnumerateFiles(folder.Path, "x.tokens*"));
    }

    [Fact]
    public void A_random_order_has_everything_once()
    {
        foreach (int count in new[] { 1, 2, 3, 7, 64, 1000 })
        {
            var order = new RandomOrder(count, 5, 1);
            Assert.Equal(Enumerable.Range(0, count).Select(i => (long)i), Enumerable.Range(0, count).Select(i => order[i]).Order());
        }
        var (one, two) = (new RandomOrder(1L << 40, 5, 1), new RandomOrder(1L << 40, 5, 2));
        Assert.NotEqual(one[0], two[0]);
        Assert.Equal(one[12345], new RandomOrder(1L << 40, 5, 1)[12345]);
        // No place keeps its neighbours.
        var small = new RandomOrder(10_000, 1, 0);
        Assert.InRange(Enumerable.Range(0, 9_999).Count(i => small[i + 1] == small[i] + 1), 0, 20);
    }

    private static TokenList List(params int[] lengths)
    {
        var made = new TokenList();
        int start = 0;
        foreach (int length in lengths)
        {
            made.Add([.. Enumerable.Range(start, length)]);
            start += length;
        }
        return made;
    }

    [Theory]
    [InlineData(DocumentBoundary.Joined)]
    [InlineData(DocumentBoundary.Ignored)]
    public void Packed_windows_take_every_token_once_an_epoch(DocumentBoundary boundary)
    {
        var store = List(13, 20, 1, 30);
        var source = new PackedWindows(store, context: 8, batch_size: 2, seed: 3, boundary: boundary);
        Assert.Equal(4, source.StepsPerEpoch);
        var orders = new List<string>();
        for (int epoch = 0; epoch < 2; epoch++)
        {
            var (tokens, targets) = (new List<long>(), new List<long>());
            for (int step = 0; step < source.StepsPerEpoch; step++)
            {
                using var batch = source.Batch(epoch, step);
                Assert.Equal([2, 8], batch.tokens.shape);
                tokens.AddRange(Values(batch.tokens));
                targets.AddRange(Values(batch.targets));
            }
            Assert.Equal(Enumerable.Range(0, 64).Select(i => (long)i), tokens.Order());
            long[] starts = boundary == DocumentBoundary.Ignored ? [0, 13, 33, 34] : [];
            Assert.Equal(tokens.Select(token => starts.Contains((token + 1) % 64) ? TokenBatch.Ignored : (token + 1) % 64), targets);
            orders.Add(string.Join(' ', tokens));
        }
        Assert.NotEqual(orders[0], orders[1]);
        // A run that goes on in mid-epoch sees the same.
        using var again = new PackedWindows(store, 8, 2, 3, boundary: boundary).Batch(1, 2);
        Assert.Equal(orders[1].Split(' ')[32..48], Values(again.tokens).Select(token => $"{token}"));
    }

    [Theory]
    [InlineData(41, 2)]
    [InlineData(44, 2)]
    [InlineData(5, 2)]
    public void Packed_windows_measure_every_token_but_the_first_once(int length, int batchSize)
    {
        var source = new PackedWindows(List(length), 8, batchSize, shuffle: false);
        var asked = new List<long>();
        for (int step = 0; step < source.StepsPerEpoch; step++)
        {
            using var batch = source.Batch(0, step);
            Assert.Equal(Values(batch.tokens).Select(token => token + 1), Values(batch.targets));
            asked.AddRange(Values(batch.targets));
        }
        Assert.Equal(Enumerable.Range(1, length - 1).Select(token => (long)token), asked);
    }

    [Fact]
    public void Shards_and_memory_give_the_same_batches()
    {
        var file = folder.Write("x.txt", string.Concat(Enumerable.Repeat(TrainerTests.Sample, 20)));
        var options = new CorpusOptions { Format = new CorpusFormat.PlainText("\t"), ShardTokens = 300 };
        using var shards = Shards(options, file);
        var list = new CorpusTokenizer(tokenizer, options).Load([file]);
        using var one = new PackedWindows(shards, 16, 4, 1).Batch(2, 3);
        using var two = new PackedWindows(list, 16, 4, 1).Batch(2, 3);
        Assert.Equal(Values(one.tokens), Values(two.tokens));
    }

    [Fact]
    public void Too_little_text_is_an_error() =>
        Assert.Contains("the text has 8 tokens, but a window with its targets takes 9", Assert.Throws<UserError>(() => new PackedWindows(List(8), 8, 1)).Message);

    [Fact]
    public void Rows_hold_a_document_each_and_ask_for_nothing_behind_it()
    {
        var store = List([.. Enumerable.Range(2, 40)]);
        var source = new DocumentRows(store, context: 10, batch_size: 4, seed: 1);
        Assert.Equal(10, source.StepsPerEpoch);
        var firsts = new List<long>();
        for (int step = 0; step < 10; step++)
        {
            using var batch = source.Batch(3, step);
            var (tokens, targets) = (Values(batch.tokens), Values(batch.targets));
            int width = (int)batch.tokens.shape[1];
            for (int row = 0; row < 4; row++)
            {
                long first = tokens[row * width], document = ((ITokenStore)store).DocumentAt(first);
                Assert.Equal(store.StartOf(document), first);
                int length = (int)Math.Min(store.StartOf(document + 1) - first, 11);
                Assert.Equal(Enumerable.Range(1, width).Select(i => i < length ? first + i : TokenBatch.Ignored), targets[(row * width)..((row + 1) * width)]);
                firsts.Add(first);
            }
        }
        Assert.Equal(40, firsts.Distinct().Count());
        using var same = new DocumentRows(store, 10, 4, 1).Batch(3, 9);
        Assert.Equal(firsts[36..], Enumerable.Range(0, 4).Select(row => Values(same.tokens)[row * same.tokens.shape[1]]));
    }

    [Fact]
    public void Of_dialogues_answers_alone_are_asked_for()
    {
        folder.Write("bpe/tokenizer_config.json", $$"""{"eos_token": "<|im_end|>", "chat_template": {{System.Text.Json.JsonSerializer.Serialize(ChatMarkup)}}}""");
        var chatty = Tokenizers.Load(folder.File("bpe"));
        var file = folder.Write("x.jsonl", """
            {"messages": [{"role": "user", "content": "the cat"}, {"role": "assistant", "content": "the hat"}, {"role": "user", "content": "and?"}, {"role": "assistant", "content": "the mat"}]}
            {"conversations": [{"from": "human", "value": "the cat"}, {"from": "gpt", "value": "sat"}]}
            {"messages": [{"role": "user", "content": "nothing follows"}]}
            """);
        new CorpusTokenizer(chatty, new() { Format = new CorpusFormat.Chat() }).WriteShards([file], folder.File("shards"));
        using var shards = TokenShards.Open(folder.File("shards"));
        Assert.True(shards.HasAnswers);
        Assert.Equal("<|im_start|>user\nthe cat<|im_end|>\n<|im_start|>assistant\nsat<|im_end|>\n", Documents(shards)[1]);
        var rows = new DocumentRows(shards, 64, 2, shuffle: false);
        Assert.Equal((1, 1L), (rows.StepsPerEpoch, rows.LeftOut));
        using var batch = rows.Batch(0, 0);
        int width = (int)batch.tokens.shape[1];
        var asked = Values(batch.targets).Chunk(width).Select(row => tokenizer.Decode([.. row.Where(target => target != TokenBatch.Ignored).Select(token => (int)token)], skipSpecial: false));
        Assert.Equal(["the hat<|im_end|>\nthe mat<|im_end|>\n", "sat<|im_end|>\n"], asked);
        using var packed = new PackedWindows(shards, 16, 1, shuffle: false).Batch(0, 0);
        Assert.Equal(batch.targets[0, ..16].data<long>().ToArray(), Values(packed.targets));
    }

    [Fact]
    public void A_template_that_marks_answers_is_believed()
    {
        var template = ChatTemplate.Parse("{% for m in messages %}{{ m.role }}: {% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}");
        var (ids, answers) = template.Encode(tokenizer, [new("user", "the cat"), new("assistant", "sat"), new("user", "x")]);
        Assert.Equal("sat", tokenizer.Decode([.. ids.Zip(answers).Where(each => each.Second).Select(each => each.First)]).Trim());
    }

    [Fact]
    public void A_template_that_rewrites_answers_is_refused()
    {
        var template = ChatTemplate.Parse("{% for m in messages %}{{ m.role }}: {{ m.content if loop.last else m.content|upper }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}");
        var error = Assert.Throws<UserError>(() => template.Encode(tokenizer, [new("assistant", "sat"), new("user", "x")], "'x.jsonl' line 7"));
        Assert.StartsWith("'x.jsonl' line 7: the template writes message 1 otherwise once others follow", error.Message);
    }

    [Fact]
    public void Induction_asks_for_what_followed_the_mark()
    {
        var source = new InductionHeads(vocab_size: 20, context: 12, batch_size: 50, steps_per_epoch: 2, seed: 1);
        using var batch = source.Batch(0, 1);
        var (tokens, targets) = (Values(batch.tokens).Chunk(12).ToArray(), Values(batch.targets).Chunk(12).ToArray());
        for (int row = 0; row < 50; row++)
        {
            int mark = Array.IndexOf(tokens[row], 19);
            Assert.Equal(11, Array.IndexOf(tokens[row], 19, mark + 1));
            Assert.Equal(tokens[row][mark + 1], targets[row][11]);
            Assert.All(targets[row][..11], target => Assert.Equal(TokenBatch.Ignored, target));
        }
        Assert.True(tokens.Select(row => Array.IndexOf(row, 19)).Distinct().Count() > 5);
    }

    [Fact]
    public void Copying_asks_for_the_same_again()
    {
        var source = new Copying(vocab_size: 20, lengths: [3, 6], batch_size: 5, steps_per_epoch: 4, seed: 1);
        using var batch = source.Batch(0, 1);
        foreach (var (tokens, targets) in Values(batch.tokens).Chunk(12).Zip(Values(batch.targets).Chunk(12)))
        {
            Assert.Equal([.. tokens[..6], 19, .. tokens[..5]], tokens);
            Assert.Equal([.. Enumerable.Repeat(TokenBatch.Ignored, 6), .. tokens[..6]], targets);
        }
        using var shorter = source.Batch(0, 0);
        Assert.Equal([5, 6], shorter.tokens.shape);
    }
}
