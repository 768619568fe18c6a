namespace Attention;

/// <summary>
/// A mistake of the user's, told in one line that says what is wrong and one that says what to do. The command line prints
/// both without a stack trace and ends with exit code 2.
/// </summary>
public class UserError(string message, string advice, Exception? inner = null) : Exception(message, inner)
{
    public string Advice { get; } = advice;
}
