namespace IntegrityFs.Format;

/// <summary>A point in time: seconds since 1970-01-01 UTC (negative before) and nanoseconds 0 .. 999,999,999.</summary>
public readonly record struct Timestamp(long Seconds, uint Nanoseconds)
{
    /// <summary>The clock's present time (100 ns resolution).</summary>
    public static Timestamp Now(TimeProvider clock)
    {
        long ticks = clock.GetUtcNow().UtcTicks - DateTime.UnixEpoch.Ticks;
        long seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out long rest);
        return rest >= 0
            ? new Timestamp(seconds, (uint)rest * 100)
            : new Timestamp(seconds - 1, (uint)(rest + TimeSpan.TicksPerSecond) * 100);
    }
}
