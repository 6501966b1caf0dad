// The native corner of this floor: the key service of the kernel, which libc does not wrap.
using System.Runtime.InteropServices;

namespace IntegrityFs.Keys;

/// <summary>System calls of the kernel's keyrings.</summary>
internal static partial class Native
{
    internal const int KeyctlSearch = 10;
    internal const int KeyctlRead = 11;
    internal const int KeyctlInvalidate = 21;
    internal const int UserKeyring = -4;

    private static bool IsX64 => RuntimeInformation.ProcessArchitecture == Architecture.X64;

    private static nint AddKeyNumber => IsX64 ? 248 : 217;

    private static nint RequestKeyNumber => IsX64 ? 249 : 218;

    private static nint KeyctlNumber => IsX64 ? 250 : 219;

    /// <summary>Adds a key of type "user"; its serial, or −1 with errno.</summary>
    internal static nint AddUserKey(string description, ReadOnlySpan<byte> payload, int keyring) =>
        AddKey(AddKeyNumber, "user", description, payload, payload.Length, keyring);

    /// <summary>Finds a key of type "user" in the keyrings of the process, without asking user space to make one.</summary>
    internal static nint FindUserKey(string description) => RequestKey(RequestKeyNumber, "user", description, 0, 0);

    /// <summary>Finds a key of type "user" in one keyring.</summary>
    internal static nint SearchUserKey(string description, int keyring) =>
        Search(KeyctlNumber, KeyctlSearch, keyring, "user", description, 0);

    /// <summary>Reads a key; its whole length, or −1 with errno.</summary>
    internal static nint ReadKey(nint serial, Span<byte> destination) =>
        Read(KeyctlNumber, KeyctlRead, serial, destination, destination.Length);

    /// <summary>Removes a key from everywhere.</summary>
    internal static nint InvalidateKey(nint serial) => Invalidate(KeyctlNumber, KeyctlInvalidate, serial);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint AddKey(
        nint number, string type, string description, ReadOnlySpan<byte> payload, nint length, nint keyring);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint RequestKey(nint number, string type, string description, nint callout, nint keyring);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Search(
        nint number, nint operation, nint keyring, string type, string description, nint destination);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint Read(nint number, nint operation, nint serial, Span<byte> destination, nint length);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint Invalidate(nint number, nint operation, nint serial);
}
