namespace IntegrityFs.Cli;

/// <summary>A command ends here, with one line that says why.</summary>
internal sealed class CommandFailure(Cause cause, string message, Exception? inner = null) : Exception(message, inner)
{
    public Cause Cause { get; } = cause;
}
