using IntegrityFs.Device;
using IntegrityFs.Format;
using IntegrityFs.Integrity;

namespace IntegrityFs.Journal.Tests;

public sealed class JournalTests : IDisposable
{
    private const int Block = 4096;
    private readonly MemoryDevice _device = new(4 << 20);
    private readonly VolumeGeometry _geometry = VolumeGeometry.Create(Block, 4 << 20, 96);
    private readonly SubKeys _keys = new(new byte[32], Guid.Empty);
    private readonly AuthenticatorPool _pool;
    private readonly AlignedMemory _images = new(Block * 64);

    public JournalTests() => _pool = new AuthenticatorPool(_keys);

    public void Dispose()
    {
        _images.Dispose();
        _pool.Dispose();
        _keys.Dispose();
        _device.Dispose();
    }

    private JournalLog NewLog(ulong position) => new(_device, _geometry, _pool, position, position, new byte[32]);

    private void Append(JournalLog log, ulong sequence, int images)
    {
        var entries = new JournalEntry[images];
        nint[] addresses = new nint[images];
        for (int i = 0; i < images; i++)
        {
            Span<byte> image = _images.Span.Slice(i * Block, Block);
            image.Fill((byte)(sequence + (ulong)i));
            entries[i] = new JournalEntry(JournalEntryKind.Image, BlockPurpose.Data, i, _pool.Current.TagOfBlock(BlockPurpose.Data, i, sequence, image), 0);
            addresses[i] = _images.Address + (i * Block);
        }

        log.Append(sequence, entries, addresses);
    }

    private JournalScanResult Scan(ulong tail, ulong first, bool clean = false) =>
        new JournalScanner(_device, _geometry, _pool).Scan(tail, first, new byte[32], clean);

    private Span<byte> JournalBlock(ulong position) => _device.Slice(_geometry.JournalBlockOffset(position), Block);

    [Fact]
    public void The_decision_table_covers_every_combination()
    {
        var seen = new HashSet<JournalDecision>();
        for (int bits = 0; bits < 16; bits++)
        {
            bool leading = (bits & 1) != 0, trailing = (bits & 2) != 0, images = (bits & 4) != 0, successor = (bits & 8) != 0;
            JournalDecision decision = JournalDecisionTable.Decide(leading, trailing, images, successor);
            seen.Add(decision);
            if (!leading && !trailing)
            {
                Assert.Equal(successor ? JournalDecision.Gap : JournalDecision.End, decision);
            }
            else if (!images)
            {
                Assert.Equal(successor ? JournalDecision.ApplyQuarantine : JournalDecision.DropTorn, decision);
            }
            else
            {
                Assert.Equal(successor && !(leading && trailing) ? JournalDecision.ApplyReportDamage : JournalDecision.Apply, decision);
            }
        }

        Assert.Equal(Enum.GetValues<JournalDecision>().Length, seen.Count);
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(80UL)]
    [InlineData(95UL)]
    [InlineData(1000UL)]
    public void Transactions_are_found_in_order_also_across_the_wrap(ulong start)
    {
        using JournalLog log = NewLog(start);
        Append(log, 10, 3);
        Append(log, 11, 20);
        Append(log, 15, 1);
        JournalScanResult scan = Scan(start, 10);
        Assert.Equal([10UL, 11UL, 15UL], scan.Transactions.Select(t => t.Sequence));
        Assert.Equal(log.Head, scan.End);
        Assert.Null(scan.Torn);
        Assert.Null(scan.GapAt);
        Assert.True(log.Chain.SequenceEqual(scan.Chain));
    }

    [Fact]
    public void A_last_transaction_with_any_block_missing_is_torn_or_absent_and_the_others_stay()
    {
        using JournalLog log = NewLog(0);
        Append(log, 1, 3);
        ulong second = log.Head;
        Append(log, 2, 4);
        for (ulong position = second; position < log.Head; position++)
        {
            byte[] kept = JournalBlock(position).ToArray();
            JournalBlock(position).Clear();
            JournalScanResult scan = Scan(0, 1);
            bool descriptor = position == second || position == log.Head - 1;
            Assert.Equal(descriptor ? 2 : 1, scan.Transactions.Count);
            Assert.Equal(!descriptor, scan.Torn is not null);
            Assert.Null(scan.GapAt);
            kept.CopyTo(JournalBlock(position));
        }
    }

    [Fact]
    public void Damage_before_an_authentic_successor_is_no_crash()
    {
        using JournalLog log = NewLog(0);
        Append(log, 1, 3);
        Append(log, 2, 3);
        JournalBlock(2)[100] ^= 1;
        JournalScanResult scan = Scan(0, 1);
        Assert.Equal(JournalDecision.ApplyQuarantine, scan.Transactions[0].Decision);
        Assert.Equal([1], scan.Transactions[0].BadImages);
        Assert.Equal(2, scan.Transactions.Count);
        JournalBlock(2)[100] ^= 1;
        JournalBlock(0)[200] ^= 1;
        scan = Scan(0, 1);
        Assert.Equal([JournalDecision.ApplyReportDamage, JournalDecision.Apply], scan.Transactions.Select(t => t.Decision));
        JournalBlock(4)[200] ^= 1;
        scan = Scan(0, 1);
        Assert.Empty(scan.Transactions);
        Assert.Equal(0UL, scan.GapAt);
        Assert.Equal(2UL, scan.GapSuccessor);
    }

    [Fact]
    public void A_transaction_taken_from_the_middle_leaves_a_gap()
    {
        using JournalLog log = NewLog(0);
        Append(log, 1, 1);
        Append(log, 2, 1);
        Append(log, 3, 1);
        for (ulong p = 6; p < 9; p++)
        {
            JournalBlock(p).CopyTo(JournalBlock(p - 3));
        }

        JournalScanResult scan = Scan(0, 1);
        Assert.Single(scan.Transactions);
        Assert.Equal(3UL, scan.GapAt);
    }

    [Fact]
    public void An_older_lap_put_back_is_not_replayed()
    {
        using JournalLog log = NewLog(0);
        Append(log, 1, 30);
        byte[] lap = _device.Slice(_geometry.JournalBlockOffset(0), 32 * Block).ToArray();
        log.Release(32);
        Append(log, 2, 30);
        log.Release(64);
        Append(log, 3, 30);
        log.Release(96);
        lap.CopyTo(_device.Slice(_geometry.JournalBlockOffset(0), 32 * Block));
        JournalScanResult scan = Scan(96, 4);
        Assert.Empty(scan.Transactions);
        Assert.Null(scan.GapAt);
    }

    [Fact]
    public void Records_below_the_first_sequence_do_not_count()
    {
        using JournalLog log = NewLog(0);
        Append(log, 7, 2);
        Assert.Empty(Scan(0, 8).Transactions);
        Assert.Single(Scan(0, 7).Transactions);
        Assert.Single(Scan(0, 7, clean: true).Transactions);
    }

    [Fact]
    public void Every_flipped_byte_of_a_descriptor_is_noticed()
    {
        using JournalLog log = NewLog(0);
        Append(log, 1, 2);
        for (int at = 0; at < Block; at += 5)
        {
            JournalBlock(0)[at] ^= 0x10;
            JournalBlock(3)[at] ^= 0x10;
            Assert.Empty(Scan(0, 1).Transactions);
            JournalBlock(0)[at] ^= 0x10;
            JournalBlock(3)[at] ^= 0x10;
        }
    }
}
