// Promise: the volume owns no thread of its own accord; a host that opened it Deferred lends two: one commits by time and by fill, one
// checkpoints by fill of the journal. Both end when told to, or when the volume is faulted. Threads that the second one
// starts to help it end with the volume.
using IntegrityFs.Integrity;

namespace IntegrityFs.Volume;

/// <summary>What a host's thread does for a volume.</summary>
public enum BackgroundRole
{
    /// <summary>Commits by time and fill.</summary>
    Committer,

    /// <summary>Checkpoints by fill.</summary>
    Checkpointer,
}

public sealed partial class ProtectedVolume
{
    /// <summary>Writes that a checkpoint keeps the device busy with at a time.</summary>
    private const int HomeLanes = 4;

    private static readonly TimeSpan Pulse = TimeSpan.FromMilliseconds(200);
    private readonly SemaphoreSlim _checkpointWork = new(0);

    /// <summary>Runs a role on the calling thread until <paramref name="stop"/> is cancelled. Failures fault the volume and
    /// are reported by it; they do not escape.</summary>
    public void RunBackground(BackgroundRole role, CancellationToken stop)
    {
        try
        {
            if (role == BackgroundRole.Checkpointer)
            {
                // From this thread, because they take over what the host has set for it: that it serves write-back.
                lock (_checkpointLock)
                {
                    UseHomeLanes(HomeLanes);
                }
            }

            while (!stop.IsCancellationRequested && _fault is null)
            {
                if (role == BackgroundRole.Committer)
                {
                    CommitWhenDue(stop);
                }
                else
                {
                    CheckpointWhenDue(stop);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }
        catch (Exception e) when (e is IOException || _fault is not null)
        {
            // The volume is faulted and has said so.
        }
    }

    /// <summary>Under the checkpoint lock: ends the threads that help a checkpoint, and starts as many as wanted.</summary>
    private void UseHomeLanes(int lanes)
    {
        if (_homeLanes.Count != lanes)
        {
            _homeLanes.Dispose();
            _homeLanes = new WorkLanes(lanes, HomeLaneName);
        }
    }

    private void CommitWhenDue(CancellationToken stop)
    {
        if (_work.Wait(Pulse, stop))
        {
            _work.Reset();
        }

        bool dirty = Running.Count > 0;
        bool timeIsUp = _options.Clock.GetElapsedTime(_lastCommit) >= _options.CommitInterval;
        if (_commitWanted || (dirty && timeIsUp))
        {
            Commit();
        }
    }

    private void CheckpointWhenDue(CancellationToken stop)
    {
        _checkpointWork.Wait(stop);
        while (_checkpointWork.Wait(0, stop))
        {
            // Several requests make one checkpoint.
        }

        if (_journal.UsedBlocks > _geometry.JournalBlocks / 2)
        {
            Checkpoint();
        }
    }
}
