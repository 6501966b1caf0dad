using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using IntegrityFs.Fuse.Protocol;

namespace IntegrityFs.Fuse.Serving;

// A reply that the kernel did not take has given it nothing: what was counted for it (lookups, a handle) is taken back.
// Today's kernels wait for every request that was read, and refuse a reply only when the connection is aborted, after which
// no FORGET comes. The reply itself says what is to be taken back, so that serving does not keep account of it.
internal sealed partial class RequestHandler
{
    /// <summary>The last reply, of <paramref name="size"/> bytes, could not be sent.</summary>
    public void TakeBack(int size)
    {
        ReadOnlySpan<byte> reply = _reply.Message(size);
        ReadOnlySpan<byte> payload = reply[Unsafe.SizeOf<ReplyHeader>()..];
        if (MemoryMarshal.Read<ReplyHeader>(reply).Error != 0 || !_session.Gate.TryEnter(_slot))
        {
            return;
        }

        try
        {
            TakeBack(payload);
        }
        finally
        {
            _session.Gate.Leave(_slot);
        }
    }

    private void TakeBack(ReadOnlySpan<byte> payload)
    {
        switch (LastOperation)
        {
            case Opcode.Lookup or Opcode.Symlink or Opcode.MkNod or Opcode.MkDir or Opcode.Link:
                TakeBackEntry(payload);
                break;
            case Opcode.Create or Opcode.TmpFile:
                ulong node = MemoryMarshal.Read<EntryOut>(payload).Node;
                _fs.Release(MemoryMarshal.Read<OpenOut>(payload[Unsafe.SizeOf<EntryOut>()..]).Handle, Inode(node));
                TakeBackEntry(payload);
                break;
            case Opcode.Open:
                _fs.Release(MemoryMarshal.Read<OpenOut>(payload).Handle, Inode(MemoryMarshal.Read<RequestHeader>(RequestBuffer).Node));
                break;
            case Opcode.ReadDirPlus:
                while (!payload.IsEmpty)
                {
                    TakeBackEntry(payload);
                    payload = payload[DirectoryWriter.SizeOfPlusEntry(payload)..];
                }

                break;
        }
    }

    // Node 0 names nothing: a negative entry, or a name alone.
    private void TakeBackEntry(ReadOnlySpan<byte> payload) => Forget(MemoryMarshal.Read<EntryOut>(payload).Node, 1);
}
