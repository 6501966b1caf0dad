using IntegrityFs.Format;
using static IntegrityFs.Keys.Tests.KeyFixture;

namespace IntegrityFs.Keys.Tests;

[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class CredentialTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("integrityfs-keys-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private string KeyFile(int length, UnixFileMode mode = UnixFileMode.UserRead, string name = "key")
    {
        string path = Path.Combine(_directory, name);
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        File.WriteAllBytes(path, bytes);
        File.SetUnixFileMode(path, mode);
        return path;
    }

    private static KeySlotTable TableFor(Credential credential, MasterKey key, IntegrityFs.Device.IDevice device)
    {
        KeySlotTable table = KeySlotTable.Create(Uuid);
        table.Add(credential, key);
        table.Write(device, key);
        return KeySlotTable.Read(device);
    }

    [Theory]
    [InlineData(32)]
    [InlineData(8192)]
    public void A_key_file_of_allowed_size_opens_what_it_closed(int length)
    {
        using MasterKey key = Key();
        using var credential = new KeyFileCredential(KeyFile(length));
        KeySlotTable table = TableFor(credential, key, new IntegrityFs.Device.MemoryDevice(1 << 18));
        using var again = new KeyFileCredential(Path.Combine(_directory, "key"));
        using MasterKey back = table.Unlock(again);
        Assert.Equal(key.Bytes.ToArray(), back.Bytes.ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    [InlineData(8193)]
    [InlineData(100_000)]
    public void A_key_file_of_another_size_is_refused(int length)
    {
        CredentialException refused = Assert.Throws<CredentialException>(() => new KeyFileCredential(KeyFile(length)));
        Assert.Contains("32 to 8192 bytes", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_byte_of_a_key_file_counts_also_the_last_line_end()
    {
        byte[] bytes = new byte[40];
        using MasterKey key = Key();
        using KeyFileCredential plain = KeyFileCredential.FromBytes(bytes);
        KeySlotTable table = TableFor(plain, key, new IntegrityFs.Device.MemoryDevice(1 << 18));
        using KeyFileCredential longer = KeyFileCredential.FromBytes([.. bytes, (byte)'\n']);
        Assert.Throws<WrongKeyException>(() => table.Unlock(longer));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.OtherWrite)]
    public void A_key_file_that_others_may_touch_is_refused_unless_that_is_allowed(UnixFileMode shared)
    {
        string path = KeyFile(64, UnixFileMode.UserRead | UnixFileMode.UserWrite | shared);
        CredentialException refused = Assert.Throws<CredentialException>(() => new KeyFileCredential(path));
        Assert.Contains("group or others", refused.Message, StringComparison.Ordinal);
        new KeyFileCredential(path, allowShared: true).Dispose();
    }

    [Fact]
    public void A_missing_key_file_or_a_directory_is_named_in_the_refusal()
    {
        string missing = Path.Combine(_directory, "none");
        Assert.Contains(missing, Assert.Throws<CredentialException>(() => new KeyFileCredential(missing)).Message,
            StringComparison.Ordinal);
        Assert.Throws<CredentialException>(() => new KeyFileCredential(_directory));
    }

    [Fact]
    public void A_key_file_may_be_an_open_descriptor_or_a_pipe()
    {
        byte[] bytes = new byte[48];
        new Random(3).NextBytes(bytes);
        using var server = new System.IO.Pipes.AnonymousPipeServerStream(System.IO.Pipes.PipeDirection.Out);
        server.Write(bytes);
        using var client = server.ClientSafePipeHandle;
        using MasterKey key = Key();
        using KeyFileCredential direct = KeyFileCredential.FromBytes(bytes);
        KeySlotTable table = TableFor(direct, key, new IntegrityFs.Device.MemoryDevice(1 << 18));
        server.Dispose();
        using KeyFileCredential piped = KeyFileCredential.Open($"/proc/self/fd/{client.DangerousGetHandle()}");
        using MasterKey back = table.Unlock(piped);
        Assert.Equal(key.Bytes.ToArray(), back.Bytes.ToArray());
    }

    [Fact]
    public void A_systemd_credential_is_found_by_its_name_only()
    {
        KeyFile(64, UnixFileMode.UserRead | UnixFileMode.GroupRead, "volume.key");
        KeyFileCredential.Open("credential:volume.key", credentialsDirectory: _directory).Dispose();
        foreach (string bad in (string[])["credential:", "credential:..", "credential:a/b", "credential:../key"])
        {
            Assert.Throws<CredentialException>(() => KeyFileCredential.Open(bad, credentialsDirectory: _directory));
        }

        Assert.Throws<CredentialException>(
            () => KeyFileCredential.Open("credential:volume.key", credentialsDirectory: ""));
    }

    [Fact]
    public void A_passphrase_must_not_be_empty_or_endless()
    {
        Assert.Throws<CredentialException>(() => new PassphraseCredential([]));
        Assert.Throws<CredentialException>(() => new PassphraseCredential(new byte[4097]));
    }

    [Fact]
    public void A_master_key_is_random_has_32_bytes_and_is_gone_after_dispose()
    {
        MasterKey first = MasterKey.Generate();
        using MasterKey second = MasterKey.Generate();
        Assert.Equal(32, first.Bytes.Length);
        Assert.False(first.Bytes.SequenceEqual(second.Bytes));
        using MasterKey copy = MasterKey.FromBytes(first.Bytes);
        Assert.True(copy.Bytes.SequenceEqual(first.Bytes));
        first.Dispose();
        first.Dispose();
        Assert.Throws<ObjectDisposedException>(() => first.Bytes.Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => MasterKey.FromBytes(new byte[31]));
    }

    [Fact]
    public void A_key_of_the_kernels_keyring_opens_what_the_same_bytes_closed_and_can_be_removed_on_reading()
    {
        byte[] bytes = new byte[48];
        new Random(5).NextBytes(bytes);
        string name = $"integrityfs-test:{Guid.NewGuid():N}";
        if (Native.AddUserKey(name, bytes, Native.UserKeyring) < 0)
        {
            // A container without keyrings: the refusal must say so.
            Assert.Contains(name, Assert.Throws<CredentialException>(() => new KeyringCredential(name)).Message,
                StringComparison.Ordinal);
            return;
        }

        using MasterKey key = Key();
        using KeyFileCredential direct = KeyFileCredential.FromBytes(bytes);
        KeySlotTable table = TableFor(direct, key, new IntegrityFs.Device.MemoryDevice(1 << 18));
        using KeyMaterialCredential first = KeyMaterialCredential.OpenSource($"keyring:{name}");
        using MasterKey back = table.Unlock(first);
        Assert.Equal(key.Bytes.ToArray(), back.Bytes.ToArray());
        new KeyringCredential(name, remove: true).Dispose();
        Assert.Throws<CredentialException>(() => new KeyringCredential(name));
        Assert.Throws<CredentialException>(() => KeyMaterialCredential.OpenSource("keyring:"));
    }

    [Fact]
    public void A_key_of_the_kernels_keyring_that_is_too_short_is_refused()
    {
        string name = $"integrityfs-test:{Guid.NewGuid():N}";
        Native.AddUserKey(name, new byte[16], Native.UserKeyring);
        Assert.Throws<CredentialException>(() => new KeyringCredential(name, remove: true));
        nint serial = Native.SearchUserKey(name, Native.UserKeyring);
        if (serial >= 0)
        {
            Native.InvalidateKey(serial);
        }
    }
}
