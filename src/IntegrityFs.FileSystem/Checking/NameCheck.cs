// Promise: names and inodes fit: every name leads to an inode of its type, every inode has a name or is an orphan, a directory
// has one and lies below the root, link counts and parents are right. Memory: InodeTable. One pass: inodes are given first,
// in order, then all names.
using System.Text;
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>Collects inodes and names, then judges them.</summary>
internal sealed class NameCheck(NameRepairs repairs) : ICatalogVisitor, INameVisitor
{
    private readonly InodeTable _inodes = new();
    private readonly List<ulong> _orphans = [];
    private CheckPass _pass = null!;
    private bool _orphansMayBe;

    public long Files { get; private set; }

    public long Directories { get; private set; }

    public int Orphans => _orphans.Count;

    /// <summary>A new pass begins.</summary>
    public void Begin(CheckPass pass, bool orphansMayBe)
    {
        _pass = pass;
        _orphansMayBe = orphansMayBe;
        _inodes.Clear();
        _orphans.Clear();
        Files = 0;
        Directories = 0;
    }

    public void Orphan(InodeNumber inode) => _orphans.Add(inode.Value);

    public void Inode(InodeNumber inode, in InodeRecord record)
    {
        ref InodeFacts facts = ref _inodes.Add();
        facts.Number = inode.Value;
        facts.Parent = record.Parent.Value;
        facts.Mode = record.Mode;
        facts.Links = record.Links;
        if (facts.IsDirectory)
        {
            Directories++;
        }
        else
        {
            Files++;
        }
    }

    public void Name(InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry)
    {
        int index = _inodes.Find(entry.Inode.Value);
        if (index < 0)
        {
            Add(ProblemCode.NameWithoutInode, directory, name, $"leads to inode {entry.Inode}, which does not exist", repairs.Drop(directory, name.ToArray()));
            return;
        }

        ref InodeFacts facts = ref _inodes[index];
        byte type = (byte)((facts.Mode & ModeBits.TypeMask) >> 12);
        if (facts.IsDirectory && (entry.Inode == InodeNumber.Root || facts.Holder != 0))
        {
            SecondName(ref facts, directory, name, entry);
            return;
        }

        if (entry.Type != type)
        {
            Add(ProblemCode.NameTypeWrong, directory, name, $"says type {entry.Type}, but inode {entry.Inode} has type {type}", repairs.SetType(directory, name.ToArray(), entry with { Type = type }));
        }

        facts.Names++;
        facts.Holder = facts.Holder == 0 ? directory.Value : facts.Holder;
        if (facts.IsDirectory)
        {
            CountSubdirectory(directory.Value, 1);
        }
    }

    /// <summary>All names have been given.</summary>
    public void Finish()
    {
        MarkOrphans();
        int root = _inodes.Find(InodeNumber.Root.Value);
        if (root < 0 || !_inodes[root].IsDirectory)
        {
            _pass.Add(RepairStage.Names, new Problem(ProblemCode.RootMissing, root < 0 ? "there is no root directory" : "the root inode is no directory", Inode: 1), repairs.MakeRoot(root >= 0));
        }

        for (int i = 0; i < _inodes.Count; i++)
        {
            Judge(i);
        }
    }

    /// <summary>Of two names of a directory the one stays that is where the directory says, else the first.</summary>
    private void SecondName(ref InodeFacts facts, InodeNumber directory, ReadOnlySpan<byte> name, Dentry entry)
    {
        if (entry.Inode != InodeNumber.Root && directory.Value == facts.Parent && facts.Holder != facts.Parent)
        {
            var first = new InodeNumber(facts.Holder);
            _pass.Add(
                RepairStage.Names,
                new Problem(ProblemCode.DirectoryNamedTwice, $"directory {entry.Inode} has a second name in directory {first}", Inode: entry.Inode.Value),
                repairs.Remove(entry.Inode, first));
            CountSubdirectory(facts.Holder, -1);
            CountSubdirectory(directory.Value, 1);
            facts.Holder = directory.Value;
            return;
        }

        Add(ProblemCode.DirectoryNamedTwice, directory, name, $"is a second name of directory {entry.Inode}", repairs.Drop(directory, name.ToArray()));
    }

    private void CountSubdirectory(ulong directory, int change)
    {
        if (_inodes.Find(directory) is int holder and >= 0)
        {
            _inodes[holder].Subdirectories += change;
        }
    }

    private void MarkOrphans()
    {
        foreach (ulong orphan in _orphans)
        {
            var inode = new InodeNumber(orphan);
            int index = _inodes.Find(orphan);
            if (index < 0)
            {
                _pass.Add(RepairStage.Names, new Problem(ProblemCode.OrphanWithoutInode, $"inode {orphan} is said to be an orphan, but does not exist", Inode: orphan), repairs.DropOrphan(inode));
                continue;
            }

            ref InodeFacts facts = ref _inodes[index];
            facts.Orphan = true;
            if (facts.Names > 0 || orphan == InodeNumber.Root.Value)
            {
                facts.Orphan = false;
                _pass.Add(RepairStage.Names, new Problem(ProblemCode.OrphanNamed, $"inode {orphan} is said to be an orphan, but has a name", Inode: orphan), repairs.DropOrphan(inode));
            }
            else if (facts.Links != 0)
            {
                _pass.Add(RepairStage.Names, new Problem(ProblemCode.OrphanLinks, $"orphan {orphan} counts {facts.Links} links", Inode: orphan), repairs.Change(inode, static (ref InodeRecord record) => record.Links = 0));
            }
            else if (!_orphansMayBe)
            {
                _pass.Add(RepairStage.Names, new Problem(ProblemCode.OrphanLeft, $"orphan {orphan} is left", Inode: orphan));
            }
        }
    }

    private void Judge(int index)
    {
        ref InodeFacts facts = ref _inodes[index];
        var inode = new InodeNumber(facts.Number);
        if (facts.Orphan)
        {
            return;
        }

        bool isRoot = inode == InodeNumber.Root;
        if (facts.Names == 0 && !isRoot)
        {
            _pass.Add(RepairStage.Names, new Problem(ProblemCode.Unreachable, $"inode {inode} has no name and is no orphan", Inode: inode.Value), repairs.Reconnect(inode, InodeNumber.None));
            return;
        }

        if (facts.IsDirectory)
        {
            JudgeDirectory(ref facts, inode, isRoot);
        }

        long links = facts.IsDirectory ? 2 + facts.Subdirectories : facts.Names;
        if (facts.Links != links && !(isRoot && !facts.IsDirectory))
        {
            uint right = (uint)Math.Min(links, uint.MaxValue);
            _pass.Add(
                RepairStage.Names,
                new Problem(ProblemCode.LinkCountWrong, $"inode {inode} counts {facts.Links} links, but has {links}", Inode: inode.Value),
                repairs.Change(inode, (ref InodeRecord record) => record.Links = right));
        }
    }

    private void JudgeDirectory(ref InodeFacts facts, InodeNumber inode, bool isRoot)
    {
        ulong holder = isRoot ? inode.Value : facts.Holder;
        if (facts.Parent != holder)
        {
            _pass.Add(
                RepairStage.Names,
                new Problem(ProblemCode.ParentWrong, $"directory {inode} names {facts.Parent} as its parent, but lies in {holder}", Inode: inode.Value),
                repairs.Change(inode, (ref InodeRecord record) => record.Parent = new InodeNumber(holder)));
        }

        ulong meeting = FindCycle(inode.Value);
        if (meeting != 0)
        {
            var below = new InodeNumber(meeting);
            var from = new InodeNumber(_inodes[_inodes.Find(meeting)].Holder);
            _pass.Add(
                RepairStage.Names,
                new Problem(ProblemCode.DirectoryCycle, $"directory {below} lies below itself", Inode: meeting),
                repairs.Reconnect(below, from));
        }
    }

    /// <summary>Goes up from a directory; the directory in which the way meets itself, or 0. Each is gone through once: the
    /// marks say which have been.</summary>
    private ulong FindCycle(ulong start)
    {
        ulong meeting = 0;
        ulong at = start;
        while (_inodes.Find(at) is int index and >= 0 && at != InodeNumber.Root.Value)
        {
            ref InodeFacts facts = ref _inodes[index];
            if (facts.Reached != 0)
            {
                meeting = facts.Reached == 1 ? at : 0;
                break;
            }

            facts.Reached = 1;
            at = facts.Holder;
        }

        at = start;
        while (_inodes.Find(at) is int index and >= 0 && _inodes[index].Reached == 1)
        {
            _inodes[index].Reached = 2;
            at = _inodes[index].Holder;
        }

        return meeting;
    }

    private void Add(ProblemCode code, InodeNumber directory, ReadOnlySpan<byte> name, string what, Func<bool> repair) => _pass.Add(
        RepairStage.Names,
        new Problem(code, $"directory {directory}: the name '{Encoding.UTF8.GetString(name)}' {what}", Inode: directory.Value),
        repair);
}
