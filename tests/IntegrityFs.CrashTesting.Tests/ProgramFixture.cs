using System.Text;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting.Tests;

/// <summary>A small program on the model file system whose requests are recorded.</summary>
internal sealed class ProgramFixture : IEventSink
{
    private static readonly Caller s_caller = new(0, 0, 1, 0);

    private readonly List<RecordingEvent> _events = [];
    private readonly IFileSystem _files;
    private int _requests;

    public ProgramFixture(ISyncFaults? faults = null)
    {
        var model = new ModelFileSystem(new ManualClock());
        Start = FileTree.Take(model);
        _files = new RequestRecorder(model, this, TimeProvider.System, faults);
    }

    /// <summary>The tree before the program.</summary>
    public FileTree Start { get; private set; }

    public int Requests => _requests;

    public void Append(RecordingEvent item) =>
        _events.Add(item.Request is { } request ? item with { Request = request with { Number = ++_requests } } : item);

    public ProgramRecording Recording() => new(new RecordingHeader { DeviceLength = 1 << 20 }, new PageImage(1 << 20), [.. _events]);

    /// <summary>What was done so far is durable and no part of the history.</summary>
    public void Settle()
    {
        Start = FileTree.Take(_files);
        _events.Clear();
        _requests = 0;
    }

    public void Print(string text) => Append(new RecordingEvent(RecordingEventKind.Output, Data: Encoding.UTF8.GetBytes(text)));

    public ulong Create(string name, string content, bool sync = false)
    {
        Check(_files.Create(s_caller, InodeNumber.Root, Bytes(name), 0x1A4, OpenMode.Write, null, out Attributes made, out ulong handle));
        if (content.Length > 0)
        {
            Check(_files.Write(handle, made.Inode, 0, Bytes(content), false, out _));
        }

        if (sync)
        {
            _ = _files.Sync(made.Inode, false);
        }

        Check(_files.Release(handle, made.Inode));
        return made.Inode.Value;
    }

    public void Write(string name, long offset, string content, bool truncate = false)
    {
        Check(_files.Lookup(InodeNumber.Root, Bytes(name), out Attributes found));
        Check(_files.Open(s_caller, found.Inode, OpenMode.Write | (truncate ? OpenMode.Truncate : 0), out ulong handle));
        Check(_files.Write(handle, found.Inode, offset, Bytes(content), false, out _));
        Check(_files.Release(handle, found.Inode));
    }

    public Errno Sync(string name)
    {
        Check(_files.Lookup(InodeNumber.Root, Bytes(name), out Attributes found));
        return _files.Sync(found.Inode, false);
    }

    public void SyncDirectory() => Check(_files.SyncDirectory(InodeNumber.Root, false));

    public void Rename(string from, string to) =>
        Check(_files.Rename(s_caller, InodeNumber.Root, Bytes(from), InodeNumber.Root, Bytes(to), RenameMode.None));

    /// <summary>Every state that a crash may leave, as "name=content name=content"; zero bytes are shown as dots.</summary>
    public HashSet<string> States(string personality, ExploreProfile profile = ExploreProfile.Exhaustive)
    {
        var cases = new RequestCases(Recording(), Start, personality, profile, 1, 1_000_000);
        return [.. cases.Cases(0, 1, CancellationToken.None).Select(state => Show(state.Tree!))];
    }

    public static string Show(FileTree tree)
    {
        var text = new StringBuilder();
        foreach ((string path, ulong _, FileNode node) in tree.Walk())
        {
            if (node.IsRegular)
            {
                string content = Encoding.Latin1.GetString(node.Page(0)[..(int)Math.Min(node.Size, 4096)]).Replace('\0', '.');
                text.Append(text.Length == 0 ? "" : " ").Append(path.AsSpan(1)).Append('=').Append(content);
            }
        }

        return text.ToString();
    }

    private static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    private static void Check(Errno error) => Assert.Equal(Errno.OK, error);
}
