namespace IntegrityFs.CrashTesting;

/// <summary>A clock that stands still until it is set: all readings within one operation are the same, however many
/// the store makes, so model and store agree on every timestamp.</summary>
public sealed class ManualClock : TimeProvider
{
    private long _ticks;

    /// <summary>A clock at 2030-01-01.</summary>
    public ManualClock() => _ticks = new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero).UtcTicks;

    /// <summary>Sets the clock to <paramref name="step"/> odd intervals after its start.</summary>
    public void SetStep(int step) =>
        Interlocked.Exchange(ref _ticks, new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero).UtcTicks + (step * 10_000_123L));

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);

    /// <inheritdoc/>
    public override long GetTimestamp() => Interlocked.Read(ref _ticks);

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
}
