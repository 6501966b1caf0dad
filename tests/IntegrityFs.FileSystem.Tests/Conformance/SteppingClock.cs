using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Conformance;

/// <summary>A clock that stands still until it is told to go on.</summary>
public sealed class SteppingClock : TimeProvider
{
    private DateTimeOffset _now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    /// <summary>The time as the file system sees it.</summary>
    public Timestamp Stamp => Timestamp.Now(this);

    public override DateTimeOffset GetUtcNow() => _now;

    /// <summary>Goes on by a little more than a second, and returns the new time.</summary>
    public Timestamp Step()
    {
        _now += TimeSpan.FromTicks(10_000_123);
        return Stamp;
    }
}
