using CsCheck;

namespace IntegrityFs.Cli.Tests;

public sealed class SizeTextTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("4096", 4096)]
    [InlineData("1K", 1024)]
    [InlineData("64M", 64L << 20)]
    [InlineData("64MiB", 64L << 20)]
    [InlineData("64MB", 64L << 20)]
    [InlineData("1G", 1L << 30)]
    [InlineData("1g", 1L << 30)]
    [InlineData("2T", 2L << 40)]
    [InlineData("1P", 1L << 50)]
    [InlineData("9223372036854775807", long.MaxValue)]
    public void Sizes_are_powers_of_1024(string text, long bytes)
    {
        Assert.True(SizeText.TryParse(text, out long parsed));
        Assert.Equal(bytes, parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("-1G")]
    [InlineData("+1G")]
    [InlineData("G")]
    [InlineData("1.5G")]
    [InlineData("1 G")]
    [InlineData("1X")]
    [InlineData("1GG")]
    [InlineData("0x10")]
    [InlineData("9223372036854775808")]
    [InlineData("8388608T")]
    [InlineData("9007199254740992K")]
    public void What_is_no_size_or_does_not_fit_is_refused(string text) =>
        Assert.False(SizeText.TryParse(text, out _));

    [Fact]
    public void A_bad_size_is_a_usage_error_that_names_the_option()
    {
        var failure = Assert.Throws<CommandFailure>(() => SizeText.Parse("--size", "-1"));
        Assert.Equal(Cause.Usage, failure.Cause);
        Assert.Contains("--size", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_number_with_every_unit_is_exact_or_refused() =>
        Gen.Select(Gen.Long[0, long.MaxValue], Gen.Int[0, 5]).Sample((number, unit) =>
        {
            string text = number + new[] { "", "K", "M", "G", "T", "P" }[unit];
            UInt128 expected = (UInt128)number << (unit * 10);
            Assert.Equal(expected <= long.MaxValue, SizeText.TryParse(text, out long bytes));
            if (expected <= long.MaxValue)
            {
                Assert.Equal(expected, (UInt128)bytes);
            }
        });
}
