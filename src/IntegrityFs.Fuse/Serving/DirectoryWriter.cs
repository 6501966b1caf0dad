using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using IntegrityFs.FileSystem;
using IntegrityFs.Format;
using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

/// <summary>Packs directory entries into a reply until the kernel's buffer is full. One a thread, reused.</summary>
internal sealed class DirectoryWriter(ReplyBuffer reply) : IDirectorySink
{
    private int _limit;
    private bool _plus;
    private Validity _entry;
    private Validity _attributes;

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    /// <summary>True once an entry did not fit.</summary>
    public bool Full { get; private set; }

    /// <summary>Starts a listing of at most <paramref name="limit"/> bytes.</summary>
    public void Start(int limit, bool plus, Validity entry, Validity attributes)
    {
        _limit = Math.Min(limit, reply.Payload.Length);
        _plus = plus;
        _entry = entry;
        _attributes = attributes;
        Length = 0;
        Full = false;
    }

    /// <inheritdoc/>
    public bool Add(ReadOnlySpan<byte> name, InodeNumber inode, byte type, ulong nextCookie, in Attributes attributes)
    {
        int size = SizeOf(name.Length, _plus);
        if (size > _limit - Length)
        {
            Full = true;
            return false;
        }

        int at = Length;
        if (_plus)
        {
            at = reply.Put(at, PlusEntry(name, attributes));
        }

        at = reply.Put(at, new DirectoryEntryOut(inode.Value, nextCookie, (uint)name.Length, type));
        Span<byte> payload = reply.Payload;
        name.CopyTo(payload[at..]);
        payload[(at + name.Length)..(Length + size)].Clear();
        Length += size;
        return true;
    }

    /// <summary>Bytes that the first entry of a listing with attributes takes.</summary>
    public static int SizeOfPlusEntry(ReadOnlySpan<byte> listing) =>
        SizeOf((int)MemoryMarshal.Read<DirectoryEntryOut>(listing[Unsafe.SizeOf<EntryOut>()..]).NameLength, plus: true);

    private static int SizeOf(int nameLength, bool plus) =>
        ((plus ? Unsafe.SizeOf<EntryOut>() : 0) + Unsafe.SizeOf<DirectoryEntryOut>() + nameLength + 7) & ~7;

    // Node 0 tells the kernel to take nothing but the name: for "." and "..", on which it keeps no lookup count, and
    // for an inode that could not be read, whose error is to show when somebody asks for it.
    private EntryOut PlusEntry(ReadOnlySpan<byte> name, in Attributes attributes) =>
        attributes.Mode == 0 || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8)
            ? default
            : EntryOut.From(attributes, _entry, _attributes);
}
