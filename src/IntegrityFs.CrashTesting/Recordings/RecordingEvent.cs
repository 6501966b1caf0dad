namespace IntegrityFs.CrashTesting;

/// <summary>Kinds of events in a recording.</summary>
public enum RecordingEventKind : byte
{
    /// <summary>A write to the device completed.</summary>
    Write,

    /// <summary>A flush of the device began.</summary>
    FlushStart,

    /// <summary>The flush of that number returned.</summary>
    FlushEnd,

    /// <summary>A request was answered; the answer had not left yet.</summary>
    Request,

    /// <summary>The program printed something.</summary>
    Output,

    /// <summary>The program set a mark.</summary>
    Mark,

    /// <summary>The program ended; what follows is the unmounting.</summary>
    End,

    /// <summary>A write to the device that was durable by itself (FUA); only in imported logs.</summary>
    DurableWrite,
}

/// <summary>One event.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Offset">Byte offset of a device write.</param>
/// <param name="Number">Number of a flush.</param>
/// <param name="Data">Bytes of a device write, or what was printed.</param>
/// <param name="Text">Text of a mark.</param>
/// <param name="Request">The request.</param>
public sealed record RecordingEvent(
    RecordingEventKind Kind, long Offset = 0, int Number = 0, ReadOnlyMemory<byte> Data = default, string Text = "", RecordedRequest? Request = null);

/// <summary>What is known about a recording as a whole.</summary>
public sealed record RecordingHeader
{
    /// <summary>Bytes of the device.</summary>
    public required long DeviceLength { get; init; }

    /// <summary>The command, for reports.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>Seconds since 1970.</summary>
    public long Created { get; init; }

    /// <summary>Bytes of the throw-away key that this recording's own volume has; empty where the user keeps the key.</summary>
    public ReadOnlyMemory<byte> ThrowAwayKey { get; init; }

    /// <summary>The personality that was active while the program ran.</summary>
    public string Personality { get; init; } = "integrityfs";

    /// <summary>False: a log of some other file system, which only the user's commands can judge.</summary>
    public bool IsIntegrityFs { get; init; } = true;
}
