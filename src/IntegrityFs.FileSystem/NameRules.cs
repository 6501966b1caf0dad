// Promise: no name reaches the catalog that is empty, too long, "." or "..", or holds '/' or NUL. The answers for "." and
// ".." are those that Linux gives for a path that ends in them.
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>What a name may be.</summary>
internal static class NameRules
{
    public const int MaxLength = 255;

    public static bool IsDot(ReadOnlySpan<byte> name) => name.SequenceEqual("."u8);

    public static bool IsDotDot(ReadOnlySpan<byte> name) => name.SequenceEqual(".."u8);

    /// <summary>A name that is looked up; "." and ".." pass.</summary>
    public static Errno Check(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty)
        {
            return Errno.ENOENT;
        }

        if (name.Length > MaxLength)
        {
            return Errno.ENAMETOOLONG;
        }

        return name.IndexOfAny((byte)'/', (byte)0) >= 0 ? Errno.EINVAL : Errno.OK;
    }

    /// <summary>A name to be used as an entry; <paramref name="dot"/> and <paramref name="dotDot"/> are the answers for
    /// "." and "..".</summary>
    public static Errno CheckEntry(ReadOnlySpan<byte> name, Errno dot, Errno dotDot)
    {
        Errno error = Check(name);
        if (error != Errno.OK)
        {
            return error;
        }

        return IsDot(name) ? dot : IsDotDot(name) ? dotDot : Errno.OK;
    }
}
