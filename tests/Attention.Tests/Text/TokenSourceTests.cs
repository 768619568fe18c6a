using Attention.Data.Text;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Text;

public class TokenSourceTests
{
    private static long[] Values(Tensor tensor) => [.. tensor.data<long>()];

    [Fact]
    public void Random_windows_depend_on_epoch_and_step_alone()
    {
        var text = Enumerable.Range(0, 500).ToArray();
        var source = new RandomWindows(text, context: 8, batch_size: 3, steps_per_epoch: 5, seed: 1);
        using var batch = source.Batch(2, 4);
        using var again = new RandomWindows(text, 8, 3, 5, 1).Batch(2, 4);
        using var other = source.Batch(2, 3);
        Assert.Equal(Values(batch.tokens), Values(again.tokens));
        Assert.NotEqual(Values(batch.tokens), Values(other.tokens));
        Assert.Equal(Values(batch.tokens).Select(token => token + 1), Values(batch.targets));
    }

    [Theory]
    [InlineData(41, 8, 2)]
    [InlineData(44, 8, 2)]
    [InlineData(5, 8, 2)]
    public void Sequential_windows_ask_for_every_token_but_the_first_once(int length, int context, int batch)
    {
        var source = new SequentialWindows(Enumerable.Range(0, length).ToArray(), context, batch);
        var asked = new List<long>();
        for (int step = 0; step < source.StepsPerEpoch; step++)
        {
            using var each = source.Batch(0, step);
            Assert.Equal(Values(each.tokens).Select(token => token + 1), Values(each.targets));
            asked.AddRange(Values(each.targets));
        }
        Assert.Equal(Enumerable.Range(1, length - 1).Select(token => (long)token), asked.Order());
    }

    [Fact]
    public void Recall_asks_for_the_value_of_every_key_once()
    {
        var source = new AssociativeRecall(vocab_size: 64, pairs: [4, 8], context: 40, batch_size: 16, steps_per_epoch: 3, seed: 7);
        for (int step = 0; step < 2; step++)
        {
            using var batch = source.Batch(0, step);
            var (tokens, targets) = (Values(batch.tokens), Values(batch.targets));
            int pairs = step == 0 ? 4 : 8;
            for (int row = 0; row < 16; row++)
            {
                var sequence = tokens[(row * 40)..((row + 1) * 40)];
                var values = Enumerable.Range(0, pairs).ToDictionary(i => sequence[2 * i], i => sequence[2 * i + 1]);
                Assert.Equal(pairs, values.Count);
                Assert.All(values, pair => Assert.True(pair.Key is > 0 and < 32 && pair.Value >= 32));
                var asked = Enumerable.Range(0, 40).Where(i => targets[row * 40 + i] != TokenBatch.Ignored).ToArray();
                Assert.Equal(pairs, asked.Length);
                Assert.Equal(values.Keys.Order(), asked.Select(i => sequence[i]).Order());
                Assert.All(asked, i => Assert.True(i >= 2 * pairs && targets[row * 40 + i] == values[sequence[i]]));
            }
        }
        using var one = source.Batch(0, 0);
        using var two = source.Batch(1, 0);
        Assert.NotEqual(Values(one.tokens), Values(two.tokens));
        var fixedSource = new AssociativeRecall(64, [4], 40, 4, 3, 7, fixed_epoch: true);
        using var first = fixedSource.Batch(0, 0);
        using var second = fixedSource.Batch(1, 0);
        Assert.Equal(Values(first.tokens), Values(second.tokens));
    }
}
