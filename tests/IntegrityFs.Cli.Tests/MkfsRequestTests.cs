using IntegrityFs.Cli.Commands;

namespace IntegrityFs.Cli.Tests;

public sealed class MkfsRequestTests
{
    private static readonly KeySource s_key = new KeySource.KeyFile("/k");

    private static MkfsRequest Parse(string? size = null, string? blockSize = null, string? journalSize = null, string? label = null, string? uuid = null) =>
        MkfsCommand.Parse("/img", s_key, size, blockSize, journalSize, label, uuid, force: false, json: false);

    [Fact]
    public void Sizes_are_read_and_defaults_are_sensible()
    {
        MkfsRequest request = Parse(size: "1G", journalSize: "64M");
        Assert.Equal(1L << 30, request.Size);
        Assert.Equal(64L << 20, request.JournalSize);
        Assert.Equal(4096, request.BlockSize);
        Assert.Equal("", request.Label);
        Assert.NotEqual(Guid.Empty, request.Uuid);
        Assert.NotEqual(Parse().Uuid, request.Uuid);
    }

    [Theory]
    [InlineData("4096")]
    [InlineData("4K")]
    [InlineData("64K")]
    public void Block_sizes_are_powers_of_two_in_range(string size) =>
        Assert.True(int.IsPow2(Parse(blockSize: size).BlockSize));

    [Theory]
    [InlineData("512")]
    [InlineData("5000")]
    [InlineData("128K")]
    [InlineData("-4096")]
    [InlineData("4294967296K")]
    public void Other_block_sizes_are_usage_errors(string size) =>
        Assert.Equal(Cause.Usage, Assert.Throws<CommandFailure>(() => Parse(blockSize: size)).Cause);

    [Theory]
    [InlineData("0")]
    [InlineData("1023K")]
    public void A_volume_below_one_mebibyte_is_unsuitable(string size) =>
        Assert.Equal(Cause.Unsuitable, Assert.Throws<CommandFailure>(() => Parse(size: size)).Cause);

    [Theory]
    [InlineData("0")]
    [InlineData("4K")]
    [InlineData("8P")]
    public void A_journal_out_of_range_is_unsuitable(string size) =>
        Assert.Equal(Cause.Unsuitable, Assert.Throws<CommandFailure>(() => Parse(journalSize: size)).Cause);

    [Fact]
    public void A_label_has_at_most_64_bytes()
    {
        Assert.Equal(new string('a', 64), Parse(label: new string('a', 64)).Label);
        Assert.Throws<CommandFailure>(() => Parse(label: new string('a', 65)));
        Assert.Throws<CommandFailure>(() => Parse(label: new string('é', 33)));
        Assert.Throws<CommandFailure>(() => Parse(label: "a\nb"));
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("00000000-0000-0000-0000-000000000000")]
    [InlineData("{3f1c0e5a-2c1f-4b6e-9d53-8f0d6f1d2a10}")]
    public void What_is_no_uuid_is_a_usage_error(string uuid) =>
        Assert.Equal(Cause.Usage, Assert.Throws<CommandFailure>(() => Parse(uuid: uuid)).Cause);
}
