// Promise: an operation is a value whose text form can be read back; the text is the whole reproducer.
using System.Globalization;

namespace IntegrityFs.CrashTesting;

/// <summary>What an operation does.</summary>
public enum Verb
{
#pragma warning disable CS1591
    Create, MakeDirectory, MakeNode, Symlink, Link, Unlink, RemoveDirectory, Rename,
    Write, WriteSync, Append, Truncate, Allocate, Copy,
    SetXattr, RemoveXattr, ChangeMode, ChangeOwner, SetTimes,
    Sync, DataSync, SyncAll,
    Open, CreateOpen, Temporary, HandleWrite, HandleTruncate, HandleAllocate, HandleSync, HandleLink, Close,
    Checkpoint, Remount,
#pragma warning restore CS1591
}

/// <summary>One operation of a workload. Which fields count depends on the verb.</summary>
public sealed record Operation
{
    // Fields, in order: p path, q other path, h handle (in Path), o offset, O other offset, l length, s seed,
    // m mode (octal), u user, g group, n name, k kind or option; after '?' optional.
    private static readonly (Verb Verb, string Word, string Fields)[] s_grammar =
    [
        (Verb.Create, "creat", "p?m"), (Verb.MakeDirectory, "mkdir", "p?m"), (Verb.MakeNode, "mknod", "pk?l"),
        (Verb.Symlink, "symlink", "qp"), (Verb.Link, "link", "pq"), (Verb.Unlink, "unlink", "p"),
        (Verb.RemoveDirectory, "rmdir", "p"), (Verb.Rename, "rename", "pq?k"),
        (Verb.Write, "write", "pols"), (Verb.WriteSync, "writesync", "pols"), (Verb.Append, "append", "pls"),
        (Verb.Truncate, "truncate", "pl"), (Verb.Allocate, "falloc", "pol?k"), (Verb.Copy, "copy", "poqOl"),
        (Verb.SetXattr, "setxattr", "pnls"), (Verb.RemoveXattr, "rmxattr", "pn"),
        (Verb.ChangeMode, "chmod", "pm"), (Verb.ChangeOwner, "chown", "pug"), (Verb.SetTimes, "utime", "poO"),
        (Verb.Sync, "fsync", "p"), (Verb.DataSync, "fdatasync", "p"), (Verb.SyncAll, "sync", ""),
        (Verb.Open, "open", "hq?k"), (Verb.CreateOpen, "creath", "hq"), (Verb.Temporary, "tmpfile", "hq"),
        (Verb.HandleWrite, "writeh", "hols"), (Verb.HandleTruncate, "truncateh", "hl"),
        (Verb.HandleAllocate, "falloch", "hol?k"), (Verb.HandleSync, "fsynch", "h"),
        (Verb.HandleLink, "linkh", "hq"), (Verb.Close, "close", "h"),
        (Verb.Checkpoint, "checkpoint", ""), (Verb.Remount, "remount", ""),
    ];

    /// <summary>What it does.</summary>
    public required Verb Verb { get; init; }

    /// <summary>The path, from the root, without a leading slash ("" is the root, written "."), or the handle's name.</summary>
    public string Path { get; init; } = "";

    /// <summary>The second path, or the target of a symlink.</summary>
    public string Other { get; init; } = "";

    /// <summary>Byte offset, or seconds of the access time.</summary>
    public long Offset { get; init; }

    /// <summary>Byte offset in the second file, or seconds of the modification time.</summary>
    public long OtherOffset { get; init; }

    /// <summary>Bytes, or the new size, or a device number.</summary>
    public long Length { get; init; }

    /// <summary>Seed of the content.</summary>
    public ulong Seed { get; init; }

    /// <summary>Permission bits, or a user id.</summary>
    public uint Mode { get; init; }

    /// <summary>A group id.</summary>
    public uint Group { get; init; }

    /// <summary>Name of an extended attribute.</summary>
    public string Name { get; init; } = "";

    /// <summary>Kind of node, mode of rename or fallocate.</summary>
    public string Kind { get; init; } = "";

    /// <summary>True where success promises that all before it is durable.</summary>
    public bool Synchronises => Verb is Verb.Sync or Verb.DataSync or Verb.SyncAll or Verb.WriteSync or Verb.HandleSync
        or Verb.Checkpoint or Verb.Remount;

    /// <summary>True where the operation may reach the store as several transactions, split at blocks.</summary>
    public bool MaySplit => Verb is Verb.Write or Verb.WriteSync or Verb.Append or Verb.HandleWrite or Verb.Allocate
        or Verb.HandleAllocate or Verb.Copy;

    /// <summary>Reads one operation.</summary>
    /// <exception cref="FormatException">It is not one.</exception>
    public static Operation Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        foreach ((Verb verb, string word, string fields) in s_grammar)
        {
            if (words.Length > 0 && words[0] == word)
            {
                return ParseFields(verb, fields, words, text);
            }
        }

        throw new FormatException($"'{text}' is no operation");
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        (_, string word, string fields) = Array.Find(s_grammar, entry => entry.Verb == Verb);
        var words = new List<string> { word };
        bool optional = false;
        foreach (char field in fields)
        {
            if (field == '?')
            {
                optional = true;
                continue;
            }

            string value = Field(field);
            if (!optional || value is not ("" or "0"))
            {
                words.Add(value);
            }
        }

        return string.Join(' ', words);
    }

    private static Operation ParseFields(Verb verb, string fields, string[] words, string text)
    {
        var operation = new Operation { Verb = verb };
        int next = 1;
        bool optional = false;
        foreach (char field in fields)
        {
            if (field == '?')
            {
                optional = true;
            }
            else if (next < words.Length)
            {
                operation = operation.With(field, words[next++]);
            }
            else if (!optional)
            {
                throw new FormatException($"'{text}' lacks an argument");
            }
        }

        return next == words.Length ? operation : throw new FormatException($"'{text}' has too many arguments");
    }

    private Operation With(char field, string word) => field switch
    {
        'p' => this with { Path = word == "." ? "" : word.Trim('/') },
        'h' => this with { Path = word },
        'q' when Verb == Verb.Symlink => this with { Other = word },
        'q' => this with { Other = word == "." ? "" : word.Trim('/') },
        'o' => this with { Offset = Number(word) },
        'O' => this with { OtherOffset = Number(word) },
        'l' => this with { Length = Number(word) },
        's' => this with { Seed = ulong.Parse(word, CultureInfo.InvariantCulture) },
        'm' => this with { Mode = Convert.ToUInt32(word, 8) },
        'u' => this with { Mode = uint.Parse(word, CultureInfo.InvariantCulture) },
        'g' => this with { Group = uint.Parse(word, CultureInfo.InvariantCulture) },
        'n' => this with { Name = word },
        _ => this with { Kind = word },
    };

    private string Field(char field) => field switch
    {
        'p' => Path.Length == 0 ? "." : Path,
        'h' => Path,
        'q' => Other.Length == 0 ? "." : Other,
        'o' => Offset.ToString(CultureInfo.InvariantCulture),
        'O' => OtherOffset.ToString(CultureInfo.InvariantCulture),
        'l' => Length.ToString(CultureInfo.InvariantCulture),
        's' => Seed.ToString(CultureInfo.InvariantCulture),
        'm' => Convert.ToString(Mode, 8),
        'u' => Mode.ToString(CultureInfo.InvariantCulture),
        'g' => Group.ToString(CultureInfo.InvariantCulture),
        'n' => Name,
        _ => Kind,
    };

    private static long Number(string word) => word.EndsWith('K')
        ? 1024 * long.Parse(word.AsSpan(0, word.Length - 1), CultureInfo.InvariantCulture)
        : long.Parse(word, CultureInfo.InvariantCulture);
}
