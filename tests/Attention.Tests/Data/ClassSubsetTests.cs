using Attention.Data;

namespace Attention.Tests.Data;

public sealed class ClassSubsetTests
{
    [Fact]
    public void Some_classes_are_kept_and_numbered_in_the_order_given()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "a/1.jpg", "b/2.jpg", "c/3.jpg", "c/4.jpg" })
            folder.Write(name, "no image, but listed");
        var all = new ImageFolder(folder.Path);
        var some = new ClassSubset(all, ["c", "a"]);
        Assert.Equal(["c", "a"], some.ClassNames);
        Assert.Equal([(1, "1.jpg"), (0, "3.jpg"), (0, "4.jpg")], Enumerable.Range(0, some.Count).Select(i => (some.LabelOf(i), Path.GetFileName(some.NameOf(i)))));
        Assert.Equal("the data has no class 'd'", Assert.Throws<UserError>(() => new ClassSubset(all, ["d"])).Message);
    }
}
