using CsCheck;
using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>Random trees and many threads: the structure stays consistent (the fake catalog checks it after every
/// operation), and nothing leaks.</summary>
public sealed class RandomTests
{
    private static readonly string[] Names = ["a", "b", "c", "d"];

    [Fact]
    public void Any_sequence_of_operations_leaves_a_consistent_tree()
    {
        Gen.Select(Gen.Int[0, 11], Gen.Int[0, 1_000_000], Gen.Int[0, 1_000_000]).Array[1, 120].Sample(
            steps =>
            {
                Harness h = new();
                Walker walker = new(h);
                foreach ((int action, int first, int second) in steps)
                {
                    walker.Do(action, first, second);
                }

                walker.End();
            },
            iter: 300);
    }

    [Fact]
    public void Many_threads_leave_a_consistent_tree_and_hold_nothing()
    {
        Harness h = new();
        Thread[] threads = new Thread[4];
        Exception? failure = null;
        for (int i = 0; i < threads.Length; i++)
        {
            int seed = i;
            threads[i] = new Thread(() =>
            {
                try
                {
                    Random random = new(seed);
                    Walker walker = new(h);
                    for (int step = 0; step < 800; step++)
                    {
                        walker.Do(random.Next(12), random.Next(1_000_000), random.Next(1_000_000));
                    }

                    walker.CloseAll();
                }
                catch (Exception error)
                {
                    failure = error;
                }
            });
            threads[i].Start();
        }

        Array.ForEach(threads, t => t.Join());
        Assert.Null(failure);
        Assert.Null(h.Catalog.FindProblem());
        h.Fs.Destroy();
        Assert.Empty(h.Catalog.Orphans);
        Assert.Equal(0, h.Fs.Faults.Unexpected);
    }

    private sealed class Walker(Harness h)
    {
        private readonly List<InodeNumber> _directories = [InodeNumber.Root];
        private readonly List<InodeNumber> _files = [];
        private readonly List<(ulong Handle, InodeNumber Inode)> _open = [];

        public void Do(int action, int first, int second)
        {
            InodeNumber parent = _directories[first % _directories.Count];
            InodeNumber other = _directories[second % _directories.Count];
            string name = Names[first / 7 % Names.Length];
            string newName = Names[second / 7 % Names.Length];
            IFileSystem fs = h.Fs;
            switch (action)
            {
                case 0 or 1:
                    Keep(fs.MakeDirectory(h.T.Caller, parent, Driver.Bytes(name), 0x1ED, null, out Attributes d), d, _directories);
                    break;
                case 2:
                    Keep(fs.MakeNode(h.T.Caller, parent, Driver.Bytes(name), 0x81A4, 0, null, out Attributes f), f, _files);
                    break;
                case 3:
                    h.T.TryUnlink(parent, name);
                    break;
                case 4:
                    h.T.TryRmdir(parent, name);
                    break;
                case 5 or 6 or 7:
                    RenameMode[] modes = [RenameMode.None, RenameMode.None, RenameMode.NoReplace, RenameMode.Exchange, RenameMode.Whiteout];
                    h.T.TryRename(parent, name, other, newName, modes[second % modes.Length]);
                    break;
                case 8 when _files.Count > 0:
                    h.T.TryLink(_files[first % _files.Count], other, newName);
                    break;
                case 9 when _files.Count > 0:
                    InodeNumber file = _files[first % _files.Count];
                    if (fs.Open(h.T.Caller, file, OpenMode.Write, out ulong handle) == Errno.OK)
                    {
                        _open.Add((handle, file));
                        Assert.Contains(fs.Write(handle, file, second % 10_000, "data"u8, false, out _), new[] { Errno.OK, Errno.ENOENT });
                    }

                    break;
                case 10:
                    if (fs.CreateTemporary(h.T.Caller, parent, 0x180, OpenMode.Write, null, out Attributes t, out handle) == Errno.OK)
                    {
                        _open.Add((handle, t.Inode));
                        _files.Add(t.Inode);
                    }

                    break;
                case 11 when _open.Count > 0:
                    (handle, file) = _open[^1];
                    _open.RemoveAt(_open.Count - 1);
                    h.T.Close(handle, file);
                    break;
            }
        }

        public void CloseAll()
        {
            _open.ForEach(o => h.T.Close(o.Handle, o.Inode));
            _open.Clear();
        }

        /// <summary>The kernel forgets everything: no orphan may be left, and nothing in memory.</summary>
        public void End()
        {
            CloseAll();
            foreach (ulong inode in h.Catalog.Nodes.Keys.ToArray())
            {
                h.T.Forget(new InodeNumber(inode));
            }

            Assert.Empty(h.Catalog.Orphans);
            Assert.Equal(0, h.Fs.HeldInodes);
            Assert.Null(h.Catalog.FindProblem());
            Assert.Equal(default, h.Fs.Faults);
        }

        private static void Keep(Errno error, in Attributes made, List<InodeNumber> list)
        {
            if (error == Errno.OK)
            {
                list.Add(made.Inode);
            }
        }
    }
}
