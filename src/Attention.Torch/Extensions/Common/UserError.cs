namespace Attention;

/// <summary>A mistake of the user's: one exact line that says what is wrong, and one line that says what to do.</summary>
/// <param name="message">What is wrong, with the file, key, shape or index concerned.</param>
/// <param name="advice">What to do about it.</param>
/// <param name="inner">What was thrown below, if anything.</param>
public class UserError(string message, string advice, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What to do about it, in one line.</summary>
    public string Advice { get; } = advice;
}
