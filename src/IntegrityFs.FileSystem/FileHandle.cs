// Promise: a handle carries all that it stands for, so that opening allocates nothing and no table of handles can leak.
// How many handles an inode has is counted in InodeHolds; what a handle permits is written in its number, beside 48 bits
// of the inode, so that a handle never passes for another file's.
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>The number that Open gives out.</summary>
internal readonly record struct FileHandle(ulong Value)
{
    private const int InodeShift = 16;
    private const ulong InodeMask = (1UL << 48) - 1;
    private const ulong Mark = 0x8000;

    public static FileHandle Of(InodeNumber inode, OpenMode mode) =>
        new((inode.Value << InodeShift) | Mark | (ulong)(mode & (OpenMode.Read | OpenMode.Write | OpenMode.Append | OpenMode.Synchronous)));

    public bool IsFor(InodeNumber inode) =>
        (Value & Mark) != 0 && Value >> InodeShift == (inode.Value & InodeMask);

    public bool Has(OpenMode mode) => ((OpenMode)(Value & (Mark - 1)) & mode) == mode;
}
