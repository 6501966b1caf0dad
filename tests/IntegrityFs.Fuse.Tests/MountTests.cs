using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace IntegrityFs.Fuse.Tests;

/// <summary>A real mount, served by another process: this one may be stopped by its garbage collector at any time.</summary>
public sealed class MountTests
{
    [Fact]
    public void A_mounted_file_system_does_what_programs_ask_and_ends_cleanly()
    {
        using var mount = new ServedMount();
        string file = Path.Combine(mount.Directory, "file");
        byte[] data = RandomNumberGenerator.GetBytes(3_000_001);

        File.WriteAllBytes(file, data);
        Directory.CreateDirectory(Path.Combine(mount.Directory, "a", "b"));
        File.Move(file, Path.Combine(mount.Directory, "a", "b", "moved"));
        File.Copy(Path.Combine(mount.Directory, "a", "b", "moved"), file);
        File.CreateSymbolicLink(Path.Combine(mount.Directory, "link"), "file");

        Assert.Equal(data, File.ReadAllBytes(Path.Combine(mount.Directory, "link")));
        Assert.Equal(["a", "file", "link"], Directory.GetFileSystemEntries(mount.Directory).Select(Path.GetFileName).Order());
        using (FileStream stream = File.Open(file, FileMode.Open))
        {
            stream.SetLength(10);
            stream.Seek(5, SeekOrigin.Begin);
            stream.Write([1, 2, 3, 4, 5, 6, 7, 8]);
            stream.Flush(flushToDisk: true);
        }

        Assert.Equal([.. data[..5], 1, 2, 3, 4, 5, 6, 7, 8], File.ReadAllBytes(file));
        Assert.Throws<IOException>(() => Directory.Delete(Path.Combine(mount.Directory, "a", "b")));
        Directory.Delete(Path.Combine(mount.Directory, "a"), recursive: true);
        File.Delete(file);
        Assert.False(File.Exists(file));

        string said = mount.Terminate(out int code);
        Assert.Equal(0, code);
        Assert.Contains("closed", said, StringComparison.Ordinal);
        Assert.Contains("exit Unmounted", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Concurrent_readers_and_writers_each_see_their_own_bytes()
    {
        using var mount = new ServedMount();
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, worker =>
        {
            string file = Path.Combine(mount.Directory, $"file-{worker}");
            byte[] data = new byte[500_000];
            for (int round = 0; round < 5; round++)
            {
                Array.Fill(data, (byte)((worker * 16) + round));
                File.WriteAllBytes(file, data);
                Assert.Equal(data, File.ReadAllBytes(file));
            }
        });
    }

    [Fact]
    public void A_synchronous_write_is_followed_by_a_sync()
    {
        using var mount = new ServedMount();
        using (var stream = new FileStream(Path.Combine(mount.Directory, "f"), FileMode.Create, FileAccess.Write, FileShare.None, 1, FileOptions.WriteThrough))
        {
            stream.Write([1]);
            stream.Write([2]);
        }

        Assert.Contains("2 syncs", mount.Terminate(out _), StringComparison.Ordinal);
    }

    [Fact]
    public void A_refused_mount_ends_with_one_line_and_the_helpers_exit_code()
    {
        using Process server = ServedMount.Start("/dev/null/nowhere");
        string complaint = server.StandardError.ReadToEnd();
        Assert.True(server.WaitForExit(20_000));
        Assert.Equal(32, server.ExitCode);
        Assert.Contains("cannot mount", complaint, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mount_that_the_kernel_refuses_does_not_hang()
    {
        string directory = System.IO.Directory.CreateTempSubdirectory("fuse-refused-").FullName;
        try
        {
            using Process server = ServedMount.Start(directory, "--fuseblk", "--source", "/dev/null");
            Assert.True(server.WaitForExit(20_000));
            Assert.Equal(32, server.ExitCode);
        }
        finally
        {
            System.IO.Directory.Delete(directory);
        }
    }
}

/// <summary>The null server as a child process with a mount of its own; unmounted and ended whatever happens.</summary>
internal sealed class ServedMount : IDisposable
{
    private readonly Process _server;
    private readonly System.Text.StringBuilder _said = new();

    public ServedMount()
    {
        Directory = System.IO.Directory.CreateTempSubdirectory("fuse-mount-").FullName;
        _server = Start(Directory, "--keep", "--size", "0");
        string? line;
        do
        {
            line = _server.StandardOutput.ReadLine();
            _said.AppendLine(line);
        }
        while (line?.StartsWith("ready", StringComparison.Ordinal) == false);

        if (line == null)
        {
            string complaint = _server.StandardError.ReadToEnd();
            Dispose();
            Assert.Fail($"a mount is needed and impossible here: {complaint}");
        }
    }

    public string Directory { get; }

    public static Process Start(params string[] arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "NullServer.dll");
        var start = new ProcessStartInfo("dotnet", [program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        return Process.Start(start)!;
    }

    /// <summary>Sends SIGTERM and waits; what the server said.</summary>
    public string Terminate(out int code)
    {
        Assert.Equal(0, Kill(_server.Id, 15));
        _said.Append(_server.StandardOutput.ReadToEnd());
        Assert.True(_server.WaitForExit(20_000));
        code = _server.ExitCode;
        return _said.ToString();
    }

    public void Dispose()
    {
        if (!_server.HasExited)
        {
            Process.Start("umount", ["-l", Directory]).WaitForExit();
            if (!_server.WaitForExit(10_000))
            {
                _server.Kill();
            }
        }

        _server.Dispose();
        System.IO.Directory.Delete(Directory);
    }

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Kill(int process, int signal);
}
