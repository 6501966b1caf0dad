// Promise: a long run of many kinds of operations by several actors, decided by the seed alone. Operations that fail (a
// name is missing, or is there already) belong to it: the model must fail the same way.
using System.Globalization;

namespace IntegrityFs.CrashTesting;

/// <summary>Random workloads.</summary>
public static class RandomWorkloads
{
    private static readonly string[] s_names = ["a", "b", "c", "d", "e", "long-name-that-fills-more-of-a-node-than-the-others-do-0123456789"];
    private static readonly string[] s_xattrs = ["user.k", "user.other", "user.third-and-longer-name"];

    /// <summary>A run of <paramref name="length"/> operations by <paramref name="actors"/> actors.</summary>
    public static Workload Create(ulong seed, int length, int actors = 3)
    {
        var random = new SeededRandom(seed);
        var setup = new List<Operation>();
        for (int actor = 0; actor < actors; actor++)
        {
            setup.Add(Operation.Parse($"mkdir D{actor}"));
            setup.Add(Operation.Parse($"mkdir D{actor}/sub"));
        }

        var handles = new HashSet<string>();
        var operations = new List<Operation>();
        while (operations.Count < length)
        {
            operations.Add(Operation.Parse(Next(random, (int)random.Below((ulong)actors), actors, handles)));
        }

        return new Workload(string.Create(CultureInfo.InvariantCulture, $"random-{seed}-{length}-{actors}"), setup, operations);
    }

    private static string Next(SeededRandom random, int actor, int actors, HashSet<string> handles)
    {
        string path = Path(random, actor);
        string other = Path(random, random.Below(4) == 0 ? (int)random.Below((ulong)actors) : actor);
        ulong size = random.Below(8) switch { 0 => 60_000, < 4 => 12_000, _ => 900 };
        ulong offset = random.Below(size + 1);
        ulong length = 1 + random.Below(size);
        ulong seed = random.Below(1_000_000);
        string kind = random.Pick(["", "keep", "punch", "zero", "zerokeep"]);
        string rename = random.Pick(["", "", "", "noreplace", "exchange", "whiteout"]);
        string xattr = random.Pick(s_xattrs);
        return random.Below(40) switch
        {
            < 5 => $"creat {path}",
            < 7 => $"mkdir {path}",
            7 => random.Below(2) == 0 ? $"symlink ../{other} {path}" : $"mknod {path} {random.Pick(["fifo", "char 259", "block 2049", "socket"])}",
            < 13 => $"write {path} {offset} {length} {seed}",
            13 => $"writesync {path} {offset} {length} {seed}",
            < 16 => $"append {path} {length} {seed}",
            16 => $"truncate {path} {offset}",
            < 19 => $"falloc {path} {offset} {length} {kind}",
            19 => $"copy {path} {offset / 2} {other} {offset} {length}",
            < 22 => $"link {path} {other}",
            < 25 => $"unlink {path}",
            25 => $"rmdir {path}",
            < 29 => $"rename {path} {other} {rename}",
            29 => $"setxattr {path} {xattr} {1 + random.Below(random.Below(3) == 0 ? 3000u : 60u)} {seed}",
            30 => random.Below(2) == 0 ? $"rmxattr {path} {xattr}" : $"chmod {path} 6{random.Below(8)}0",
            31 => random.Below(2) == 0 ? $"chown {path} {random.Below(9)} 5" : $"utime {path} {seed} {offset}",
            < 34 => $"fsync {path}",
            34 => $"fdatasync {path}",
            35 => random.Below(6) == 0 ? "checkpoint" : "sync",
            _ => Handle(random, path, handles, $"{offset} {length} {seed}"),
        };
    }

    private static string Handle(SeededRandom random, string path, HashSet<string> handles, string range)
    {
        string name = "h" + random.Below(5).ToString(CultureInfo.InvariantCulture);
        if (handles.Add(name))
        {
            return random.Below(4) switch { 0 => $"tmpfile {name} .", 1 => $"open {name} {path}", _ => $"creath {name} {path}" };
        }

        string[] words = range.Split(' ');
        switch (random.Below(7))
        {
            case 3:
                return $"truncateh {name} {words[0]}";
            case 4:
                return $"falloch {name} {words[0]} {words[1]} {random.Pick(["", "keep", "punch", "zero"])}";
            case 0:
                handles.Remove(name);
                return $"close {name}";
            case 1:
                return $"linkh {name} {path}";
            case 2:
                return $"fsynch {name}";
            default:
                return $"writeh {name} {range}";
        }
    }

    private static string Path(SeededRandom random, int actor)
    {
        string directory = random.Below(6) == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"D{actor}/");
        string name = random.Pick(s_names);
        return random.Below(5) == 0 ? $"{directory}sub/{name}" : random.Below(12) == 0 ? directory + "sub" : directory + name;
    }
}
