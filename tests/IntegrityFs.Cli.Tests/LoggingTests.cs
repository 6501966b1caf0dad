using IntegrityFs.Cli.Logging;
using Microsoft.Extensions.Logging;

namespace IntegrityFs.Cli.Tests;

public sealed class LoggingTests
{
    [Fact]
    public void The_journal_gets_the_values_of_a_message_as_fields()
    {
        var line = new LogLine(LogLevel.Error, "volume", "block 7 is bad", [new("Block", 7L), new("{OriginalFormat}", "block {Block} is bad")]);
        Assert.Equal(
            "PRIORITY=3\nSYSLOG_IDENTIFIER=integrityfs\nMESSAGE=block 7 is bad\nINTEGRITYFS_BLOCK=7\n",
            JournalSink.Format(line));
    }

    [Fact]
    public void A_file_name_with_a_newline_cannot_forge_a_field()
    {
        var line = new LogLine(LogLevel.Error, "volume", "x", [new("Path", "a\nMESSAGE=forged")]);
        Assert.DoesNotContain("\nMESSAGE=forged", JournalSink.Format(line), StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_file_gets_one_line_a_message()
    {
        string file = Path.GetTempFileName();
        try
        {
            using (ILoggerFactory factory = LogSinks.Daemon(file, LogLevel.Information))
            {
                ILogger logger = factory.CreateLogger("x");
                logger.LogInformation("first {Value}", "a\nb");
                logger.LogDebug("too fine");
                logger.LogError(new IOException("broken"), "second");
            }

            string[] lines = File.ReadAllLines(file);
            Assert.Equal(2, lines.Length);
            Assert.EndsWith("Information first a?b", lines[0], StringComparison.Ordinal);
            Assert.EndsWith("Error second: broken", lines[1], StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
