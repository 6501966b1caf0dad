using IntegrityFs.Cli.Commands;

namespace IntegrityFs.Cli.Tests;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("/img /mnt -o keyfile=/k", true)]
    [InlineData("img mnt", true)]
    [InlineData("-o keyfile=/k /img /mnt", true)]
    [InlineData("-okeyfile=/k /img /mnt", true)]
    [InlineData("mkfs img", false)]
    [InlineData("status --json /mnt", false)]
    [InlineData("fsck -n img", false)]
    [InlineData("--help", false)]
    [InlineData("--version x", false)]
    [InlineData("help mount", false)]
    [InlineData("img", false)]
    public void A_source_and_a_directory_without_a_command_mean_mount(string line, bool mount) =>
        Assert.Equal(mount, CommandLine.MeansMount(line.Split(' ')));

    [Theory]
    [InlineData("mkfs", 1)]
    [InlineData("mkfs --nonsense img", 1)]
    [InlineData("mkfs --key-file a --passphrase img", 1)]
    [InlineData("mkfs --size -1 --key-file /nonexistent/k /nonexistent/img", 1)]
    [InlineData("mkfs --size 512K --key-file /nonexistent/k /nonexistent/img", 16)]
    [InlineData("mkfs --size 1G --key-file /nonexistent/k /nonexistent/img", 17)]
    [InlineData("mkfs --size 1G /nonexistent/img", 1)]
    [InlineData("status /nonexistent/img", 2)]
    [InlineData("status /", 18)]
    [InlineData("dump nonsense --key-file /nonexistent/k", 1)]
    [InlineData("completion tcsh", 1)]
    [InlineData("key", 1)]
    [InlineData("nonsense", 1)]
    [InlineData("fsck", 16)]
    [InlineData("fsck -n -y --key-file a img", 16)]
    [InlineData("fsck --nonsense img", 16)]
    [InlineData("fsck -n --key-file /nonexistent/k /nonexistent/img", 8)]
    [InlineData("completion bash", 0)]
    [InlineData("mkfs --help", 0)]
    [InlineData("fsck --help", 0)]
    [InlineData("crashtest", 2)]
    [InlineData("crashtest nonsense", 2)]
    [InlineData("crashtest run --nonsense", 2)]
    [InlineData("crashtest run --workload nonsense", 2)]
    [InlineData("crashtest run --help", 0)]
    [InlineData("--help", 0)]
    public void Every_outcome_has_its_exit_code(string line, int code) =>
        Assert.Equal(code, Quietly(() => CommandLine.Run(line.Split(' '))));

    [Theory]
    [InlineData("/img", 33)]
    [InlineData("/nonexistent/img /tmp -o keyfile=/k", 34)]
    [InlineData("/nonexistent/img /tmp -o nonsense", 33)]
    [InlineData("--help", 0)]
    public void A_refused_mount_has_bits_of_mount8(string line, int code) =>
        Assert.Equal(code, Quietly(() => MountCommand.Run(line.Split(' '), asHelper: true)));

    [Theory]
    [InlineData("/", 32)]
    [InlineData("--help", 0)]
    [InlineData("-x", 33)]
    public void A_refused_unmount_has_bits_of_mount8(string line, int code) =>
        Assert.Equal(code, Quietly(() => UmountCommand.Run(line.Split(' '), asHelper: true)));

    [Theory]
    [InlineData("bash", "complete -F _integrityfs integrityfs")]
    [InlineData("zsh", "#compdef integrityfs")]
    [InlineData("fish", "complete -c integrityfs")]
    public void Completion_scripts_are_there_for_three_shells(string shell, string part)
    {
        string script = CompletionCommand.Script(shell);
        Assert.Contains(part, script, StringComparison.Ordinal);
        foreach (string command in new[] { "mkfs", "mount", "umount", "fsck", "status", "dump", "key", "crashtest" })
        {
            Assert.Contains(command, script, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_hexadecimal_dump_leaves_out_lines_of_zeros()
    {
        byte[] content = new byte[48];
        content[32] = (byte)'A';
        Assert.Equal("00020  41 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  A...............\n", DumpCommand.Hexadecimal(content));
    }

    private static readonly Lock s_console = new();

    private static int Quietly(Func<int> run)
    {
        lock (s_console)
        {
            TextWriter output = Console.Out, error = Console.Error;
            Console.SetOut(TextWriter.Null);
            Console.SetError(TextWriter.Null);
            try
            {
                return run();
            }
            finally
            {
                Console.SetOut(output);
                Console.SetError(error);
            }
        }
    }
}
