namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>Exit codes of every crashtest command.</summary>
internal static class CrashtestExit
{
    public const int Clean = 0;
    public const int Violation = 1;
    public const int Usage = 2;
    public const int System = 3;
    public const int Internal = 4;
    public const int Interrupted = 8;

    public const string Text = """
        Exit codes:
           0  no violation
           1  violations were found
           2  usage: the command line is wrong
           3  the operating system refused (no such file, permission, I/O error)
           4  internal error
           8  interrupted, and no violation until then
        """;

    /// <summary>The code of a command that ended with a failure of its own.</summary>
    public static int From(Cause cause) => cause switch
    {
        Cause.None => Clean,
        Cause.Usage => Usage,
        Cause.Interrupted => Interrupted,
        Cause.Internal => Internal,
        _ => System,
    };
}
