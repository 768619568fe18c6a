using Attention.Modules;
using Xunit;

namespace Attention.Tests.Models;

/// <summary>What docs/models/README.md says of the attentions.</summary>
public class ZooPageTests
{
    [Fact]
    public void The_page_lists_every_attention_with_what_it_works_on()
    {
        var rows = File.ReadAllLines(Repository.File("docs/models/README.md"))
            .Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .Select(cells => (cells[1].Trim('`'), cells[2])).Order();
        static string Works(AttentionConfig config) =>
            (config.Layout == AttentionLayout.Sequence ? "tokens" : "maps") + (config is ICausalAttentionConfig ? ", decoders" : "");
        Assert.Equal(AttentionModules.Names.Select(name => (name, Works(AttentionModules.Defaults(name)))).Order(), rows);
    }
}
