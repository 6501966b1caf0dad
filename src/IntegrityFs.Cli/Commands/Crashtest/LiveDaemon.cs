using System.Runtime.InteropServices;
using IntegrityFs.Catalog;
using IntegrityFs.Cli.Daemon;
using IntegrityFs.Cli.Logging;
using IntegrityFs.Cli.Native;
using IntegrityFs.CrashTesting;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Volume;
using Microsoft.Extensions.Logging;
using static Tmds.Linux.LibC;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>Serves a live mount: mounts, and after each crash on command makes the volume as the crash left it and mounts
/// it again at the same place. Ends when it is unmounted.</summary>
internal sealed class LiveDaemon
{
    /// <summary>Hidden first argument.</summary>
    public const string Verb = "crashtest-live-internal";

    private readonly string _personality;
    private readonly ISyncFaults? _faults;
    private readonly MountRequest _request;

    private LiveDaemon(string personality, int failSync, MountRequest request)
    {
        _personality = personality;
        _faults = PersonalityTable.Find(personality)!.FailsSyncs ? new NthSyncFails(failSync) : null;
        _request = request;
    }

    /// <summary>The daemon's process: personality, number of the fsync to fail, then what mount takes.</summary>
    public static int Run(string[] arguments)
    {
        _ = fcntl(ChildProcess.ExtraDescriptor, F_SETFD, FD_CLOEXEC);
        using var pipe = new StatusPipeWriter(ChildProcess.ExtraDescriptor);
        try
        {
            MountRequest request = MountRequest.Parse(arguments[2..]);
            using ILoggerFactory loggers = LogSinks.Daemon(request.Options.LogFile, request.Options.Debug ? LogLevel.Debug : LogLevel.Information);
            int failSync = int.Parse(arguments[1], System.Globalization.CultureInfo.InvariantCulture);
            return MountExit.From(new LiveDaemon(arguments[0], failSync, request).Serve(pipe, loggers));
        }
        catch (Exception e)
        {
            CommandFailure failure = Failures.Translate(e);
            pipe.Failed(failure.Cause, failure.Message);
            return MountExit.From(failure.Cause);
        }
    }

    private Cause Serve(IReadiness readiness, ILoggerFactory loggers)
    {
        for (int generation = 1; ; generation++)
        {
            using var taps = new LiveTaps(_personality, generation, _faults);
            Cause cause;
            using (var host = new MountHost(_request, generation == 1 ? readiness : new Silent(), loggers, taps))
            {
                taps.Break = host.Break;
                cause = host.Run(_request.Options.Key);
            }

            if (taps.Crash is not { } crash)
            {
                return cause;
            }

            Detach();
            Apply(crash);
        }
    }

    /// <summary>Takes the dead mount away; who has files open there keeps them, and gets errors.</summary>
    private void Detach()
    {
        if (MountTable.Find(_request.Target) is null)
        {
            return;
        }

        if ((uint)geteuid() == 0)
        {
            _ = Posix.Unmount(_request.Target, MNT_DETACH);
        }
        else
        {
            using var process = System.Diagnostics.Process.Start("fusermount3", ["-u", "-z", _request.Target]);
            process.WaitForExit();
        }
    }

    private void Apply(LiveCrash crash)
    {
        if (crash.Repairs is { } repairs)
        {
            using FileStream device = new(_request.Source, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            foreach ((long offset, byte[] data) in repairs)
            {
                device.Position = offset;
                device.Write(data);
            }

            device.Flush(flushToDisk: true);
            return;
        }

        using UnlockedDevice unlocked = UnlockedDevice.Open(_request.Source, _request.Options.Key, readOnly: false);
        Rebuild(unlocked, crash.Tree!);
    }

    /// <summary>The volume anew, with its identity and keys, holding the tree. A personality's states have no journal.</summary>
    private static void Rebuild(UnlockedDevice unlocked, FileTree tree)
    {
        Superblock old = unlocked.Header.Superblock;
        VolumeFormatter.Format(unlocked.Device, unlocked.Key.Bytes, new VolumeFormatOptions
        {
            BlockSize = old.BlockSize,
            JournalBytes = old.JournalBlocks * old.BlockSize,
            Label = old.Label,
            Uuid = old.Uuid,
            Created = DateTimeOffset.FromUnixTimeSeconds(old.Created),
        });
        unlocked.Slots.Write(unlocked.Device, unlocked.Key);
        using ProtectedVolume volume = ProtectedVolume.Open(unlocked.Device, unlocked.Key.Bytes, new VolumeOptions { CacheBytes = 16 << 20 });
        CatalogStore.Format(volume, Timestamp.Now(TimeProvider.System), BitConverter.ToUInt64(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8)));
        var files = new PosixFileSystem(CatalogStore.Open(volume), TimeProvider.System);
        TreeWriter.Write(tree, files);
        files.Destroy();
        volume.Close();
    }

    private sealed class Silent : IReadiness
    {
        public void Note(string text)
        {
        }

        public bool Ready() => true;

        public void Failed(Cause cause, string text)
        {
        }
    }
}
