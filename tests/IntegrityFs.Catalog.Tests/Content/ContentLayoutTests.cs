using IntegrityFs.Format;

namespace IntegrityFs.Catalog.Tests.Content;

/// <summary>The bytes of extents and of the note of an unfinished truncation.</summary>
public sealed class ContentLayoutTests
{
    [Fact]
    public void An_extent_item_is_these_bytes()
    {
        byte[] bytes = new byte[ExtentLayout.Size];
        bytes.AsSpan().Fill(0xFF);
        var item = new ExtentItem(new BlockNumber(0x0605_0403_0201), 0x0A0B0C, true);
        item.Write(bytes);
        Assert.Equal("0102030405060000" + "0C0B0A00" + "01" + "000000", Convert.ToHexString(bytes));
        Assert.Equal(item, ExtentItem.Read(bytes, BlockNumber.MaxValue));
        Assert.Throws<CorruptFormatException>(() => ExtentItem.Read(bytes, 0x0605_0403_0201));
    }

    [Fact]
    public void The_note_of_an_unfinished_truncation_is_these_bytes()
    {
        byte[] area = new byte[256];
        new PendingTruncation(new InodeNumber(0x0102), 0x03).Write(area);
        Assert.Equal("0201000000000000" + "0300000000000000", Convert.ToHexString(area.AsSpan(128, 16)));
        Assert.Equal(new PendingTruncation(new InodeNumber(0x0102), 3), PendingTruncation.Read(area));
        area[143] = 0x80;
        Assert.Throws<CorruptFormatException>(() => PendingTruncation.Read(area));
        Assert.Throws<CorruptFormatException>(() =>
        {
            byte[] keepOnly = new byte[256];
            keepOnly[136] = 1;
            PendingTruncation.Read(keepOnly);
        });
    }

    [Fact]
    public void A_note_that_names_no_inode_of_the_catalog_is_refused()
    {
        using var fixture = new ContentFixture();
        new PendingTruncation(new InodeNumber(9999), 0).Write(fixture.Volume.RootContent);
        Assert.Throws<CorruptFormatException>(() => fixture.Content.ResumeTruncations());
    }
}
