using IntegrityFs.Catalog;
using IntegrityFs.Device;
using IntegrityFs.FileSystem.Conformance;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.FileSystem.Tests;

/// <summary>What only the real catalog on a real volume can show: allocations, a full volume, and random trees across a
/// remount.</summary>
public sealed class StoreTests : IDisposable
{
    private static readonly byte[] Key = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];

    private readonly SteppingClock _clock = new();
    private readonly LogLines _log = new();
    private readonly MemoryDevice _device = new(8 << 20);
    private readonly ProtectedVolume _volume;
    private readonly PosixFileSystem _fs;
    private readonly Driver _t;

    public StoreTests()
    {
        VolumeFormatter.Format(_device, Key, new VolumeFormatOptions { Created = _clock.GetUtcNow() });
        _volume = ProtectedVolume.Open(_device, Key, new VolumeOptions { CacheBytes = 4 << 20, Clock = _clock });
        CatalogStore.Format(_volume, _clock.Stamp, 1);
        _fs = new PosixFileSystem(CatalogStore.Open(_volume), _clock, _log);
        _t = new Driver(_fs);
    }

    public void Dispose()
    {
        _volume.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void Lookup_attributes_open_and_read_allocate_nothing_down_to_the_device()
    {
        InodeNumber f = _t.File(InodeNumber.Root, "f", Driver.Pattern(100_000));
        byte[] buffer = new byte[8192];
        Caller caller = _t.Caller;

        long Run()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 100; i++)
            {
                Errno result = _fs.Lookup(InodeNumber.Root, "f"u8, out _);
                result |= _fs.GetAttributes(f, out _);
                result |= _fs.Open(caller, f, OpenMode.Read, out ulong handle);
                result |= _fs.Read(handle, f, 4096, buffer, out _);
                result |= _fs.Release(handle, f);
                if (result != Errno.OK)
                {
                    return -1;
                }
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        // The runtime allocates once or twice while it warms up; what allocates for each request never ends at nothing.
        Assert.Contains(0, Enumerable.Range(0, 8).Select(_ => Run()));
    }

    [Fact]
    public void A_full_volume_can_be_emptied_again()
    {
        List<(string Name, InodeNumber Inode)> files = [];
        for (int i = 0; ; i++)
        {
            string name = $"file{i}";
            Errno error = _fs.Create(_t.Caller, InodeNumber.Root, Driver.Bytes(name), 0x1A4, OpenMode.Write, null, out Attributes a, out ulong handle);
            if (error == Errno.ENOSPC)
            {
                break;
            }

            Assert.Equal(Errno.OK, error);
            files.Add((name, a.Inode));
            error = _fs.Write(handle, a.Inode, 0, Driver.Pattern(50_000), false, out _);
            Assert.True(error is Errno.OK or Errno.ENOSPC, $"{error}: {string.Join('\n', _log.All.Select(l => l.Text + l.Error))}");
            _t.Close(handle, a.Inode);
        }

        Assert.True(files.Count > 10);
        _t.Chmod(files[0].Inode, 0x180);
        _t.Rename(InodeNumber.Root, files[0].Name, InodeNumber.Root, files[1].Name);
        _t.Forget(files[1].Inode);
        foreach ((string name, InodeNumber inode) in files.Skip(1))
        {
            _t.Unlink(InodeNumber.Root, name);
            _t.Forget(name == files[1].Name ? files[0].Inode : inode);
        }

        Assert.Empty(_t.Names(InodeNumber.Root));
        Assert.Equal(Errno.OK, _fs.SyncFileSystem());
        _t.File(InodeNumber.Root, "again", Driver.Pattern(1_000_000));
        Assert.Empty(_log.All);
    }

    [Fact]
    public void The_longest_lists_and_attributes_fit_a_small_volume()
    {
        InodeNumber d = _t.Mkdir(InodeNumber.Root, "d");
        byte[] acl = LongAcl();
        _t.SetXattr(d, "system.posix_acl_default", acl);
        InodeNumber s = _t.Mkdir(d, "s", 0x1FF);
        Assert.Equal(acl, _t.GetXattr(s, "system.posix_acl_default"));
        Assert.Equal(acl, _t.GetXattr(s, "system.posix_acl_access"));
        Assert.Equal(0x4000u, _t.Chmod(s, 0).Mode);
        byte[] big = Driver.Pattern(65536);
        _t.SetXattr(s, "user.big", big);
        _t.SetXattr(s, "user.big", big.AsSpan(0, 10));
        Assert.Equal(Errno.OK, _t.TryRemoveXattr(s, "user.big"));
        Assert.Empty(_log.All);
    }

    [Fact]
    public void A_changed_byte_of_a_file_is_an_io_error_with_its_path_and_the_rest_stays_readable()
    {
        InodeNumber d = _t.Mkdir(InodeNumber.Root, "etc");
        byte[] content = Driver.Pattern(40_000);
        InodeNumber f = _t.File(d, "policy", content);
        _volume.Close();
        byte[] image = new byte[_device.Length];
        _device.Read(0, image);
        int at = image.AsSpan().LastIndexOf(content.AsSpan(8192, 4096));
        Assert.True(at > 0);
        image[at + 100] ^= 1;
        _device.Write(at, image.AsSpan(at, 4096));

        using ProtectedVolume again = ProtectedVolume.Open(_device, Key, new VolumeOptions { CacheBytes = 4 << 20, Clock = _clock });
        PosixFileSystem fs = new(CatalogStore.Open(again), _clock, _log);
        Driver t = new(fs);
        ulong handle = t.Open(f, OpenMode.Read);
        Assert.Equal(content[..8192], t.Read(handle, f, 0, 8192));
        Assert.Equal(Errno.EIO, fs.Read(handle, f, 8192, new byte[4096], out _));
        Assert.Equal(Errno.EIO, fs.Read(handle, f, 0, new byte[40_000], out _));
        Assert.Equal(content[12288..], t.Read(handle, f, 12288, 40_000));
        LogLine line = Assert.Single(_log.All);
        Assert.Equal(("/etc/policy", Zone.Data, 8192L), (line.Fields["Path"], line.Fields["Zone"], line.Fields["Offset"]));
        t.Close(handle, f);
    }

    private static byte[] LongAcl()
    {
        List<byte> acl = [2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255];
        for (int id = 0; id < 500; id++)
        {
            acl.AddRange([2, 0, 6, 0, (byte)id, (byte)(id >> 8), 0, 0]);
        }

        acl.AddRange([4, 0, 5, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0, 7, 0, 255, 255, 255, 255]);
        return [.. acl];
    }
}
