// Promise: a memory image whose fork costs nothing and whose reset costs what was changed. A page belongs to the first
// image of the chain that wrote it; a parent must not be changed while a child holds pages of its own.
using IntegrityFs.Format;

namespace IntegrityFs.CrashTesting;

/// <summary>A copy-on-write image of a device: pages of 4096 bytes over an optional parent image. Never-written pages
/// read as zeroes. Not thread safe.</summary>
public sealed class PageImage
{
    /// <summary>Bytes in a page.</summary>
    public const int PageSize = 4096;

    private static readonly byte[] s_zeroes = new byte[PageSize];

    private readonly PageImage? _parent;
    private readonly byte[]?[] _pages;
    private readonly Stack<byte[]> _pool;
    private readonly List<int> _owned = [];

    /// <summary>An image of zeroes.</summary>
    /// <param name="length">Bytes; a multiple of 512.</param>
    public PageImage(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        Length = length;
        _pages = new byte[]?[checked((int)((length + PageSize - 1) / PageSize))];
        _pool = new Stack<byte[]>();
    }

    /// <summary>A fork: reads as <paramref name="parent"/> until written. Shares the parent's pool of spare pages, so
    /// both are used by one thread.</summary>
    public PageImage(PageImage parent)
        : this(parent, (parent ?? throw new ArgumentNullException(nameof(parent)))._pool)
    {
    }

    private PageImage(PageImage parent, Stack<byte[]> pool)
    {
        _parent = parent;
        Length = parent.Length;
        _pages = new byte[]?[parent._pages.Length];
        _pool = pool;
    }

    /// <summary>Size in bytes.</summary>
    public long Length { get; }

    /// <summary>Number of pages.</summary>
    public int PageCount => _pages.Length;

    /// <summary>Pages that this image has of its own.</summary>
    public IReadOnlyList<int> OwnPages => _owned;

    /// <summary>The content of a page.</summary>
    public ReadOnlySpan<byte> Page(int index)
    {
        for (PageImage? image = this; image is not null; image = image._parent)
        {
            if (image._pages[index] is { } page)
            {
                return page;
            }
        }

        return s_zeroes;
    }

    /// <summary>Fills <paramref name="buffer"/> from byte <paramref name="offset"/>.</summary>
    public void Read(long offset, Span<byte> buffer)
    {
        CheckRange(offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            int within = (int)(offset % PageSize);
            int count = Math.Min(PageSize - within, buffer.Length);
            Page((int)(offset / PageSize)).Slice(within, count).CopyTo(buffer);
            buffer = buffer[count..];
            offset += count;
        }
    }

    /// <summary>Writes <paramref name="data"/> at byte <paramref name="offset"/>.</summary>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        CheckRange(offset, data.Length);
        while (!data.IsEmpty)
        {
            int within = (int)(offset % PageSize);
            int count = Math.Min(PageSize - within, data.Length);
            data[..count].CopyTo(Own((int)(offset / PageSize), count == PageSize).AsSpan(within));
            data = data[count..];
            offset += count;
        }
    }

    /// <summary>A fork with a pool of its own: for another thread, while nobody changes this image.</summary>
    public PageImage ForkForThread() => new(this, new Stack<byte[]>());

    /// <summary>Gives up this image's own pages: it reads as its parent again (or as zeroes).</summary>
    public void Reset()
    {
        foreach (int index in _owned)
        {
            _pool.Push(_pages[index]!);
            _pages[index] = null;
        }

        _owned.Clear();
    }

    /// <summary>A stand-alone copy of the whole content, of <paramref name="length"/> bytes where given.</summary>
    public byte[] ToArray(long length = -1)
    {
        byte[] copy = new byte[length < 0 ? Length : length];
        Read(0, copy.AsSpan(0, (int)Math.Min(copy.Length, Length)));
        return copy;
    }

    /// <summary>A stand-alone image with the same content.</summary>
    public PageImage Copy()
    {
        var copy = new PageImage(Length);
        for (int i = 0; i < _pages.Length; i++)
        {
            ReadOnlySpan<byte> page = Page(i);
            if (page.IndexOfAnyExcept((byte)0) >= 0)
            {
                page.CopyTo(copy.Own(i, whole: true));
            }
        }

        return copy;
    }

    /// <summary>Writes the whole image to a stream.</summary>
    public void CopyTo(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        for (int i = 0; i < _pages.Length; i++)
        {
            stream.Write(Page(i)[..(int)Math.Min(PageSize, Length - ((long)i * PageSize))]);
        }
    }

    private byte[] Own(int index, bool whole)
    {
        if (_pages[index] is { } own)
        {
            return own;
        }

        if (!_pool.TryPop(out byte[]? page))
        {
            page = new byte[PageSize];
        }

        if (!whole)
        {
            Page(index).CopyTo(page);
        }

        _pages[index] = page;
        _owned.Add(index);
        return page;
    }

    private void CheckRange(long offset, int length)
    {
        if (offset < 0 || offset > Length - length)
        {
            throw new DeviceException(Errno.EINVAL, DeviceOperation.Read, offset, "access beyond the end of the image");
        }
    }
}
