using System.Text;

namespace IntegrityFs.Fuse.Mounting;

/// <summary>Strings as system calls want them.</summary>
internal static class CString
{
    /// <summary>UTF-8 with a terminating zero.</summary>
    /// <exception cref="FuseMountException">The text holds a zero itself.</exception>
    public static byte[] From(string text)
    {
        if (text.Contains('\0', StringComparison.Ordinal))
        {
            throw new FuseMountException("a path or option holds a zero character", 22);
        }

        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text) + 1];
        Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }
}
