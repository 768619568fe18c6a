// Microsoft.ML.Tokenizers 2.0 as far as we call it: signatures only, for compiling without the package.
namespace Microsoft.ML.Tokenizers;

public abstract class PreTokenizer;

public abstract class Normalizer;

public abstract class Tokenizer
{
    public IReadOnlyList<int> EncodeToIds(string text, bool considerPreTokenization = true, bool considerNormalization = true) => throw new NotSupportedException();
}

public sealed class TiktokenTokenizer : Tokenizer
{
    public static TiktokenTokenizer Create(
        Stream vocabStream, PreTokenizer? preTokenizer, Normalizer? normalizer, IReadOnlyDictionary<string, int>? specialTokens = null, int cacheSize = 8192) =>
        throw new NotSupportedException();
}
