using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using IntegrityFs.FileSystem;

namespace IntegrityFs.Fuse.Protocol;

/// <summary>
/// What the kernel appends to CREATE, MKNOD, MKDIR, SYMLINK and TMPFILE: security labels, to be stored in the same
/// operation that creates the inode, and the caller's matching supplementary group. The group is checked and dropped:
/// it serves servers that assume the caller's identity, and here the kernel itself decides who may create.
/// One instance a thread, reused; it remembers only offsets into the thread's request buffer.
/// </summary>
internal sealed class CreateExtensions(Serving.PageBuffer request) : IInitialXattrs
{
    private readonly Item[] _items = new Item[ExtensionHeader.MaxSecurityContexts];

    /// <inheritdoc/>
    public int Count { get; private set; }

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Name(int index) => request.Span.Slice(_items[index].NameStart, _items[index].NameLength);

    /// <inheritdoc/>
    public ReadOnlySpan<byte> Value(int index) => request.Span.Slice(_items[index].ValueStart, _items[index].ValueLength);

    /// <summary>Parses <paramref name="length"/> bytes at <paramref name="start"/> of the request buffer. False where
    /// they are malformed; nothing is offered then.</summary>
    public bool TryParse(int start, int length)
    {
        Count = 0;
        int end = start + length;
        bool contextsSeen = false;
        while (end - start >= Unsafe.SizeOf<ExtensionHeader>())
        {
            var header = MemoryMarshal.Read<ExtensionHeader>(request.Span[start..end]);
            if (header.Size < Unsafe.SizeOf<ExtensionHeader>() || header.Size > (uint)(end - start))
            {
                return Fail();
            }

            int bodyStart = start + Unsafe.SizeOf<ExtensionHeader>();
            int bodyEnd = start + (int)header.Size;
            if (header.Type <= ExtensionHeader.MaxSecurityContexts)
            {
                if (contextsSeen || !TryParseContexts(bodyStart, bodyEnd, (int)header.Type))
                {
                    return Fail();
                }

                contextsSeen = true;
            }
            else if (header.Type == ExtensionHeader.Groups && !GroupsFit(request.Span[bodyStart..bodyEnd]))
            {
                return Fail();
            }

            start += Align((int)header.Size);
        }

        return true;
    }

    private static int Align(int length) => (length + 7) & ~7;

    private static bool GroupsFit(ReadOnlySpan<byte> body) =>
        MemoryMarshal.TryRead(body, out uint count) && count <= (uint)(body.Length - sizeof(uint)) / sizeof(uint);

    private bool Fail()
    {
        Count = 0;
        return false;
    }

    private bool TryParseContexts(int start, int end, int count)
    {
        for (int i = 0; i < count; i++)
        {
            int headerSize = Unsafe.SizeOf<SecurityContextHeader>();
            if (end - start < headerSize)
            {
                return false;
            }

            ReadOnlySpan<byte> context = request.Span[start..end];
            uint valueLength = MemoryMarshal.Read<SecurityContextHeader>(context).Size;
            int nameLength = context[headerSize..].IndexOf((byte)0);
            if (nameLength <= 0)
            {
                return false;
            }

            int valueStart = headerSize + nameLength + 1;
            if (valueLength > (uint)(context.Length - valueStart))
            {
                return false;
            }

            _items[i] = new Item(start + headerSize, nameLength, start + valueStart, (int)valueLength);
            start = Math.Min(end, start + Align(valueStart + (int)valueLength));
        }

        Count = count;
        return true;
    }

    private readonly record struct Item(int NameStart, int NameLength, int ValueStart, int ValueLength);
}
