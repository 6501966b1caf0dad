// Promise: every block of every file that has content is read and held against its tag; what does not fit is told with file,
// bytes and block. Nothing is re-tagged: the only repairs are of what the metadata itself disproves. Goes through the catalog
// in key order, a batch of extents at a time, so memory is bounded: one batch and a megabyte of content.
using System.Globalization;
using System.Runtime.InteropServices;
using IntegrityFs.Catalog.Content;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Catalog;

/// <summary>Verifies the content of files; the tree is whole.</summary>
internal sealed class ContentCheck(ProtectedVolume volume, CatalogStore store, Func<InodeNumber, string?> pathOf)
{
    private const int ChunkBytes = 1 << 20;
    private const int BatchExtents = 256;
    private const int Alignment = 4096;
    private readonly List<(InodeNumber Inode, long Size, FileExtent Extent)> _batch = [];
    private readonly CatalogRepairs _repairs = new(volume, 0, static () => { });
    private CatalogKey _from = CatalogKey.Lowest;
    private InodeNumber _inode;
    private long _size;
    private long _done;

    public void Run(CheckPass pass)
    {
        // Aligned, so that whole blocks are read straight into it.
        byte[] memory = GC.AllocateUninitializedArray<byte>(Math.Max(ChunkBytes, volume.BlockSize) + Alignment, pinned: true);
        int misplaced = (int)(Marshal.UnsafeAddrOfPinnedArrayElement(memory, 0) & (Alignment - 1));
        Span<byte> chunk = memory.AsSpan(Alignment - misplaced, memory.Length - Alignment);
        bool more = true;
        while (more)
        {
            more = Fill();
            foreach ((InodeNumber inode, long size, FileExtent extent) in _batch)
            {
                Verify(pass, inode, size, extent, chunk);
            }
        }
    }

    /// <summary>Collects the next extents with content; false where the end is reached.</summary>
    private bool Fill()
    {
        _batch.Clear();
        int looked = 0;
        using ReadScope scope = volume.EnterRead();
        using CatalogCursor cursor = store.Tree.From(_from);
        while (cursor.MoveNext())
        {
            if (_batch.Count == BatchExtents || ++looked > 64 * BatchExtents)
            {
                _from = cursor.Key;
                return true;
            }

            Collect(cursor.Key, cursor.Value);
        }

        return false;
    }

    /// <summary>What is malformed has been told by the check of the items.</summary>
    private void Collect(CatalogKey key, ReadOnlySpan<byte> value)
    {
        try
        {
            if (key.Kind == ItemKind.Inode)
            {
                _inode = new InodeNumber(key.Inode);
                _size = 0;
                _size = InodeItems.Decode(value).Size;
            }
            else if (key.Kind == ItemKind.Extent)
            {
                ExtentItem item = ExtentItem.Read(value, volume.TotalBlocks);
                if (!item.Unwritten && key.Inode == _inode.Value && key.Offset < (ulong)(FileContent.MaxFileSize / volume.BlockSize))
                {
                    _batch.Add((_inode, _size, new FileExtent((long)key.Offset, item.Start, item.Length, false)));
                }
            }
        }
        catch (CorruptFormatException)
        {
            _size = key.Kind == ItemKind.Inode ? 0 : _size;
        }
    }

    private void Verify(CheckPass pass, InodeNumber inode, long size, FileExtent extent, Span<byte> chunk)
    {
        int perRead = chunk.Length / volume.BlockSize;
        for (long at = extent.FileBlock; at < extent.End; at += perRead)
        {
            long end = Math.Min(extent.End, at + perRead);
            Span<byte> content = chunk[..(int)((end - at) * volume.BlockSize)];
            if (TryRead(extent.Run(at, end), content, out _))
            {
                CheckTail(pass, inode, size, extent, at, content);
            }
            else
            {
                VerifyEach(pass, inode, size, extent, at, content);
            }

            _done += end - at;
            pass.Progress("content", _done);
        }
    }

    private void VerifyEach(CheckPass pass, InodeNumber inode, long size, FileExtent extent, long from, Span<byte> content)
    {
        for (int i = 0; i * volume.BlockSize < content.Length; i++)
        {
            Span<byte> one = content.Slice(i * volume.BlockSize, volume.BlockSize);
            BlockRun run = extent.Run(from + i, from + i + 1);
            if (TryRead(run, one, out Exception? failure))
            {
                CheckTail(pass, inode, size, extent, from + i, one);
            }
            else
            {
                Bad(pass, inode, size, from + i, run.First, failure!);
            }
        }
    }

    private void Bad(CheckPass pass, InodeNumber inode, long size, long fileBlock, BlockNumber block, Exception failure)
    {
        string path = pathOf(inode) ?? $"(inode {inode})";
        long offset = fileBlock * volume.BlockSize;
        long length = Math.Max(0, Math.Min(volume.BlockSize, size - offset));
        bool neverData = failure is IntegrityException && volume.HasTag(block) && volume.PurposeOf(block) != BlockPurpose.Data;
        ProblemCode code = failure is DeviceException ? ProblemCode.DeviceError : neverData ? ProblemCode.ExtentNeverWritten : ProblemCode.DataBlockBad;
        string message = string.Create(CultureInfo.InvariantCulture, $"{path}: bytes {offset} to {offset + length - 1}: {failure.Message}");
        pass.Add(
            RepairStage.Content,
            new Problem(code, message, block.Value, inode.Value, path, offset, length),
            neverData ? _repairs.Unwrite(inode, fileBlock, fileBlock + 1) : null);
    }

    private void CheckTail(CheckPass pass, InodeNumber inode, long size, FileExtent extent, long from, Span<byte> content)
    {
        int used = (int)(size % volume.BlockSize);
        long last = size / volume.BlockSize;
        long index = last - from;
        if (used == 0 || index < 0 || index * volume.BlockSize >= content.Length)
        {
            return;
        }

        if (content.Slice((int)index * volume.BlockSize, volume.BlockSize)[used..].ContainsAnyExcept((byte)0))
        {
            BlockNumber block = extent.Run(last, last + 1).First;
            pass.Add(
                RepairStage.Content,
                new Problem(ProblemCode.TailNotZero, $"inode {inode}: bytes behind the end of the file in block {block} are not zero", block.Value, inode.Value),
                () => _repairs.Run(1, 0, operation =>
                {
                    operation.Modify(block, BlockPurpose.Data)[used..].Clear();
                    return true;
                }));
        }
    }

    private bool TryRead(BlockRun run, Span<byte> destination, out Exception? failure)
    {
        try
        {
            using ReadScope scope = volume.EnterRead();
            volume.ReadData(run, destination);
            failure = null;
            return true;
        }
        catch (Exception e) when (e is IntegrityException or DeviceException or CorruptFormatException)
        {
            failure = e;
            return false;
        }
    }
}
