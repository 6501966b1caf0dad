using System.Globalization;
using System.Text;

namespace IntegrityFs.Cli;

/// <summary>One line of /proc/self/mountinfo.</summary>
internal sealed record MountEntry(string DeviceNumber, string MountPoint, string FileSystemType, string Source, string Options)
{
    /// <summary>True for a mount of ours.</summary>
    public bool IsOurs => FileSystemType is "fuse.integrityfs" or "fuseblk.integrityfs";

    /// <summary>The user that a FUSE mount belongs to; 0 where it does not say.</summary>
    public uint Owner
    {
        get
        {
            foreach (string option in Options.Split(','))
            {
                if (option.StartsWith("user_id=", StringComparison.Ordinal)
                    && uint.TryParse(option.AsSpan(8), NumberStyles.None, CultureInfo.InvariantCulture, out uint owner))
                {
                    return owner;
                }
            }

            return 0;
        }
    }
}

/// <summary>What is mounted where, as the kernel has it. Reading it never touches a mount, so it works beside a dead or
/// busy daemon.</summary>
internal static class MountTable
{
    public const string DefaultPath = "/proc/self/mountinfo";

    /// <summary>The topmost mount on exactly this directory; null where there is none.</summary>
    public static MountEntry? Find(string mountPoint, string path = DefaultPath)
    {
        MountEntry? found = null;
        foreach (MountEntry entry in Read(path))
        {
            if (entry.MountPoint == mountPoint)
            {
                found = entry;
            }
        }

        return found;
    }

    public static IEnumerable<MountEntry> Read(string path = DefaultPath)
    {
        foreach (string line in File.ReadLines(path))
        {
            if (Parse(line) is { } entry)
            {
                yield return entry;
            }
        }
    }

    /// <summary>A line: id, parent, device number, root, mount point, options, optional fields, "-", type, source, super
    /// options. Null where it is none.</summary>
    internal static MountEntry? Parse(string line)
    {
        string[] fields = line.Split(' ');
        int separator = Array.IndexOf(fields, "-", Math.Min(6, fields.Length));
        return separator < 0 || separator + 3 >= fields.Length
            ? null
            : new MountEntry(fields[2], Unescape(fields[4]), fields[separator + 1], Unescape(fields[separator + 2]), fields[separator + 3]);
    }

    /// <summary>Turns \040 and its like back.</summary>
    private static string Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
        {
            return text;
        }

        byte[] bytes = Encoding.UTF8.GetBytes(text);
        int to = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] == '\\' && i + 3 < bytes.Length && IsOctal(bytes[i + 1]) && IsOctal(bytes[i + 2]) && IsOctal(bytes[i + 3]))
            {
                bytes[to++] = (byte)(((bytes[i + 1] - '0') << 6) | ((bytes[i + 2] - '0') << 3) | (bytes[i + 3] - '0'));
                i += 3;
            }
            else
            {
                bytes[to++] = bytes[i];
            }
        }

        return Encoding.UTF8.GetString(bytes, 0, to);
    }

    private static bool IsOctal(byte c) => c is >= (byte)'0' and <= (byte)'7';
}
