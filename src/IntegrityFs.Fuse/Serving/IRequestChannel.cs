namespace IntegrityFs.Fuse.Serving;

/// <summary>Where requests come from and replies go: /dev/fuse, or memory in tests.</summary>
internal interface IRequestChannel : IDisposable
{
    /// <summary>Waits for a request. Its length, or a negative error number.</summary>
    int Receive(Span<byte> buffer);

    /// <summary>As <see cref="Receive"/>, but does not wait: EAGAIN where there is none.</summary>
    int TryReceive(Span<byte> buffer);

    /// <summary>Sends one whole reply. 0, or a negative error number.</summary>
    int Send(ReadOnlySpan<byte> reply);
}
