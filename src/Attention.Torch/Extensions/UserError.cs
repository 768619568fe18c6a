namespace Attention;

/// <summary>A mistake of the user's: one exact line saying what is wrong, and one line of advice. Exit code 2.</summary>
public class UserError(string message, string advice, Exception? inner = null) : Exception(message, inner)
{
    public string Advice { get; } = advice;
}
