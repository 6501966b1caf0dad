using System.ComponentModel;

namespace IntegrityFs.Fuse;

/// <summary>The mount was refused. The message says by whom and why, in one line.</summary>
public sealed class FuseMountException : IOException
{
    /// <summary>A step failed with an error number (0: none).</summary>
    public FuseMountException(string step, int error)
        : base(error == 0 ? step : $"{step}: {new Win32Exception(error).Message}")
    {
        Error = error;
    }

    /// <summary>The error number of the system call, 0 where no call failed.</summary>
    public int Error { get; }
}
