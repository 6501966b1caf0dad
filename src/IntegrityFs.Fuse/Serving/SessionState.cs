using IntegrityFs.FileSystem;
using IntegrityFs.Fuse.Protocol;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Fuse.Serving;

/// <summary>What all serving threads of one mount share.</summary>
internal sealed class SessionState(IFileSystem fileSystem, FuseServerOptions options, ILogger logger)
{
    private readonly Lock _finishing = new();
    private bool _finished;
    private volatile Agreement _agreement = Agreement.None;

    public IFileSystem FileSystem { get; } = fileSystem;

    public FuseServerOptions Options { get; } = options;

    public ILogger Logger { get; } = logger;

    public ServingGate Gate { get; } = new(options.ThreadCount + FuseServerOptions.ParkedThreads);

    /// <summary>Who reads requests while one waits for the disk.</summary>
    public ReaderSlots Readers { get; } = new();

    /// <summary>Whether all of them listen, or one.</summary>
    public SoloTurn Turn { get; } = new(options.BusyPoll);

    /// <summary>Syncs of all callers.</summary>
    public SyncQueue Syncs { get; } = new(fileSystem.SyncTogether, logger);

    public Validity EntryValidity { get; } = Validity.From(options.EntryTimeout);

    public Validity NegativeValidity { get; } = Validity.From(options.NegativeTimeout);

    public Validity AttributeValidity { get; } = Validity.From(options.AttributeTimeout);

    /// <summary>Set once by INIT, before any other request arrives.</summary>
    public Agreement Agreement
    {
        get => _agreement;
        set => _agreement = value;
    }

    /// <summary>The kernel's protocol turned out too old to serve.</summary>
    public bool Incompatible { get; set; }

    /// <summary>What failed while the volume was closed, if anything did.</summary>
    public Exception? FinishFailure { get; private set; }

    /// <summary>Leave the volume as after a crash: neither Destroy nor the host's callback run any more.</summary>
    public void Forsake()
    {
        lock (_finishing)
        {
            _finished = true;
        }
    }

    /// <summary>Closes the file system, exactly once, when no thread but <paramref name="slot"/> is inside.</summary>
    public void Finish(int slot)
    {
        Gate.Close(slot);
        lock (_finishing)
        {
            if (_finished)
            {
                return;
            }

            _finished = true;
            try
            {
                FileSystem.Destroy();
                Options.Unmounted?.Invoke();
            }
            catch (Exception failure)
            {
                FinishFailure = failure;
                Log.FinishFailed(Logger, failure);
            }
        }
    }
}
