namespace Attention.Data.Text;

/// <summary>Merging by a package: this flavour has none.</summary>
internal sealed class PackageWords
{
    private PackageWords()
    {
    }

    /// <returns>Always null.</returns>
    public static PackageWords? Load(string path) => null;

    /// <returns>Always false.</returns>
    public bool TryEncode(ReadOnlySpan<byte> word, List<int> ids) => false;
}
