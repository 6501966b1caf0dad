// Turns one request into one reply. One instance a thread: the request lies in the thread's request buffer, the reply
// is built in its reply buffer, and nothing is allocated on the way. The families of operations are in the files
// RequestHandler.*.cs; each operation returns the length of its payload, a negative error number, or NoReply.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

/// <summary>Answers requests of the kernel by calls on an <see cref="IFileSystem"/>.</summary>
internal sealed partial class RequestHandler : IDisposable
{
    /// <summary>Where a request starts in its buffer: behind the two headers of a WRITE its data is page aligned.</summary>
    public const int RequestStart = PageBuffer.PageSize - 80;

    private const int NoReply = int.MinValue;
    private const int Malformed = -(int)Errno.EINVAL;
    private const int NotSupported = -(int)Errno.ENOSYS;
    private const int Gone = -(int)Errno.ENODEV;

    // XATTR_SIZE_MAX, and room for a reply even where transfers are limited to less.
    private const int SmallestPayload = 65536 + PageBuffer.PageSize;

    private static readonly int s_headerSize = Unsafe.SizeOf<RequestHeader>();

    private readonly SessionState _session;
    private readonly IFileSystem _fs;
    private readonly int _slot;
    private readonly IRequestChannel _channel;
    private readonly PageBuffer _request;
    private readonly ReplyBuffer _reply;
    private readonly DirectoryWriter _directory;
    private readonly CreateExtensions _extensions;
    private readonly long[] _counts = new long[(int)Opcode.CopyFileRange64 + 1];
    private bool _extensionsBad;
    private bool _yielded;
    private bool _queues;
    private ReadsUnderWay? _reads;

    /// <param name="session">What all threads share.</param>
    /// <param name="slot">The thread's number.</param>
    /// <param name="channel">Where requests come from: replies that are not ready at once go there.</param>
    public RequestHandler(SessionState session, int slot, IRequestChannel channel)
    {
        _channel = channel;
        _session = session;
        _fs = session.FileSystem;
        _slot = slot;
        int capacity = Math.Max(session.Options.MaxTransfer, SmallestPayload);
        _request = new PageBuffer(PageBuffer.PageSize + capacity + PageBuffer.PageSize);
        _reply = new ReplyBuffer(capacity);
        _directory = new DirectoryWriter(_reply);
        _extensions = new CreateExtensions(_request);
    }

    /// <summary>Where the next request is to be read to. Larger than what the kernel demands for its largest WRITE.</summary>
    public Span<byte> RequestBuffer => _request.Span[RequestStart..];

    /// <summary>Operation of the last request.</summary>
    public Opcode LastOperation { get; private set; }

    /// <summary>Whether the last request was a READ that <see cref="ReadsUnderWay"/> could take.</summary>
    public bool LastWasSmallRead { get; private set; }

    /// <summary>Reads that have begun and are not answered.</summary>
    public int UnansweredReads => _reads?.Count ?? 0;

    /// <summary>Requests so far by operation; other threads may see it a little late.</summary>
    public ReadOnlySpan<long> Counts => _counts;

    /// <summary>True, once, where the thread gave its slot among the readers away while it waited for the disk.</summary>
    public bool TakeYielded()
    {
        bool yielded = _yielded;
        _yielded = false;
        return yielded;
    }

    /// <summary>The first bytes of the reply.</summary>
    public ReadOnlySpan<byte> Message(int size) => _reply.Message(size);

    /// <summary>Answers reads that have ended.</summary>
    /// <param name="wait">Sleep until there is one; one must be under way.</param>
    /// <returns>How many; negative where the file system is closed.</returns>
    public int AnswerReads(bool wait)
    {
        if (!_session.Gate.TryEnter(_slot))
        {
            return -1;
        }

        try
        {
            return _reads!.Answer(_channel, wait);
        }
        finally
        {
            _session.Gate.Leave(_slot);
        }
    }

    /// <summary>Answers all reads that have begun, unless the file system is closed.</summary>
    public void FinishReads()
    {
        while (UnansweredReads > 0 && AnswerReads(wait: true) > 0)
        {
        }
    }

    public void Dispose()
    {
        _reads?.Dispose();
        _request.Dispose();
        _reply.Dispose();
    }

    /// <summary>Serves the request of <paramref name="length"/> bytes in the buffer. Gives the size of the reply to
    /// send, 0 where there is none. Never throws.</summary>
    /// <param name="length">Bytes.</param>
    /// <param name="queues">Small reads may begin here, and be answered by <see cref="AnswerReads"/>.</param>
    public int Handle(int length, bool queues = false)
    {
        _queues = queues;
        LastWasSmallRead = false;
        ReadOnlySpan<byte> message = RequestBuffer[..length];
        if (!MemoryMarshal.TryRead(message, out RequestHeader header))
        {
            Log.MalformedRequest(_session.Logger, length, 0);
            return 0;
        }

        LastOperation = header.Opcode;
        if (header.Opcode != Opcode.Read)
        {
            // What is served now may take a while, or close the file system.
            FinishReads();
        }

        if ((uint)header.Opcode < (uint)_counts.Length)
        {
            _counts[(uint)header.Opcode]++;
        }

        int outcome = Serve(header, message);
        bool silent = header.Opcode is Opcode.Forget or Opcode.BatchForget or Opcode.NotifyReply;
        return silent || outcome == NoReply ? 0
            : outcome < 0 ? _reply.Fail(header.Unique, -outcome)
            : _reply.Succeed(header.Unique, outcome);
    }

    private static int Fail(Errno error) => -(int)error;

    private static InodeNumber Inode(ulong node) => new(node);

    private int Serve(in RequestHeader header, ReadOnlySpan<byte> message)
    {
        int extensionLength = header.ExtensionUnits * 8;
        if (header.Length != message.Length || s_headerSize + extensionLength > message.Length)
        {
            Log.MalformedRequest(_session.Logger, message.Length, header.Opcode);
            return Malformed;
        }

        if (!_session.Gate.TryEnter(_slot))
        {
            return Gone;
        }

        try
        {
            int bodyEnd = message.Length - extensionLength;
            _extensionsBad = !_extensions.TryParse(RequestStart + bodyEnd, extensionLength);
            var body = new BodyReader(message[s_headerSize..bodyEnd]);
            return Dispatch(header, ref body);
        }
#pragma warning disable CA1031 // a defect below must cost one request, not the thread and with it the mount
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Log.HandlerFailed(_session.Logger, failure, header.Opcode, header.Node);
            return Fail(Errno.EIO);
        }
        finally
        {
            _session.Gate.Leave(_slot);
        }
    }

    private int Dispatch(in RequestHeader header, ref BodyReader body) => header.Opcode switch
    {
        Opcode.Read => Read(header, ref body),
        Opcode.Write => Write(header, ref body),
        Opcode.Lookup => Lookup(header, ref body),
        Opcode.GetAttr => GetAttr(header, ref body),
        Opcode.Forget => Forget(header, ref body),
        Opcode.BatchForget => BatchForget(ref body),
        Opcode.SetAttr => SetAttr(header, ref body),
        Opcode.Statx => Statx(header, ref body),
        Opcode.ReadLink => ReadLink(header),
        Opcode.Symlink => Symlink(header, ref body),
        Opcode.MkNod => MakeNode(header, ref body),
        Opcode.MkDir => MakeDirectory(header, ref body),
        Opcode.Unlink => Unlink(header, ref body),
        Opcode.RmDir => RemoveDirectory(header, ref body),
        Opcode.Rename => Rename(header, ref body),
        Opcode.Rename2 => Rename2(header, ref body),
        Opcode.Link => Link(header, ref body),
        Opcode.Open => Open(header, ref body),
        Opcode.Create => Create(header, ref body),
        Opcode.TmpFile => CreateTemporary(header, ref body),
        Opcode.Release => Release(header, ref body),
        Opcode.Flush => Flush(header, ref body),
        Opcode.Fsync => Sync(header, ref body, SyncKind.File),
        Opcode.FsyncDir => Sync(header, ref body, SyncKind.Directory),
        Opcode.SyncFs => Sync(header, SyncKind.FileSystem, false),
        Opcode.OpenDir => OpenDirectory(),
        Opcode.ReleaseDir => 0,
        Opcode.ReadDir => ReadDirectory(header, ref body, plus: false),
        Opcode.ReadDirPlus => ReadDirectory(header, ref body, plus: true),
        Opcode.SetXattr => SetXattr(header, ref body),
        Opcode.GetXattr => GetXattr(header, ref body),
        Opcode.ListXattr => ListXattr(header, ref body),
        Opcode.RemoveXattr => RemoveXattr(header, ref body),
        Opcode.StatFs => Statistics(),
        Opcode.Fallocate => Fallocate(header, ref body),
        Opcode.Lseek => Seek(header, ref body),
        Opcode.CopyFileRange => CopyRange(header, ref body, wide: false),
        Opcode.CopyFileRange64 => CopyRange(header, ref body, wide: true),
        Opcode.Ioctl => Ioctl(header, ref body),
        Opcode.Init => Init(ref body),
        Opcode.Destroy => Destroy(),
        Opcode.NotifyReply => NoReply,

        // Remembered by the kernel, which then does without: ACCESS (default_permissions decides), BMAP, POLL,
        // INTERRUPT (nothing here blocks for ever), locks (its own local ones serve).
        _ => NotSupported,
    };
}
