// The kernel's keyring as a transport: somebody (an initramfs, a login) has put key material there as a key of type
// "user". Keys of the types "logon" and "encrypted" cannot be read from user space and are not offered.
using System.Runtime.InteropServices;

namespace IntegrityFs.Keys;

/// <summary>The payload of a key of type "user" in the kernel's keyrings.</summary>
public sealed class KeyringCredential : KeyMaterialCredential
{
    /// <summary>Reads the key.</summary>
    /// <param name="description">Its description, as in <c>keyctl add user DESCRIPTION</c>.</param>
    /// <param name="remove">Remove it from the kernel once it has been read.</param>
    /// <exception cref="CredentialException">There is none, it may not be read, or it has a wrong size.</exception>
    public KeyringCredential(string description, bool remove = false)
        : base(Fetch(description, remove))
    {
    }

    private static SecretMemory Fetch(string description, bool remove)
    {
        ArgumentException.ThrowIfNullOrEmpty(description);
        nint serial = Native.FindUserKey(description);
        if (serial < 0)
        {
            // Not in the session; the user's own keyring is not always linked to it.
            serial = Native.SearchUserKey(description, Native.UserKeyring);
        }

        if (serial < 0)
        {
            throw Failure(description, "not found");
        }

        var memory = new SecretMemory(MaxBytes);
        try
        {
            nint length = Native.ReadKey(serial, memory.Span);
            if (length < 0)
            {
                throw Failure(description, "cannot be read");
            }

            CheckSize(length, $"key {description} of the kernel's keyring");
            memory.Shorten((int)length);
            if (remove && Native.InvalidateKey(serial) < 0)
            {
                throw Failure(description, "cannot be removed");
            }

            return memory;
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    private static CredentialException Failure(string description, string what) => new(
        $"key {description} of the kernel's keyring: {what}: "
        + Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));
}
