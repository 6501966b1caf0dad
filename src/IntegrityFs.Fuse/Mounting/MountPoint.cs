using System.Globalization;
using System.Text;
using Tmds.Linux;

namespace IntegrityFs.Fuse.Mounting;

/// <summary>Finds mounts in /proc/self/mountinfo, which never asks the mounted file system itself.</summary>
internal static unsafe class MountPoint
{
    /// <summary>The directory's path without links.</summary>
    /// <exception cref="FuseMountException">It is no directory that can be mounted on.</exception>
    public static string Resolve(string target)
    {
        int descriptor;
        fixed (byte* path = CString.From(target))
        {
            descriptor = LibC.open(path, LibC.O_PATH | LibC.O_DIRECTORY | LibC.O_CLOEXEC);
        }

        if (descriptor < 0)
        {
            throw new FuseMountException($"cannot mount on {target}", LibC.errno);
        }

        string link = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{descriptor}");
        string? resolved = new FileInfo(link).LinkTarget;
        _ = LibC.close(descriptor);
        return resolved ?? Path.GetFullPath(target);
    }

    /// <summary>N of <c>/dev/fd/N</c>, or −1.</summary>
    public static int InheritedDescriptor(string target)
    {
        const string Prefix = "/dev/fd/";
        return target.StartsWith(Prefix, StringComparison.Ordinal)
            && int.TryParse(target.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int descriptor)
            ? descriptor
            : -1;
    }

    /// <summary>Device number of the uppermost mount at a path, or null.</summary>
    public static DeviceNumber? FindDevice(string target) => FindDevice(target, File.ReadLines("/proc/self/mountinfo"));

    /// <summary>As above, from given lines.</summary>
    internal static DeviceNumber? FindDevice(string target, IEnumerable<string> lines)
    {
        DeviceNumber? found = null;
        foreach (string line in lines)
        {
            string[] fields = line.Split(' ');
            if (fields.Length > 5 && Unescape(fields[4]) == target && DeviceNumber.TryParse(fields[2], out DeviceNumber device))
            {
                found = device;
            }
        }

        return found;
    }

    // Blank, tab, newline and backslash are written as three octal digits, each standing for one byte of UTF-8.
    private static string Unescape(string field)
    {
        if (!field.Contains('\\', StringComparison.Ordinal))
        {
            return field;
        }

        var text = new StringBuilder();
        for (int i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 3 < field.Length && IsOctal(field.AsSpan(i + 1, 3)))
            {
                text.Append((char)(((field[i + 1] - '0') << 6) | ((field[i + 2] - '0') << 3) | (field[i + 3] - '0')));
                i += 3;
            }
            else
            {
                text.Append(field[i]);
            }
        }

        return text.ToString();
    }

    private static bool IsOctal(ReadOnlySpan<char> digits) => !digits.ContainsAnyExceptInRange('0', '7');
}

/// <summary>Major and minor number of a mounted file system's device.</summary>
internal readonly record struct DeviceNumber(uint Major, uint Minor)
{
    /// <summary>The kernel's own packing, by which it names FUSE connections.</summary>
    public uint Packed => (Major << 20) | Minor;

    public static bool TryParse(string text, out DeviceNumber device)
    {
        device = default;
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0 || !uint.TryParse(text.AsSpan(0, colon), NumberStyles.None, CultureInfo.InvariantCulture, out uint major)
            || !uint.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out uint minor))
        {
            return false;
        }

        device = new DeviceNumber(major, minor);
        return true;
    }
}
