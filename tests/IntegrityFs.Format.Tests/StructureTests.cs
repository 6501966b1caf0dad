using CsCheck;

namespace IntegrityFs.Format.Tests;

public sealed class StructureTests
{
    private static Superblock Example => new()
    {
        Uuid = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
        Label = "policy",
        BlockSize = 4096,
        DeviceLength = 1 << 30,
        JournalBlocks = 4096,
        State = VolumeState.Clean,
        Generation = 7,
        NextSequence = 9,
        Tail = 11,
        Root = new TagEntry(5, 1, new Tag(1, 2, 3)),
        Created = 1000,
        Written = 2000,
        MountCount = 3,
        RecoveryCount = 1,
        MismatchCount = 2,
    };

    [Fact]
    public void A_superblock_reads_back_as_written()
    {
        byte[] bytes = new byte[SuperblockLayout.Size];
        Example.Write(bytes);
        Superblock read = Superblock.Read(bytes);
        Assert.Equal(Example with { Chain = read.Chain }, read);
        Assert.Equal(new byte[32], read.Chain.ToArray());
    }

    [Fact]
    public void The_golden_bytes_of_a_superblock_do_not_change()
    {
        byte[] bytes = new byte[SuperblockLayout.Size];
        Example.Write(bytes);
        Assert.Equal("496E746567465331" + "01000000" + "01000000" + "00112233445566778899AABBCCDDEEFF" + "706F6C696379", Convert.ToHexString(bytes.AsSpan(0, 38)));
        Assert.Equal("00100000" + "00000000" + "00000000" + "01000000" + "0000004000000000" + "0010000000000000" + "0700000000000000" + "0900000000000000" + "0B00000000000000", Convert.ToHexString(bytes.AsSpan(SuperblockLayout.BlockSizeOffset, 56)));
    }

    [Theory]
    [InlineData(SuperblockLayout.MagicOffset)]
    [InlineData(SuperblockLayout.VersionOffset)]
    [InlineData(SuperblockLayout.AlgorithmOffset)]
    [InlineData(SuperblockLayout.IncompatibleOffset)]
    [InlineData(SuperblockLayout.ReadOnlyCompatibleOffset)]
    [InlineData(SuperblockLayout.StateOffset + 1)]
    [InlineData(SuperblockLayout.ReservedOffset)]
    [InlineData(SuperblockLayout.MacOffset - 1)]
    public void An_unknown_value_in_a_superblock_is_refused(int offset)
    {
        byte[] bytes = new byte[SuperblockLayout.Size];
        Example.Write(bytes);
        bytes[offset] ^= 0x40;
        Assert.Throws<CorruptFormatException>(() => Superblock.Read(bytes));
    }

    [Fact]
    public void Zeroed_memory_is_no_structure()
    {
        Assert.Throws<CorruptFormatException>(() => Superblock.Read(new byte[4096]));
        Assert.Throws<CorruptFormatException>(() => VolumeStateBlock.Read(new byte[4096], 100, 1));
        Assert.Throws<CorruptFormatException>(() => JournalEntry.Read(new byte[32], 100));
        Assert.False(new JournalDescriptorView(new byte[4096]).HasMagic);
        Assert.True(TagEntry.Read(new byte[32]).IsAbsent);
    }

    [Fact]
    public void A_journal_entry_is_read_back_as_written_or_refused() =>
        Gen.Select(Gen.Byte[0, 5], Gen.Byte[0, 7], Gen.Long[0, 2000], Gen.Long[-1, 2000], Gen.ULong).Sample((kind, purpose, block, count, tag) =>
        {
            var entryKind = (JournalEntryKind)kind;
            bool freed = entryKind == JournalEntryKind.Freed;
            var entry = new JournalEntry(entryKind, (BlockPurpose)purpose, block, freed ? default : new Tag(tag, 1, 2), freed ? count : 0);
            byte[] bytes = new byte[32];
            entry.Write(bytes);
            bool possible = freed
                ? purpose == 0 && count > 0 && count <= 1000 - block && block < 1000
                : kind is 1 or 2 && purpose is >= 1 and <= 4 && block < 1000;
            if (possible)
            {
                Assert.Equal(entry, JournalEntry.Read(bytes, 1000));
            }
            else
            {
                Assert.Throws<CorruptFormatException>(() => JournalEntry.Read(bytes, 1000));
            }
        });

    [Fact]
    public void Random_bytes_never_crash_a_reader() =>
        Gen.Byte.Array[4096].Sample(bytes =>
        {
            Superblock.Magic.CopyTo(bytes);
            try
            {
                Superblock.Read(bytes);
            }
            catch (CorruptFormatException)
            {
            }
        }, iter: 200);

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(-1, 0, -1)]
    [InlineData(123, 456, 123)]
    public void A_timestamp_follows_the_clock(long seconds, int milliseconds, long expected)
    {
        DateTimeOffset at = DateTimeOffset.UnixEpoch.AddSeconds(seconds).AddMilliseconds(milliseconds);
        Assert.Equal(new Timestamp(expected, (uint)milliseconds * 1_000_000), Timestamp.Now(new FixedClock(at)));
    }

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
