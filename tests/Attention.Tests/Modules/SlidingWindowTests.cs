using Attention.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Attention.Tests.Modules;

public class SlidingWindowTests
{
    // Which inputs an output depends on, as a matrix of outputs and inputs.
    private static bool[,] Reach(nn.Module<Tensor, Tensor> module, long tokens)
    {
        var reach = new bool[tokens, tokens];
        for (long i = 0; i < tokens; i++)
        {
            using var scope = NewDisposeScope();
            var x = randn(1, tokens, 8).requires_grad_(true);
            module.call(x)[0, i].sum().backward();
            var touched = x.grad![0].abs().sum(-1).gt(0).data<bool>().ToArray();
            for (long j = 0; j < tokens; j++)
                reach[i, j] = touched[j];
        }
        return reach;
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(3, 0)]
    [InlineData(2, 1)]
    [InlineData(50, 1)]
    public void A_token_sees_its_window_and_the_class_token(int window, int prefix)
    {
        manual_seed(0);
        using var attention = new SlidingWindowAttention(8, new SlidingWindowConfig { num_heads = 2, window = window }, prefix);
        var reach = Reach(attention, 7);
        for (int i = 0; i < 7; i++)
            for (int j = 0; j < 7; j++)
                Assert.Equal(Math.Abs(i - j) < window || i < prefix || j < prefix, reach[i, j]);
    }

    [Fact]
    public void A_window_over_everything_is_plain_attention()
    {
        manual_seed(0);
        using var wide = new SlidingWindowAttention(8, new SlidingWindowConfig { num_heads = 2, window = 7 });
        using var plain = new SelfAttention(8, new SelfAttentionConfig { num_heads = 2 });
        plain.load_state_dict(wide.state_dict());
        var x = randn(2, 7, 8);
        Assert.True(plain.call(x).allclose(wide.call(x)));
    }

    [Fact]
    public void No_window_is_named() =>
        Assert.Equal("window 0 is below 1", Assert.Throws<UserError>(() => new SlidingWindowConfig { window = 0 }.Create(new AttentionSite(8, 2, 2, 2))).Message);
}
