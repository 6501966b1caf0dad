// Promise: turns what strace saw a program do below one directory into a workload: the calls that change files or sync,
// in their order, with the sizes and places of the program's own writes and content of ours. Calls that failed and calls
// elsewhere are left out. The directory must have been empty when the program began.
// Record with: strace -f -y -s 0 -o LOG -e trace=file,desc PROGRAM
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace IntegrityFs.CrashTesting;

/// <summary>Reads the output of strace.</summary>
public sealed partial class StraceReader
{
    private readonly string _root;
    private readonly List<string> _operations = [];
    private readonly Dictionary<(string Process, string Handle, string Path), long> _offsets = [];
    private readonly Dictionary<string, long> _opened = [];
    private readonly Dictionary<string, string> _current = [];
    private readonly Dictionary<string, long> _sizes = [];
    private readonly Dictionary<string, string> _unfinished = [];
    private string _pid = "";
    private ulong _seed;

    private StraceReader(string root) => _root = root.TrimEnd('/');

    /// <summary>Converts a log.</summary>
    /// <param name="id">Id of the workload.</param>
    /// <param name="lines">The log.</param>
    /// <param name="root">The directory, as an absolute path.</param>
    public static Workload Read(string id, IEnumerable<string> lines, string root)
    {
        ArgumentNullException.ThrowIfNull(lines);
        ArgumentNullException.ThrowIfNull(root);
        var reader = new StraceReader(root);
        foreach (string line in lines)
        {
            reader.Line(line);
        }

        return Workload.Parse(id, string.Join('\n', reader._operations));
    }

    [GeneratedRegex(@"^(?<pid>\d+)?\s*(?<call>\w+)\((?<arguments>.*)\)\s+=\s+(?<result>-?\d+)(?<path><.*>)?")]
    private static partial Regex CallPattern { get; }

    [GeneratedRegex(@"^(?<pid>\d+)?\s*<\.\.\. \w+ resumed>,? ?(?<rest>.*)$")]
    private static partial Regex ResumedPattern { get; }

    // An argument: a quoted string, a descriptor with its path, or a word.
    [GeneratedRegex("""
        "(?<text>(?:[^"\\]|\\.)*)"(?:\.\.\.)?|(?<fd>AT_FDCWD|\d+)<(?<where>[^>]*)>|\[[^\]]*\]|\{[^}]*\}|[^,\s][^,]*
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex ArgumentPattern { get; }

    private void Line(string line)
    {
        string pid = new([.. line.TakeWhile(char.IsAsciiDigit)]);
        int cut = line.IndexOf(" <unfinished ...>", StringComparison.Ordinal);
        if (cut >= 0)
        {
            _unfinished[pid] = line[..cut];
            return;
        }

        Match resumed = ResumedPattern.Match(line);
        if (resumed.Success && _unfinished.Remove(pid, out string? begun))
        {
            line = begun + resumed.Groups["rest"].Value;
        }

        Match match = CallPattern.Match(line);
        if (match.Success && long.TryParse(match.Groups["result"].Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long result) && result >= 0)
        {
            Call(pid, match.Groups["call"].Value, Arguments(match.Groups["arguments"].Value), result);
        }
    }

    private static List<Argument> Arguments(string text)
    {
        var arguments = new List<Argument>();
        foreach (Match match in ArgumentPattern.Matches(text))
        {
            arguments.Add(match.Groups["text"].Success ? new Argument("", "", Unquote(match.Groups["text"].Value), true)
                : match.Groups["fd"].Success ? new Argument(match.Groups["fd"].Value, match.Groups["where"].Value, "", false)
                : new Argument("", "", match.Value.Trim(), false));
        }

        return arguments;
    }

    private void Call(string pid, string call, List<Argument> a, long result)
    {
        _pid = pid;
        if (a.Find(x => x.Descriptor == "AT_FDCWD") is { Where.Length: > 0 } here)
        {
            _current[pid] = here.Where;
        }

        switch (call)
        {
            case "fchdir" when a is [{ Where.Length: > 0 }, ..]:
                _current[pid] = a[0].Where;
                break;
            case "chdir" when a is [{ Quoted: true }, ..]:
                _current[pid] = Absolute(a[0].Text, _current.GetValueOrDefault(pid, "/"));
                break;
            case "open" or "openat" or "creat":
                Opened(pid, call, a, result);
                break;
            case "write" or "writev" or "pwrite64" or "pwritev" or "read" or "lseek" when a.Count > 0:
                Moved(pid, call, a, result);
                break;
            case "ftruncate" when Inside(a[0].Where) is { } path:
                Resize(path, Number(a[1]));
                break;
            case "truncate" when PathOf(a, 0) is { } path:
                Resize(path, Number(a[^1]));
                break;
            case "fallocate" when Inside(a[0].Where) is { } path && Mode(a[1].Text) is { } mode:
                _operations.Add($"falloc {path} {a[2].Text} {a[3].Text} {mode}".TrimEnd());
                break;
            case "copy_file_range" when Inside(a[0].Where) is { } from && Inside(a[2].Where) is { } to:
                _operations.Add(string.Create(CultureInfo.InvariantCulture, $"copy {from} {Offset(pid, a[0])} {to} {Offset(pid, a[2])} {result}"));
                Advance(pid, a[0], result);
                Advance(pid, a[2], result);
                break;
            case "fsync" or "fdatasync" when Inside(a[0].Where) is { } path:
                _operations.Add($"{call} {path}");
                break;
            case "syncfs" when Inside(a[0].Where) is not null:
            case "sync":
                _operations.Add("sync");
                break;
            default:
                Named(call, a);
                break;
        }
    }

    private void Opened(string pid, string call, List<Argument> a, long result)
    {
        string flags = call == "creat" ? "O_CREAT|O_TRUNC" : string.Join('|', a.Where(x => !x.Quoted).Select(x => x.Text));
        if (PathOf(a, call == "openat" ? 1 : 0) is not { } path || flags.Contains("O_DIRECTORY", StringComparison.Ordinal))
        {
            return;
        }

        if (flags.Contains("O_CREAT", StringComparison.Ordinal) && _sizes.TryAdd(path, 0))
        {
            _operations.Add($"creat {path}");
        }
        else if (flags.Contains("O_TRUNC", StringComparison.Ordinal) && _sizes.GetValueOrDefault(path) > 0)
        {
            Resize(path, 0);
        }

        _opened[path] = flags.Contains("O_APPEND", StringComparison.Ordinal) ? -1 : 0;
        _offsets[(pid, result.ToString(CultureInfo.InvariantCulture), path)] = _opened[path];
    }

    private void Moved(string pid, string call, List<Argument> a, long result)
    {
        if (Inside(a[0].Where) is not { } path)
        {
            return;
        }

        if (call == "lseek")
        {
            _offsets[(pid, a[0].Descriptor, path)] = result;
            return;
        }

        bool placed = call.StartsWith('p');
        long offset = placed ? Number(a[^1]) : Offset(pid, a[0]);
        if (!placed && offset >= 0)
        {
            Advance(pid, a[0], result);
        }

        if (call == "read" || result == 0 || !_sizes.ContainsKey(path))
        {
            return;
        }

        _operations.Add(offset < 0
            ? string.Create(CultureInfo.InvariantCulture, $"append {path} {result} {++_seed}")
            : string.Create(CultureInfo.InvariantCulture, $"write {path} {offset} {result} {++_seed}"));
        _sizes[path] = offset < 0 ? _sizes[path] + result : Math.Max(_sizes[path], offset + result);
    }

    private void Named(string call, List<Argument> a)
    {
        List<string?> paths = Paths(a);
        string? first = paths.Count > 0 ? paths[0] : null;
        string? second = paths.Count > 1 ? paths[1] : null;
        switch (call)
        {
            case "rename" or "renameat" or "renameat2" when first is not null && second is not null:
                string flags = a[^1].Text;
                string mode = flags.Contains("EXCHANGE", StringComparison.Ordinal) ? " exchange" : flags.Contains("NOREPLACE", StringComparison.Ordinal) ? " noreplace" : "";
                _operations.Add($"rename {first} {second}{mode}");
                MoveSizes(first, second);
                break;
            case "link" or "linkat" when first is not null && second is not null:
                _operations.Add($"link {first} {second}");
                _sizes[second] = _sizes.GetValueOrDefault(first);
                break;
            case "symlink" or "symlinkat" when PathOf(a, a.Count - 1) is { } path:
                _operations.Add($"symlink {Encode(a[0].Text)} {path}");
                break;
            case "unlink" or "unlinkat" or "rmdir" when first is not null:
                bool directory = call == "rmdir" || a[^1].Text.Contains("REMOVEDIR", StringComparison.Ordinal);
                _operations.Add((directory ? "rmdir " : "unlink ") + first);
                _sizes.Remove(first);
                break;
            case "mkdir" or "mkdirat" when first is not null:
                _operations.Add("mkdir " + first);
                break;
            case "chmod" or "fchmodat" when first is not null && a[^1].Text is ['0', ..]:
                _operations.Add($"chmod {first} {Permissions(a[^1].Text)}");
                break;
            case "fchmod" when Inside(a[0].Where) is { } path && a[^1].Text is ['0', ..]:
                _operations.Add($"chmod {path} {Permissions(a[^1].Text)}");
                break;
            default:
                break;
        }
    }

    private void Resize(string path, long size)
    {
        _operations.Add(string.Create(CultureInfo.InvariantCulture, $"truncate {path} {size}"));
        _sizes[path] = size;
    }

    private void MoveSizes(string from, string to)
    {
        foreach (string path in _sizes.Keys.Where(path => path == from || path.StartsWith(from + "/", StringComparison.Ordinal)).ToArray())
        {
            _sizes.Remove(path, out long size);
            _sizes[to + path[from.Length..]] = size;
        }
    }

    /// <summary>Where the descriptor stands; one that was not opened under this number (dup) stands as the file was opened.</summary>
    private long Offset(string pid, in Argument descriptor)
    {
        string path = Inside(descriptor.Where) ?? "";
        return _offsets.TryGetValue((pid, descriptor.Descriptor, path), out long offset) ? offset : _opened.GetValueOrDefault(path);
    }

    private void Advance(string pid, in Argument descriptor, long count) =>
        _offsets[(pid, descriptor.Descriptor, Inside(descriptor.Where) ?? "")] = Offset(pid, descriptor) + count;

    /// <summary>The paths that a call names, each relative to the descriptor before it where there is one.</summary>
    private List<string?> Paths(List<Argument> a)
    {
        var paths = new List<string?>();
        for (int i = 0; i < a.Count; i++)
        {
            if (a[i].Quoted)
            {
                paths.Add(PathOf(a, i));
            }
        }

        return paths;
    }

    private string? PathOf(List<Argument> a, int index)
    {
        if (index >= a.Count || !a[index].Quoted)
        {
            return null;
        }

        string text = a[index].Text;
        string start = index > 0 && a[index - 1].Where.Length > 0 ? a[index - 1].Where : _current.GetValueOrDefault(_pid, "/");
        return Inside(Absolute(text, start));
    }

    private static string Absolute(string path, string start) => path.StartsWith('/') ? path : start + "/" + path;

    /// <summary>The path below the root, "." for the root itself; null for one elsewhere or without a name.</summary>
    private string? Inside(string path)
    {
        if (path.Length == 0 || !path.StartsWith('/') || path.EndsWith("(deleted)", StringComparison.Ordinal))
        {
            return null;
        }

        var parts = new List<string>();
        foreach (string part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (part == "..")
            {
                parts.RemoveRange(Math.Max(0, parts.Count - 1), Math.Min(1, parts.Count));
            }
            else if (part != ".")
            {
                parts.Add(part);
            }
        }

        path = "/" + string.Join('/', parts);
        return path == _root ? "." : path.StartsWith(_root + "/", StringComparison.Ordinal) ? Encode(path[(_root.Length + 1)..]) : null;
    }

    private static string? Mode(string text) => text switch
    {
        "0" => "",
        "FALLOC_FL_KEEP_SIZE" => "keep",
        _ when text.Contains("PUNCH_HOLE", StringComparison.Ordinal) => "punch",
        _ when text.Contains("ZERO_RANGE", StringComparison.Ordinal) => text.Contains("KEEP_SIZE", StringComparison.Ordinal) ? "zerokeep" : "zero",
        _ => null,
    };

    /// <summary>The last four octal digits: programs pass the type of the file along.</summary>
    private static string Permissions(string octal) => Convert.ToString(Convert.ToInt32(octal, 8) & 0xFFF, 8);

    private static long Number(in Argument argument) => long.Parse(argument.Text, CultureInfo.InvariantCulture);

    /// <summary>Names as the text form of operations can hold them.</summary>
    private static string Encode(string path)
    {
        var text = new StringBuilder();
        foreach (byte b in Encoding.UTF8.GetBytes(path))
        {
            bool plain = char.IsAsciiLetterOrDigit((char)b) || "/._-+=@,".Contains((char)b, StringComparison.Ordinal);
            text.Append(plain ? ((char)b).ToString() : string.Create(CultureInfo.InvariantCulture, $"%{b:x2}"));
        }

        return text.ToString();
    }

    private static string Unquote(string text) => text.Replace("\\\"", "\"", StringComparison.Ordinal).Replace("\\\\", "\\", StringComparison.Ordinal);

    private readonly record struct Argument(string Descriptor, string Where, string Text, bool Quoted);
}
