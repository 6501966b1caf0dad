namespace IntegrityFs.CrashTesting;

/// <summary>States of our own file system: those of the recorded device, and every prefix of the requests that a commit at
/// another moment would have made.</summary>
public sealed class OwnCases(DeviceCases device, RequestCases requests) : ICaseSource
{
    /// <inheritdoc/>
    public int Points => device.Points + requests.Points;

    /// <inheritdoc/>
    public IEnumerable<CrashCase> Cases(int worker, int workers, CancellationToken cancel) =>
        device.Cases(worker, workers, cancel).Concat(requests.Cases(worker, workers, cancel));

    /// <inheritdoc/>
    public CrashCase Find(string id) => Of(id).Find(id);

    /// <inheritdoc/>
    public IReadOnlyList<string> Lost(CrashCase state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return Of(state.Id).Lost(state);
    }

    /// <inheritdoc/>
    public IEnumerable<CrashCase> Smaller(string id) => Of(id).Smaller(id);

    private ICaseSource Of(string id)
    {
        ArgumentNullException.ThrowIfNull(id);
        return id.StartsWith('p') ? device : requests;
    }
}
