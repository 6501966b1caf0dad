// Promise: judges one crash image. What is checked, in this order: it mounts by itself (I1), every byte is readable,
// verification and the checker find nothing (I2, I3), the tree is one of the history's (P2). For a tree not yet seen in
// this workload also: a clean unmount and the next mount change nothing (I7), a read-only mount of the crash image shows
// the same tree and writes nothing, a repeated recovery of the crash image gives the same tree, creating works and
// reuses no inode number (I5), everything can be removed and all space comes back (I4, I8).
using System.Text;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>What examination of an image found.</summary>
/// <param name="Tree">The recovered tree; null where there was none.</param>
/// <param name="Rule">The broken invariant, or null.</param>
/// <param name="Message">What was seen.</param>
internal sealed record Examination(TreeSnapshot? Tree, string? Rule, string Message)
{
    /// <summary>What stopped the mount, where something did.</summary>
    public Exception? Error { get; init; }
}

/// <summary>Mounts crash images and checks the invariants that need no history.</summary>
internal sealed class StateExaminer(ICrashSubject subject)
{
    private static readonly Caller s_caller = new(1000, 1000, 1, 0);
    private readonly ManualClock _clock = new();

    /// <summary>Cases of the recovery's decision table met so far, as bits.</summary>
    public int DecisionCases { get; private set; }

    /// <summary>Cases met by the last recovery.</summary>
    public int LastCases { get; private set; }

    /// <summary>Mounts and checks; leaves the recovery's writes in <paramref name="work"/> and in
    /// <paramref name="trace"/> where given. The store is closed cleanly.</summary>
    public Examination Recover(PageImage work, Trace? trace, bool close) => Recover(new ImageDevice(work), trace, close);

    /// <summary>As above, on a device.</summary>
    public Examination Recover(IDevice device, Trace? trace, bool close)
    {
        string step = "mount";
        LastCases = 0;
        try
        {
            using IMountedSubject mounted = subject.Mount(trace is null ? device : new RecordingDevice(device, trace), _clock, false);
            LastCases = mounted.DecisionCases;
            DecisionCases |= LastCases;
            step = "walk";
            TreeSnapshot tree = TreeSnapshot.Take(mounted.Files);
            if (tree.Problems.Count > 0)
            {
                return new Examination(tree, "I2", "unreadable after recovery: " + string.Join("; ", tree.Problems) + " " + mounted.LastError);
            }

            step = "check";
            List<string> problems = [];
            mounted.Check(problems);
            if (problems.Count > 0)
            {
                return new Examination(tree, "I3", "the check found: " + string.Join("; ", problems.Take(8)));
            }

            if (close)
            {
                step = "close";
                mounted.Close();
            }

            return new Examination(tree, null, "");
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            LastCases |= DecisionCoverage.Of(error);
            DecisionCases |= LastCases;
            return new Examination(null, step == "mount" ? "I1" : "I3", $"{step}: {error.GetType().Name}: {Where(error)}") { Error = error };
        }
    }

    /// <summary>The checks that are made once for each distinct tree.</summary>
    /// <param name="crashed">The crash image, untouched by recovery.</param>
    /// <param name="recovered">The image after recovery and a clean unmount.</param>
    /// <param name="tree">What recovery gave.</param>
    /// <param name="usedInodes">Numbers that were given out before the crash for certain.</param>
    /// <param name="emptyFree">Free blocks of an empty volume.</param>
    public Examination Deep(PageImage crashed, PageImage recovered, TreeSnapshot tree, IReadOnlySet<ulong> usedInodes, long emptyFree)
    {
        try
        {
            return Idempotent(recovered, tree) ?? ReadOnly(crashed, tree) ?? Usable(recovered, tree, usedInodes, emptyFree)
                ?? new Examination(tree, null, "");
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return new Examination(tree, "I5", $"use after recovery: {error.GetType().Name}: {Where(error)}");
        }
    }

    private Examination? Idempotent(PageImage recovered, TreeSnapshot tree)
    {
        Examination again = Recover(new PageImage(recovered), null, close: false);
        return again.Rule is not null ? again with { Rule = "I7", Message = "second mount: " + again.Message }
            : again.Tree!.Hash == tree.Hash ? null
            : new Examination(tree, "I7", "the second mount shows another tree:\n" + tree.Difference(again.Tree, true));
    }

    private Examination? ReadOnly(PageImage crashed, TreeSnapshot tree)
    {
        var device = new ImageDevice(new PageImage(crashed), readOnly: true);
        using IMountedSubject mounted = subject.Mount(device, _clock, readOnly: true);
        TreeSnapshot seen = TreeSnapshot.Take(mounted.Files);
        mounted.Close();
        if (device.RefusedWrites > 0)
        {
            return new Examination(tree, "I7", $"a read-only mount tried to write {device.RefusedWrites} times");
        }

        return seen.Problems.Count > 0 ? new Examination(tree, "I7", $"read-only mount: {string.Join("; ", seen.Problems)} {mounted.LastError}")
            : seen.ModelHash == tree.ModelHash ? null
            : new Examination(tree, "I7", "a read-only mount shows another tree:\n" + tree.Difference(seen, false));
    }

    private Examination? Usable(PageImage recovered, TreeSnapshot tree, IReadOnlySet<ulong> usedInodes, long emptyFree)
    {
        using IMountedSubject mounted = subject.Mount(new ImageDevice(new PageImage(recovered)), _clock, false);
        IFileSystem files = mounted.Files;
        for (int i = 0; i < 6; i++)
        {
            byte[] name = Encoding.UTF8.GetBytes($"after-crash-{i}");
            Errno error = files.Create(s_caller, InodeNumber.Root, name, 0x1A4, OpenMode.Write | OpenMode.Exclusive, null, out Attributes made, out ulong handle);
            if (error == Errno.ENOSPC)
            {
                break;
            }

            if (error != Errno.OK)
            {
                return new Examination(tree, "I5", $"create after recovery: {error} {mounted.LastError}");
            }

            error = files.Write(handle, made.Inode, 0, ContentPattern.Create(5, 0, 5000), false, out _);
            files.Release(handle, made.Inode);
            if (usedInodes.Contains(made.Inode.Value))
            {
                return new Examination(tree, "I5", $"inode number {made.Inode} was given out twice");
            }

            if (error is not (Errno.OK or Errno.ENOSPC))
            {
                return new Examination(tree, "I5", $"write after recovery: {error} {mounted.LastError}");
            }
        }

        List<string> problems = [];
        Empty(files, InodeNumber.Root, "/", problems);
        Errno sync = files.SyncFileSystem();
        mounted.Checkpoint();
        if (problems.Count > 0 || sync != Errno.OK)
        {
            return new Examination(tree, "I4", $"removing everything (sync: {sync}): {string.Join("; ", problems)} {mounted.LastError}");
        }

        return mounted.FreeBlocks == emptyFree
            ? null
            : new Examination(tree, "I4", $"emptied, but {mounted.FreeBlocks} blocks are free, {emptyFree} on an empty volume");
    }

    private static void Empty(IFileSystem files, InodeNumber directory, string path, List<string> problems)
    {
        var names = new List<(byte[] Name, InodeNumber Inode, byte Type)>();
        files.ReadDirectory(directory, 0, false, new Collector(names));
        foreach ((byte[] name, InodeNumber inode, byte type) in names)
        {
            bool isDirectory = type == FileTypes.Directory >> 12;
            if (isDirectory)
            {
                Empty(files, inode, path + Encoding.Latin1.GetString(name) + "/", problems);
            }

            Errno error = isDirectory ? files.RemoveDirectory(directory, name) : files.Unlink(directory, name);
            if (error != Errno.OK)
            {
                problems.Add($"remove {path}{Encoding.Latin1.GetString(name)}: {error}");
            }

            if (files.GetAttributes(inode, out Attributes left) != Errno.OK || left.Links == 0)
            {
                files.Forget(inode, ulong.MaxValue);
            }
        }
    }

    private static string Where(Exception error)
    {
        string? frame = error.StackTrace?.Split('\n').FirstOrDefault()?.Trim();
        return error is IntegrityException or CorruptFormatException or DeviceException or VolumeFaultedException
            ? error.Message
            : $"{error.Message} {frame}";
    }

    private sealed class Collector(List<(byte[] Name, InodeNumber Inode, byte Type)> names) : IDirectorySink
    {
        public bool Add(ReadOnlySpan<byte> name, InodeNumber inode, byte type, ulong nextCookie, in Attributes attributes)
        {
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                names.Add((name.ToArray(), inode, type));
            }

            return true;
        }
    }
}
