using System.Collections.Immutable;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;

namespace IntegrityFs.CrashTesting;

/// <summary>4096 bytes of a file, and their hash.</summary>
public sealed class FilePage
{
    /// <summary>Bytes in a page.</summary>
    public const int Size = 4096;

    private readonly byte[] _bytes;

    /// <summary>Keeps the array.</summary>
    public FilePage(byte[] bytes)
    {
        _bytes = bytes;
        Hash = XxHash3.HashToUInt64(bytes);
    }

    /// <summary>Hash of all bytes.</summary>
    public ulong Hash { get; }

    /// <summary>The bytes.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;
}

/// <summary>Pages by content, so that a thousand trees that differ little cost little. Thread safe.</summary>
internal sealed class PagePool
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<ulong, FilePage> _pages = [];

    /// <summary>The page with these bytes, followed by zeroes.</summary>
    public FilePage Get(ReadOnlySpan<byte> bytes)
    {
        byte[] whole = new byte[FilePage.Size];
        bytes.CopyTo(whole);
        var page = new FilePage(whole);
        FilePage known = _pages.GetOrAdd(page.Hash, page);
        return known.Bytes.SequenceEqual(page.Bytes) ? known : page;
    }
}

/// <summary>An inode of a tree: immutable, shared between the states of a campaign. Absent pages are zeroes; pages beyond
/// the size may be there and are not seen.</summary>
public sealed record FileNode
{
    /// <summary>The bits of a mode that say the type.</summary>
    public const uint TypeMask = 0xF000;

    private static readonly byte[] s_zeroes = new byte[FilePage.Size];

    /// <summary>Type and permissions.</summary>
    public uint Mode { get; init; }

    /// <summary>Owner.</summary>
    public uint Uid { get; init; }

    /// <summary>Group.</summary>
    public uint Gid { get; init; }

    /// <summary>Device number of a node.</summary>
    public uint Rdev { get; init; }

    /// <summary>Bytes of a regular file.</summary>
    public long Size { get; init; }

    /// <summary>Seconds since 1970; no part of the hash.</summary>
    public long Time { get; init; }

    /// <summary>Content by page number.</summary>
    public ImmutableDictionary<long, FilePage> Pages { get; init; } = ImmutableDictionary<long, FilePage>.Empty;

    /// <summary>Target of a symlink.</summary>
    public ReadOnlyMemory<byte> Target { get; init; }

    /// <summary>Extended attributes; names as Latin-1.</summary>
    public ImmutableSortedDictionary<string, byte[]> Xattrs { get; init; } = ImmutableSortedDictionary.Create<string, byte[]>(StringComparer.Ordinal);

    /// <summary>Entries of a directory; names as Latin-1.</summary>
    public ImmutableSortedDictionary<string, ulong> Entries { get; init; } = ImmutableSortedDictionary.Create<string, ulong>(StringComparer.Ordinal);

    /// <summary>True for a directory.</summary>
    public bool IsDirectory => (Mode & TypeMask) == FileTypes.Directory;

    /// <summary>True for a regular file.</summary>
    public bool IsRegular => (Mode & TypeMask) == FileTypes.Regular;

    /// <summary>With these bytes at this place. The size stays.</summary>
    public FileNode WithContent(long offset, ReadOnlySpan<byte> data)
    {
        ImmutableDictionary<long, FilePage>.Builder pages = Pages.ToBuilder();
        while (!data.IsEmpty)
        {
            long number = offset / FilePage.Size;
            int within = (int)(offset % FilePage.Size);
            int count = Math.Min(FilePage.Size - within, data.Length);
            byte[] bytes = PageBytes(pages, number).ToArray();
            data[..count].CopyTo(bytes.AsSpan(within));
            pages[number] = new FilePage(bytes);
            data = data[count..];
            offset += count;
        }

        return this with { Pages = pages.ToImmutable() };
    }

    /// <summary>With zeroes at this place. The size stays.</summary>
    public FileNode WithZeroes(long offset, long length)
    {
        long end = length > long.MaxValue - offset ? long.MaxValue : offset + length;
        ImmutableDictionary<long, FilePage>.Builder pages = Pages.ToBuilder();
        foreach (long number in Pages.Keys)
        {
            long start = number * FilePage.Size;
            long from = Math.Max(offset, start);
            long to = Math.Min(end, start + FilePage.Size);
            if (from >= to)
            {
                continue;
            }

            if (to - from == FilePage.Size)
            {
                pages.Remove(number);
                continue;
            }

            byte[] bytes = pages[number].Bytes.ToArray();
            bytes.AsSpan((int)(from - start), (int)(to - from)).Clear();
            pages[number] = new FilePage(bytes);
        }

        return this with { Pages = pages.ToImmutable() };
    }

    /// <summary>With another size; what a shorter one cuts off becomes zeroes.</summary>
    public FileNode WithSize(long size) => (size < Size ? WithZeroes(size, long.MaxValue) : this) with { Size = size };

    /// <summary>Bytes of a page.</summary>
    public ReadOnlySpan<byte> Page(long number) => Pages.TryGetValue(number, out FilePage? page) ? page.Bytes : s_zeroes;

    /// <summary>Hash of what a user sees, but for times and the names below.</summary>
    public ulong Hash()
    {
        ulong pages = 0;
        foreach ((long number, FilePage page) in Pages)
        {
            long visible = Size - (number * FilePage.Size);
            if (visible > 0)
            {
                ReadOnlySpan<byte> bytes = page.Bytes[..(int)Math.Min(FilePage.Size, visible)];
                bool zero = bytes.IndexOfAnyExcept((byte)0) < 0;
                ulong hash = bytes.Length == FilePage.Size ? page.Hash : XxHash3.HashToUInt64(bytes);
                pages += zero ? 0 : SeededRandom.Mix(hash + ((ulong)number * 0x9E3779B97F4A7C15UL));
            }
        }

        var all = new XxHash3();
        ReadOnlySpan<ulong> fields = [Mode, ((ulong)Uid << 32) | Gid, Rdev, (ulong)(IsDirectory ? 0 : Size), pages];
        all.Append(MemoryMarshal.AsBytes(fields));
        all.Append(Target.Span);
        foreach ((string name, byte[] value) in Xattrs)
        {
            all.Append(Encoding.Latin1.GetBytes(name));
            all.Append([0, (byte)value.Length, (byte)(value.Length >> 8)]);
            all.Append(value);
        }

        return all.GetCurrentHashAsUInt64();
    }

    private static ReadOnlySpan<byte> PageBytes(ImmutableDictionary<long, FilePage>.Builder pages, long number) =>
        pages.TryGetValue(number, out FilePage? page) ? page.Bytes : s_zeroes;
}
