// A file's extent with its place in the file, and the pieces that a range of a file consists of.

using IntegrityFs.Format;

namespace IntegrityFs.Catalog.Content;

/// <summary>Consecutive blocks of a file that lie consecutively on the volume. The default value is "none".</summary>
internal readonly record struct FileExtent(long FileBlock, BlockNumber Start, int Length, bool Unwritten)
{
    public bool Exists => Length != 0;

    /// <summary>The block of the file behind the last one.</summary>
    public long End => FileBlock + Length;

    /// <summary>The block of the volume behind the last one.</summary>
    public BlockNumber StartEnd => Start + Length;

    public FileExtent Slice(long from, long end) =>
        new(from, Start + (from - FileBlock), checked((int)(end - from)), Unwritten);

    public BlockRun Run(long from, long end) => new(Start + (from - FileBlock), checked((int)(end - from)));

    /// <summary>True where this and the next can be one extent.</summary>
    public bool Joins(in FileExtent next) =>
        Exists && next.Exists && End == next.FileBlock && StartEnd == next.Start && Unwritten == next.Unwritten
        && Length + next.Length <= ExtentLayout.MaxLength;
}

/// <summary>What a piece of a file is made of.</summary>
internal enum SegmentKind
{
    Hole,
    Unwritten,
    Written,
}

/// <summary>A piece of a file, in blocks.</summary>
/// <param name="Kind">What it is made of.</param>
/// <param name="First">First block of the file.</param>
/// <param name="End">Behind the last.</param>
/// <param name="Extent">The whole extent that it lies in; for a hole the extent before it, or none.</param>
/// <param name="After">For a hole the extent behind it, or none.</param>
internal readonly record struct Segment(SegmentKind Kind, long First, long End, FileExtent Extent, FileExtent After);
