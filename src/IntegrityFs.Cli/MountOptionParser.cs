using System.Globalization;
using IntegrityFs.FileSystem;
using IntegrityFs.Integrity;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli;

/// <summary>Reads the text behind -o: commas separate, a backslash or double quotes protect them, the last of
/// contradicting options wins. Options that mount(8) and systemd keep for themselves are passed over.</summary>
internal static class MountOptionParser
{
    /// <summary>Between launcher and daemon: the passphrase comes on standard input.</summary>
    public const string PassphraseOnInput = "passphrase-on-standard-input";

    /// <summary>Applies <paramref name="text"/> to <paramref name="options"/>. Where it is <paramref name="sloppy"/>
    /// (mount -s), unknown options are passed over instead of refused.</summary>
    public static void Apply(MountOptions options, string text, bool sloppy)
    {
        foreach (string option in Split(text))
        {
            int equals = option.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? option : option[..equals];
            string? value = equals < 0 ? null : option[(equals + 1)..];
            bool known = IsForOthers(name)
                || (value is null ? ApplyFlag(options, name) || ApplyWord(options, name) : ApplyValue(options, name, value));
            if (!known && !sloppy)
            {
                throw IsSecret(name)
                    ? new CommandFailure(Cause.Usage, $"mount option '{name}': secrets do not belong in mount options; use keyfile= or passphrase-file=")
                    : new CommandFailure(Cause.Usage, $"unknown mount option '{option}'");
            }
        }
    }

    /// <summary>A policy as the option spells it.</summary>
    public static string NameOf(ErrorPolicy policy) => policy switch
    {
        ErrorPolicy.RemountReadOnly => "remount-ro",
        ErrorPolicy.Panic => "panic",
        ErrorPolicy.Zero => "zero",
        _ => "eio",
    };

    /// <summary>The options one by one.</summary>
    internal static List<string> Split(string text)
    {
        List<string> parts = [];
        var part = new System.Text.StringBuilder();
        bool quoted = false;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == '\\' && i + 1 < text.Length && text[i + 1] is ',' or '\\' or '"')
            {
                part.Append(text[++i]);
            }
            else if (c == '"')
            {
                quoted = !quoted;
            }
            else if (c == ',' && !quoted)
            {
                Take(parts, part);
            }
            else
            {
                part.Append(c);
            }
        }

        Take(parts, part);
        return parts;
    }

    private static void Take(List<string> parts, System.Text.StringBuilder part)
    {
        if (part.Length > 0)
        {
            parts.Add(part.ToString());
            part.Clear();
        }
    }

    /// <summary>Words for mount(8), systemd and fstab, which reach a helper all the same.</summary>
    private static bool IsForOthers(string name) => name is "nofail" or "fail" or "_netdev" or "user" or "nouser"
        or "users" or "nousers" or "owner" or "noowner" or "group" or "nogroup" or "uhelper" or "helper" or "auto"
        or "noauto" or "defaults" or "comment" or "loop" or "loud" or "silent" or "mand" or "nomand" or "iversion"
        or "noiversion" or "nonempty" or "default_permissions" or "blksize" or "fd" or "rootmode" or "user_id" or "group_id"
        || name.StartsWith("x-", StringComparison.Ordinal) || name.StartsWith("X-", StringComparison.Ordinal);

    private static bool IsSecret(string name) => name is "password" or "passphrase" or "pass" or "key" or "secret";

    private static bool ApplyFlag(MountOptions options, string name)
    {
        (MountFlags set, MountFlags clear) = name switch
        {
            "ro" => (MountFlags.ReadOnly, MountFlags.None),
            "rw" => (MountFlags.None, MountFlags.ReadOnly),
            "nosuid" => (MountFlags.NoSetUserId, MountFlags.None),
            "suid" => (MountFlags.None, MountFlags.NoSetUserId),
            "nodev" => (MountFlags.NoDevices, MountFlags.None),
            "dev" => (MountFlags.None, MountFlags.NoDevices),
            "noexec" => (MountFlags.NoExecute, MountFlags.None),
            "exec" => (MountFlags.None, MountFlags.NoExecute),
            "sync" => (MountFlags.Synchronous, MountFlags.None),
            "async" => (MountFlags.None, MountFlags.Synchronous),
            "dirsync" => (MountFlags.DirectorySynchronous, MountFlags.None),
            "nosymfollow" => (MountFlags.NoSymlinkFollow, MountFlags.None),
            "symfollow" => (MountFlags.None, MountFlags.NoSymlinkFollow),
            "noatime" => (MountFlags.NoAtime, MountFlags.RelativeAtime | MountFlags.StrictAtime),
            "atime" => (MountFlags.None, MountFlags.NoAtime),
            "nodiratime" => (MountFlags.NoDirectoryAtime, MountFlags.None),
            "diratime" => (MountFlags.None, MountFlags.NoDirectoryAtime),
            "relatime" => (MountFlags.RelativeAtime, MountFlags.NoAtime | MountFlags.StrictAtime),
            "norelatime" => (MountFlags.None, MountFlags.RelativeAtime),
            "strictatime" => (MountFlags.StrictAtime, MountFlags.NoAtime | MountFlags.RelativeAtime),
            "nostrictatime" => (MountFlags.None, MountFlags.StrictAtime),
            "lazytime" => (MountFlags.LazyTime, MountFlags.None),
            "nolazytime" => (MountFlags.None, MountFlags.LazyTime),
            "remount" => (MountFlags.Remount, MountFlags.None),
            _ => default,
        };
        options.Flags = (options.Flags & ~clear) | set;
        return (set | clear) != MountFlags.None;
    }

    private static bool ApplyWord(MountOptions options, string name)
    {
        switch (name)
        {
            case "allow_other":
                options.AllowOther = true;
                return true;
            case "noallow_other":
                options.AllowOther = false;
                return true;
            case "writeback":
                options.WriteBack = true;
                return true;
            case "nowriteback":
                options.WriteBack = false;
                return true;
            case "foreground":
                options.Foreground = true;
                return true;
            case "debug":
                options.Debug = true;
                return true;
            case "passphrase":
                options.Key = new KeySource.Prompt();
                return true;
            case PassphraseOnInput:
                options.Key = new KeySource.StandardInput();
                return true;
            default:
                return false;
        }
    }

    private static bool ApplyValue(MountOptions options, string name, string value)
    {
        switch (name)
        {
            case "keyfile" or "key-file":
                options.Key = new KeySource.KeyFile(NotEmpty(name, value));
                return true;
            case "passphrase-file":
                options.Key = new KeySource.PassphraseFile(NotEmpty(name, value));
                return true;
            case "fusetype":
                options.FuseType = Choose(name, value, ("auto", FuseType.Automatic), ("fuse", FuseType.Fuse), ("fuseblk", FuseType.FuseBlk));
                return true;
            case "errors":
                options.Errors = Choose(name, value, ("eio", ErrorPolicy.Eio), ("remount-ro", ErrorPolicy.RemountReadOnly), ("panic", ErrorPolicy.Panic), ("zero", ErrorPolicy.Zero));
                return true;
            case "data":
                options.Data = Choose(name, value, ("journal", DataMode.Journal), ("auto", DataMode.Auto));
                return true;
            case "verify":
                options.Verify = Choose(name, value, ("read", VerifyMode.Read), ("full", VerifyMode.Full));
                return true;
            case "hash":
                options.Hash = Choose(name, value, ("auto", HashEngine.Auto), ("openssl", HashEngine.OpenSsl));
                return true;
            case "busy-poll":
                options.BusyPoll = Choose(name, value, ("auto", true), ("off", false));
                return true;
            case "log":
                options.LogFile = NotEmpty(name, value);
                return true;
            case "fsname":
                options.SourceName = NotEmpty(name, value);
                return true;
            case "subtype":
                options.SubType = NotEmpty(name, value);
                return true;
            case "context" or "fscontext" or "defcontext" or "rootcontext":
                options.SecurityOptions.Add($"{name}={value}");
                return true;
            default:
                return ApplyNumber(options, name, value);
        }
    }

    private static bool ApplyNumber(MountOptions options, string name, string value)
    {
        switch (name)
        {
            case "commit":
                options.CommitSeconds = Number(name, value, 1, 3600);
                return true;
            case "cache":
                options.CacheBytes = SizeText.Parse(name, value);
                if (options.CacheBytes < 1 << 20)
                {
                    throw new CommandFailure(Cause.Usage, "mount option 'cache': at least 1M");
                }

                return true;
            case "threads":
                options.Threads = Number(name, value, 2, 16);
                return true;
            case "hash-threads":
                options.HashLanes = Number(name, value, 1, 64);
                return true;
            case "max_read":
                options.MaxRead = Number(name, value, 4096, int.MaxValue);
                return true;
            default:
                return false;
        }
    }

    private static string NotEmpty(string name, string value) => value.Length > 0
        ? value
        : throw new CommandFailure(Cause.Usage, $"mount option '{name}' needs a value");

    private static int Number(string name, string value, int least, int most) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most
            ? number
            : throw new CommandFailure(Cause.Usage, $"mount option '{name}': '{value}' is not a number from {least} to {most}");

    private static T Choose<T>(string name, string value, params ReadOnlySpan<(string Word, T Meaning)> choices)
    {
        foreach ((string word, T meaning) in choices)
        {
            if (word == value)
            {
                return meaning;
            }
        }

        var words = new List<string>();
        foreach ((string word, T _) in choices)
        {
            words.Add(word);
        }

        throw new CommandFailure(Cause.Usage, $"mount option '{name}': '{value}' is none of {string.Join(", ", words)}");
    }
}
