using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>One program that works in a directory of its own, remembers all that it did, and how much of it was synced.</summary>
internal sealed class ConcurrencyWorker(PosixFileSystem fs, InodeNumber directory, int number, int seed)
{
    private const int Names = 5;
    private const int LargestFile = 400_000;
    private const int BlockSize = 4096;

    private readonly Driver _t = new(fs);
    private readonly Random _random = new((seed * 100) + number);
    private readonly Dictionary<string, byte[]> _files = [];
    private readonly List<Step> _steps = [];
    private int _synced;

    private enum Kind
    {
        Create,
        Write,
        Truncate,
        Unlink,
    }

    public string DirectoryName => $"worker{number}";

    /// <summary>Steps so far.</summary>
    public int Done => _steps.Count;

    /// <summary>Steps that a sync has acknowledged. To be read before a crash is taken.</summary>
    public int Synced => Volatile.Read(ref _synced);

    public void Run(int steps)
    {
        for (int i = 0; i < steps; i++)
        {
            string name = $"f{_random.Next(Names)}";
            if (!_files.ContainsKey(name))
            {
                Do(new Step(Kind.Create, name, 0, []));
                continue;
            }

            switch (_random.Next(20))
            {
                case < 11:
                    byte[] data = new byte[_random.Next(3) == 0 ? BlockSize * _random.Next(1, 12) : _random.Next(1, 40_000)];
                    _random.NextBytes(data);
                    int offset = _random.Next(LargestFile);
                    Do(new Step(Kind.Write, name, _random.Next(2) == 0 ? offset / BlockSize * BlockSize : offset, data));
                    break;
                case < 13:
                    Do(new Step(Kind.Truncate, name, _random.Next(LargestFile), []));
                    break;
                case < 14:
                    Do(new Step(Kind.Unlink, name, 0, []));
                    break;
                case < 16:
                    int done = _steps.Count;
                    Assert.Equal(Errno.OK, fs.SyncFileSystem());
                    Volatile.Write(ref _synced, done);
                    break;
                default:
                    Verify(name);
                    break;
            }
        }
    }

    /// <summary>The state of the directory is that after some number of steps, at least <paramref name="synced"/>; a write
    /// may have come as far as the end of a block.</summary>
    public void AssertIsPrefix(Driver after, int synced, string what)
    {
        Dictionary<string, byte[]> found = [];
        InodeNumber there = after.Lookup(InodeNumber.Root, DirectoryName).Inode;
        foreach (Listed entry in after.List(there, withAttributes: true))
        {
            if (entry.Type == 8)
            {
                found[entry.Name] = after.Content(entry.Inode);
            }
        }

        var state = new Dictionary<string, byte[]>();
        for (int i = 0; ; i++)
        {
            if (i >= synced && Same(state, found))
            {
                return;
            }

            if (i == _steps.Count)
            {
                break;
            }

            Step step = _steps[i];
            for (int end = (int)(BlockSize - (step.Offset % BlockSize)); i >= synced && step.Kind == Kind.Write && end < step.Data.Length; end += BlockSize)
            {
                var partly = new Dictionary<string, byte[]>(state);
                Apply(partly, step with { Data = step.Data[..end] });
                if (Same(partly, found))
                {
                    return;
                }
            }

            Apply(state, step);
        }

        Assert.Fail($"{what}: {DirectoryName} is in no state after {synced} or more of {_steps.Count} steps");
    }

    private void Verify(string name)
    {
        byte[] expected = _files[name];
        InodeNumber inode = _t.Lookup(directory, name).Inode;
        Assert.True(expected.AsSpan().SequenceEqual(_t.Content(inode)), $"{DirectoryName}/{name} reads wrong");
    }

    private void Do(Step step)
    {
        _steps.Add(step);
        Apply(_files, step);
        if (step.Kind == Kind.Create)
        {
            _t.Touch(directory, step.Name);
            return;
        }

        InodeNumber inode = _t.Lookup(directory, step.Name).Inode;
        switch (step.Kind)
        {
            case Kind.Write:
                ulong handle = _t.Open(inode);
                Assert.Equal(Errno.OK, fs.Write(handle, inode, step.Offset, step.Data, false, out int written));
                Assert.Equal(step.Data.Length, written);
                _t.Close(handle, inode);
                break;
            case Kind.Truncate:
                _t.Truncate(inode, step.Offset);
                break;
            case Kind.Unlink:
                _t.Unlink(directory, step.Name);
                _t.Forget(inode);
                break;
        }
    }

    private static bool Same(Dictionary<string, byte[]> a, Dictionary<string, byte[]> b) =>
        a.Count == b.Count && a.All(file => b.TryGetValue(file.Key, out byte[]? other) && file.Value.AsSpan().SequenceEqual(other));

    /// <summary>Never changes an array: states share what is equal.</summary>
    private static void Apply(Dictionary<string, byte[]> files, Step step)
    {
        switch (step.Kind)
        {
            case Kind.Create:
                files.Add(step.Name, []);
                break;
            case Kind.Write:
                byte[] old = files[step.Name];
                byte[] content = new byte[Math.Max(old.Length, step.Offset + step.Data.Length)];
                old.CopyTo(content, 0);
                step.Data.CopyTo(content, step.Offset);
                files[step.Name] = content;
                break;
            case Kind.Truncate:
                byte[] whole = files[step.Name];
                byte[] cut = new byte[step.Offset];
                whole.AsSpan(0, (int)Math.Min(whole.Length, step.Offset)).CopyTo(cut);
                files[step.Name] = cut;
                break;
            case Kind.Unlink:
                files.Remove(step.Name);
                break;
        }
    }

    private sealed record Step(Kind Kind, string Name, long Offset, byte[] Data);
}
