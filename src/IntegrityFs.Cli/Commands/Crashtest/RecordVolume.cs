using System.Security.Cryptography;
using IntegrityFs.CrashTesting;

namespace IntegrityFs.Cli.Commands.Crashtest;

/// <summary>The volume that a program is recorded on: the user's, or a fresh one with a throw-away key.</summary>
internal sealed class RecordVolume : IDisposable
{
    /// <summary>Small, so that states are recovered fast, and large enough for most programs' tests.</summary>
    public const string DefaultSize = "64M";

    private const string JournalSize = "4M";

    private readonly string? _temporaryKey;

    private RecordVolume(string path, KeySource key, byte[] throwAwayKey, string? temporaryKey)
    {
        Path = path;
        Key = key;
        ThrowAwayKey = throwAwayKey;
        _temporaryKey = temporaryKey;
    }

    public string Path { get; }

    public KeySource Key { get; }

    /// <summary>Empty where the key is the user's.</summary>
    public byte[] ThrowAwayKey { get; }

    /// <summary>Opens an existing image, or makes one where there is none or <paramref name="fresh"/> asks for it.</summary>
    public static RecordVolume Prepare(string image, KeySource key, bool fresh, string? size)
    {
        string path = System.IO.Path.GetFullPath(image);
        if (File.Exists(path) && !fresh)
        {
            return size is null
                ? new RecordVolume(path, Credentials.AskNow(Absolute(key), path), [], null)
                : throw new CommandFailure(Cause.WouldOverwrite, $"{image}: exists; --fresh makes it anew");
        }

        if (key is not KeySource.Unspecified)
        {
            Format(path, Absolute(key), size ?? DefaultSize);
            return new RecordVolume(path, Absolute(key), [], null);
        }

        (string file, byte[] bytes) = NewKey();
        try
        {
            Format(path, new KeySource.KeyFile(file), size ?? DefaultSize);
            return new RecordVolume(path, new KeySource.KeyFile(file), bytes, file);
        }
        catch
        {
            File.Delete(file);
            throw;
        }
    }

    /// <summary>A fresh key in a file that only this user can read.</summary>
    public static (string File, byte[] Bytes) NewKey() => KeyFile(RandomNumberGenerator.GetBytes(32));

    /// <summary>A key in a file that only this user can read; whoever asks for it deletes it.</summary>
    public static (string File, byte[] Bytes) KeyFile(byte[] bytes)
    {
        string file = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "integrityfs-" + System.IO.Path.GetRandomFileName() + ".key");
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
        using var stream = new FileStream(file, options);
        stream.Write(bytes);
        return (file, bytes);
    }

    public static void Format(string path, KeySource key, string size) =>
        MkfsCommand.Create(MkfsCommand.Parse(path, key, size, null, JournalSize, "crashtest", null, force: true, json: false));

    /// <summary>The image as it is now.</summary>
    public PageImage ReadImage() => ReadImage(Path);

    public static PageImage ReadImage(string path)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        long length = stream.Length / 512 * 512;
        if (length == 0)
        {
            throw new CommandFailure(Cause.Unsuitable, $"{path}: is empty, or no regular file");
        }

        var image = new PageImage(length);
        byte[] piece = new byte[1 << 20];
        long offset = 0;
        int read;
        while ((read = stream.ReadAtLeast(piece, piece.Length, throwOnEndOfStream: false)) > 0)
        {
            for (int at = 0; at < read && offset + at < length; at += PageImage.PageSize)
            {
                ReadOnlySpan<byte> page = piece.AsSpan(at, (int)Math.Min(Math.Min(PageImage.PageSize, read - at), length - offset - at));
                if (page.IndexOfAnyExcept((byte)0) >= 0)
                {
                    image.Write(offset + at, page);
                }
            }

            offset += read;
        }

        return image;
    }

    public void Dispose()
    {
        if (_temporaryKey is not null)
        {
            File.Delete(_temporaryKey);
        }
    }

    private static KeySource Absolute(KeySource key) => key switch
    {
        KeySource.KeyFile file => new KeySource.KeyFile(Credentials.AbsoluteKeyFile(file.Path)),
        KeySource.PassphraseFile file => new KeySource.PassphraseFile(System.IO.Path.GetFullPath(file.Path)),
        _ => key,
    };
}
