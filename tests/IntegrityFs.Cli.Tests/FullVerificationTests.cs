using System.Text;
using IntegrityFs.Catalog;
using IntegrityFs.Cli.Checking;
using IntegrityFs.Device;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Volume;
using Microsoft.Extensions.Logging.Abstractions;

namespace IntegrityFs.Cli.Tests;

public sealed class FullVerificationTests : IDisposable
{
    private const uint Directory = 0x4000;

    private readonly byte[] _key = new byte[32];
    private readonly MemoryDevice _device = new(16 << 20);

    public FullVerificationTests()
    {
        VolumeFormatter.Format(_device, _key, new VolumeFormatOptions());
        using ProtectedVolume volume = Open(readOnly: false);
        CatalogStore.Format(volume, default, 1);
        CatalogStore catalog = CatalogStore.Open(volume);
        var files = new PosixFileSystem(catalog, TimeProvider.System);
        var caller = new Caller(0, 0, 1, 0);
        Assert.Equal(Errno.OK, files.MakeDirectory(caller, InodeNumber.Root, "sub"u8, Directory | 0x1ED, null, out Attributes sub));
        Write(files, caller, sub.Inode, "big"u8, 200_000);
        Write(files, caller, InodeNumber.Root, "small"u8, 10);
        Assert.Equal(Errno.OK, files.Symlink(caller, InodeNumber.Root, "link"u8, "target"u8, null, out Attributes link));
        Assert.Equal(Errno.OK, files.SetXattr(sub.Inode, "user.a"u8, "value"u8, XattrMode.Any, false));
        volume.Close();
    }

    public void Dispose() => _device.Dispose();

    [Fact]
    public void A_whole_volume_has_no_findings_and_everything_is_counted()
    {
        (Findings findings, CheckSummary summary) = Scan();
        Assert.Empty(findings.Problems);
        Assert.Equal(3, summary.Files);
        Assert.Equal(2, summary.Directories);
    }

    [Fact]
    public void A_bad_block_is_told_with_its_file_and_bytes_and_costs_no_more()
    {
        long block = FirstBlockOfBig() + 5;
        Damage(block);
        Problem problem = Assert.Single(Scan().Findings.Problems);
        Assert.Equal(ProblemCode.DataBlockBad, problem.Code);
        Assert.Equal("/sub/big", problem.Path);
        Assert.Equal(5 * 4096, problem.Offset);
        Assert.Equal(4096, problem.Length);
        Assert.Equal(block, problem.Block);
    }

    [Fact]
    public void The_last_bytes_of_a_file_are_told_exactly()
    {
        Damage(FirstBlockOfBig() + (200_000 / 4096));
        Problem problem = Assert.Single(Scan().Findings.Problems);
        Assert.Equal(200_000 / 4096 * 4096, problem.Offset);
        Assert.Equal(200_000 % 4096, problem.Length);
    }

    [Fact]
    public void Full_verification_refuses_a_volume_with_a_bad_block()
    {
        Damage(FirstBlockOfBig());
        using ProtectedVolume volume = Open(readOnly: true);
        var notes = new List<string>();
        Assert.Throws<IntegrityException>(() => FullVerification.Run(volume, NullLogger.Instance, notes.Add));
        Assert.Contains("/sub/big", Assert.Single(notes), StringComparison.Ordinal);
    }

    private static void Write(PosixFileSystem files, Caller caller, InodeNumber parent, ReadOnlySpan<byte> name, int length)
    {
        Assert.Equal(Errno.OK, files.Create(caller, parent, name, 0x1A4, OpenMode.Write, null, out Attributes file, out ulong handle));
        byte[] content = Encoding.ASCII.GetBytes(new string('x', length));
        Assert.Equal(Errno.OK, files.Write(handle, file.Inode, 0, content, false, out int written));
        Assert.Equal(length, written);
        Assert.Equal(Errno.OK, files.Release(handle, file.Inode));
    }

    private ProtectedVolume Open(bool readOnly) =>
        ProtectedVolume.Open(_device, _key, new VolumeOptions { ReadOnly = readOnly, CacheBytes = 1 << 20 });

    private (Findings Findings, CheckSummary Summary) Scan()
    {
        using ProtectedVolume volume = Open(readOnly: true);
        var findings = new Findings();
        var checker = new VolumeChecker(new CatalogCheck(volume, 0, null), new CheckOptions(), findings, TimeProvider.System, null, CancellationToken.None);
        return (findings, checker.Run());
    }

    private long FirstBlockOfBig()
    {
        using ProtectedVolume volume = Open(readOnly: true);
        CatalogStore catalog = CatalogStore.Open(volume);
        using CatalogReadScope scope = catalog.EnterRead();
        Assert.True(catalog.TryLookup(InodeNumber.Root, "sub"u8, out Dentry sub));
        Assert.True(catalog.TryLookup(sub.Inode, "big"u8, out Dentry big));
        Assert.True(catalog.TryNextExtent(big.Inode, 0, out ContentExtent extent));
        Assert.Equal(0, extent.Offset);
        Assert.True(extent.Run.Count * 4096 >= 200_000, "the test wants one extent");
        return extent.Run.First.Value;
    }

    private void Damage(long block)
    {
        long offset;
        using (ProtectedVolume volume = Open(readOnly: true))
        {
            offset = volume.Geometry.BlockOffset(block);
        }

        using var sector = new AlignedMemory(4096);
        _device.Read(offset, sector.Span);
        sector.Span[17] ^= 1;
        _device.Write(offset, sector.Span);
    }

    private sealed class Findings : ICheckSink
    {
        public List<Problem> Problems { get; } = [];

        public void Found(Problem problem) => Problems.Add(problem);

        public void Progress(string phase, long done) => Assert.NotEmpty(phase);
    }
}
