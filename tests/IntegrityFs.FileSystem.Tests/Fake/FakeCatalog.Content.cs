using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem.Tests;

/// <content>File content: blocks in a dictionary.</content>
internal sealed partial class FakeCatalog
{
    public int ReadContent(InodeNumber inode, in InodeRecord record, long offset, Span<byte> buffer)
    {
        DemandScope();
        ThrowIfBad(inode);
        FakeNode node = Nodes[inode.Value];
        int length = (int)Math.Min(buffer.Length, Math.Max(0, record.Size - offset));
        for (int done = 0; done < length;)
        {
            long block = (offset + done) / Block;
            int within = (int)((offset + done) % Block);
            int part = Math.Min(Block - within, length - done);
            if (node.Blocks.TryGetValue(block, out byte[]? content))
            {
                content.AsSpan(within, part).CopyTo(buffer[done..]);
            }
            else
            {
                buffer.Slice(done, part).Clear();
            }

            done += part;
        }

        return length;
    }

    public Errno SeekContent(InodeNumber inode, in InodeRecord record, long offset, bool hole, out long result)
    {
        DemandScope();
        ThrowIfBad(inode);
        result = 0;
        FakeNode node = Nodes[inode.Value];
        while (offset < record.Size)
        {
            if (node.Blocks.ContainsKey(offset / Block) != hole)
            {
                result = offset;
                return Errno.OK;
            }

            offset = ((offset / Block) + 1) * Block;
        }

        result = record.Size;
        return hole ? Errno.OK : Errno.ENXIO;
    }

    public Errno WriteContent(InodeNumber inode, long offset, ReadOnlySpan<byte> data, in ContentChange change, out int written)
    {
        written = 0;
        BeginOwn();
        try
        {
            if (IsReadOnly)
            {
                return Errno.EROFS;
            }

            ThrowIfBad(inode);
            if (!Nodes.TryGetValue(inode.Value, out FakeNode? node))
            {
                return Errno.ENOENT;
            }

            Demand(data.Length <= MaxFileSize - offset, "the floor above checks the greatest size");
            while (written < data.Length)
            {
                int within = (int)((offset + written) % Block);
                int part = Math.Min(Block - within, data.Length - written);
                if (!TryGetBlock(node, (offset + written) / Block, out byte[]? content))
                {
                    Touch(node, change, written > 0);
                    return Errno.ENOSPC;
                }

                data.Slice(written, part).CopyTo(content.AsSpan(within));
                written += part;
                node.Record.Size = Math.Max(node.Record.Size, offset + written);
            }

            Touch(node, change, true);
            return Errno.OK;
        }
        finally
        {
            _gate.ExitWriteLock();
        }
    }

    public Errno Truncate(InodeNumber inode, long size, in ContentChange change)
    {
        BeginOwn();
        try
        {
            if (!Nodes.TryGetValue(inode.Value, out FakeNode? node))
            {
                return Errno.ENOENT;
            }

            ThrowIfBad(inode);
            Demand(size >= 0 && size <= MaxFileSize, "the floor above checks the greatest size");
            if (size < node.Record.Size)
            {
                Zero(node, size, node.Record.Size - size, keepBlocks: false);
            }

            node.Record.Size = size;
            Touch(node, change, true);
            return Errno.OK;
        }
        finally
        {
            _gate.ExitWriteLock();
        }
    }

    public Errno Allocate(InodeNumber inode, long offset, long length, AllocateMode mode, in ContentChange change)
    {
        BeginOwn();
        try
        {
            FakeNode node = Nodes[inode.Value];
            if (mode is AllocateMode.PunchHole or AllocateMode.ZeroRange or AllocateMode.ZeroRangeKeepSize)
            {
                Zero(node, offset, length, keepBlocks: mode != AllocateMode.PunchHole);
            }

            for (long block = offset / Block; mode != AllocateMode.PunchHole && block <= (offset + length - 1) / Block; block++)
            {
                if (!TryGetBlock(node, block, out _))
                {
                    return Errno.ENOSPC;
                }
            }

            if (mode is AllocateMode.Extend or AllocateMode.ZeroRange)
            {
                node.Record.Size = Math.Max(node.Record.Size, offset + length);
            }

            Touch(node, change, true);
            return Errno.OK;
        }
        finally
        {
            _gate.ExitWriteLock();
        }
    }

    private static void Touch(FakeNode node, in ContentChange change, bool changed)
    {
        if (!changed)
        {
            return;
        }

        node.Record.Mtime = node.Record.Ctime = change.Time;
        node.Record.Mode &= ~change.ClearMode;
        node.Record.Blocks = node.Blocks.Count;
        if (change.RemoveCapability)
        {
            node.Xattrs.GetAlternateLookup<ReadOnlySpan<byte>>().Remove("security.capability"u8);
        }
    }

    private void ThrowIfBad(InodeNumber inode)
    {
        if (BadContent.TryGetValue(inode.Value, out Exception? error))
        {
            throw error;
        }
    }

    private void Zero(FakeNode node, long offset, long length, bool keepBlocks)
    {
        long end = offset + length;
        foreach (long block in node.Blocks.Keys.ToArray())
        {
            long start = Math.Max(offset, block * Block);
            long stop = Math.Min(end, (block + 1) * Block);
            if (start >= stop)
            {
                continue;
            }

            node.Blocks[block].AsSpan((int)(start - (block * Block)), (int)(stop - start)).Clear();
            bool whole = start == block * Block && (stop == (block + 1) * Block || stop >= node.Record.Size);
            if (!keepBlocks && whole)
            {
                node.Blocks.Remove(block);
                UsedBlocks--;
            }
        }
    }

    private bool TryGetBlock(FakeNode node, long block, out byte[]? content)
    {
        if (node.Blocks.TryGetValue(block, out content))
        {
            return true;
        }

        if (UsedBlocks >= TotalBlocks)
        {
            return false;
        }

        UsedBlocks++;
        node.Blocks[block] = content = new byte[Block];
        return true;
    }
}
