using Attention.Engine.Checkpoints;

namespace Attention.Tests.Engine.Checkpoints;

/// <summary>Files that were cut or changed: an error of one line, or the tensors; never anything else.</summary>
public sealed class BrokenFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("types-zip.pth")]
    [InlineData("views-zip.pth")]
    [InlineData("types-legacy.pth")]
    [InlineData("views-legacy.pth")]
    public void A_file_cut_anywhere_is_an_error_of_one_line(string name)
    {
        var whole = File.ReadAllBytes(CheckpointFiles.Of(name));
        var path = folder.File(name);
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            var error = Assert.Throws<UserError>(() => CheckpointFiles.ReadAll(path));
            Assert.DoesNotContain('\n', error.Message);
        }
    }

    [Theory]
    [InlineData("types-zip.pth")]
    [InlineData("nested.pth")]
    [InlineData("views-legacy.pth")]
    public void A_changed_byte_anywhere_is_an_error_of_one_line_or_harmless(string name)
    {
        var whole = File.ReadAllBytes(CheckpointFiles.Of(name));
        var path = folder.File(name);
        int refused = 0;
        for (int i = 0; i < whole.Length; i++)
        {
            var changed = (byte[])whole.Clone();
            changed[i] ^= (byte)(1 << i % 8);
            File.WriteAllBytes(path, changed);
            try
            {
                CheckpointFiles.ReadAll(path);
            }
            catch (UserError)
            {
                refused++;
            }
        }
        Assert.True(refused > whole.Length / 8, $"only {refused} of {whole.Length} changes were noticed");
    }

    [Fact]
    public void Other_files_are_named_for_what_they_are()
    {
        File.WriteAllText(folder.File("x.pth"), "hello");
        Assert.Contains("no file of torch.save", Assert.Throws<UserError>(() => CheckpointReader.Open(folder.File("x.pth"))).Message);
        File.WriteAllBytes(folder.File("y.pth"), [0x80, 2, (byte)'K', 1, (byte)'.']);
        Assert.Contains("a pickle, but not one of torch.save", Assert.Throws<UserError>(() => CheckpointReader.Open(folder.File("y.pth"))).Message);
        Assert.Contains("there is no checkpoint", Assert.Throws<UserError>(() => CheckpointReader.Open(folder.File("none.pth"))).Message);
        Assert.Contains("holds no checkpoint", Assert.Throws<UserError>(() => CheckpointReader.Open(folder.Path)).Message);
    }
}
