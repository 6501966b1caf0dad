// Key files are raw bytes, all of them: no line end is cut off, nothing is decoded. A file that others may read or
// change is refused, because a secret that everybody on the machine knows protects nothing.
using Microsoft.Win32.SafeHandles;

namespace IntegrityFs.Keys;

/// <summary>The content of a file of 32 to 8192 bytes.</summary>
public sealed class KeyFileCredential : KeyMaterialCredential
{
    private const string CredentialPrefix = "credential:";

    /// <summary>Reads a key file. Also a pipe: /proc/self/fd/N.</summary>
    /// <param name="path">The file.</param>
    /// <param name="allowShared">Accept a file that group or others may read or write.</param>
    /// <exception cref="CredentialException">It cannot be read, has a wrong size, or is accessible to others.</exception>
    public KeyFileCredential(string path, bool allowShared = false)
        : base(ReadFile(path, allowShared))
    {
    }

    private KeyFileCredential(SecretMemory secret)
        : base(secret)
    {
    }

    /// <summary>Key material that the caller already has; the caller zeroes its own copy.</summary>
    public static KeyFileCredential FromBytes(ReadOnlySpan<byte> material)
    {
        CheckSize(material.Length, "the key material");
        return new KeyFileCredential(SecretMemory.CopyOf(material));
    }

    /// <summary>Reads what a key file option names: a path, or "credential:NAME" for a file that systemd has put into
    /// the directory of credentials. That directory goes away with the service's start: read early.</summary>
    /// <param name="source">The option's value.</param>
    /// <param name="allowShared">As in the constructor; never needed for "credential:NAME".</param>
    /// <param name="credentialsDirectory">Value of CREDENTIALS_DIRECTORY; null reads the environment.</param>
    public static KeyFileCredential Open(string source, bool allowShared = false, string? credentialsDirectory = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (!source.StartsWith(CredentialPrefix, StringComparison.Ordinal))
        {
            return new KeyFileCredential(source, allowShared);
        }

        string name = source[CredentialPrefix.Length..];
        if (name.Length is 0 or > 255 || name is "." or ".." || name.AsSpan().ContainsAny('/', '\0'))
        {
            throw new CredentialException("key file: \"credential:\" must be followed by a plain file name");
        }

        string? directory = credentialsDirectory ?? Environment.GetEnvironmentVariable("CREDENTIALS_DIRECTORY");
        if (string.IsNullOrEmpty(directory))
        {
            throw new CredentialException(
                $"key file: credential {name} is wanted but CREDENTIALS_DIRECTORY is not set");
        }

        // systemd protects that directory itself, in part by ACLs, which show as group bits.
        return new KeyFileCredential(Path.Combine(directory, name), allowShared: true);
    }

    private static SecretMemory ReadFile(string path, bool allowShared)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        SecretMemory? memory = null;
        try
        {
            using SafeFileHandle handle = File.OpenHandle(
                path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (!allowShared && IsAccessibleToOthers(handle))
            {
                throw new CredentialException(
                    $"key file {path}: group or others may read or write it; chmod 600 {path}");
            }

            // Without a buffer of its own the stream reads straight into the locked memory; it takes pipes too.
            using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 0);
            memory = new SecretMemory(MaxBytes + 1);
            int length = 0;
            int step;
            while ((step = stream.Read(memory.Span[length..])) > 0)
            {
                length += step;
            }

            CheckSize(length, $"key file {path}");
            memory.Shorten(length);
            return memory;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            memory?.Dispose();
            throw new CredentialException($"key file {path} cannot be read: {Reason(failure)}", failure);
        }
        catch (CredentialException)
        {
            memory?.Dispose();
            throw;
        }
    }

    private static string Reason(Exception failure) => failure switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such file",
        UnauthorizedAccessException => "permission denied",
        _ => failure.Message,
    };

    private static bool IsAccessibleToOthers(SafeFileHandle handle)
    {
        const UnixFileMode shared = UnixFileMode.GroupRead | UnixFileMode.GroupWrite
            | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        return !OperatingSystem.IsWindows() && (File.GetUnixFileMode(handle) & shared) != 0;
    }
}
