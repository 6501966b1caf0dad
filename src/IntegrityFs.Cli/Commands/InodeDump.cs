using System.Globalization;
using System.Text;
using System.Text.Json;
using IntegrityFs.Catalog;
using IntegrityFs.Format;
using IntegrityFs.Volume;

namespace IntegrityFs.Cli.Commands;

/// <summary>One inode: attributes, extended attributes, and where its content lies on the device.</summary>
internal static class InodeDump
{
    private const int TypeMask = 0xf000;
    private const int SymlinkType = 0xa000;
    private const int DirectoryType = 0x4000;
    private const int LongestTarget = 4096;
    private const int MostExtents = 100_000;
    private const int LongestNames = 65536;

    public static string Describe(OpenVolume open, long number)
    {
        CatalogStore catalog = CatalogStore.Open(open.Volume);
        return Describe(open.Volume, catalog, new InodeNumber((ulong)number));
    }

    public static string Describe(OpenVolume open, string path)
    {
        CatalogStore catalog = CatalogStore.Open(open.Volume);
        return Describe(open.Volume, catalog, Walk(catalog, path));
    }

    private static InodeNumber Walk(CatalogStore catalog, string path)
    {
        InodeNumber inode = InodeNumber.Root;
        using CatalogReadScope scope = catalog.EnterRead();
        foreach (string part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!catalog.TryLookup(inode, Encoding.UTF8.GetBytes(part), out Dentry entry))
            {
                throw new CommandFailure(Cause.System, $"{path}: no such file or directory in the volume");
            }

            inode = entry.Inode;
        }

        return inode;
    }

    private static string Describe(ProtectedVolume volume, CatalogStore catalog, InodeNumber inode)
    {
        using CatalogReadScope scope = catalog.EnterRead();
        if (!catalog.TryGetInode(inode, out InodeRecord record))
        {
            throw new CommandFailure(Cause.System, $"inode {inode}: there is none");
        }

        List<ContentExtent> extents = Extents(catalog, inode);
        string[] names = Xattrs(catalog, inode);
        string? target = ((int)record.Mode & TypeMask) == SymlinkType ? Target(catalog, inode) : null;
        InodeRecord r = record;
        return JsonText.Object(json =>
        {
            json.WriteNumber("inode", inode.Value);
            json.WriteString("type", TypeName(r.Mode));
            json.WriteString("mode", Convert.ToString(r.Mode & 0xfff, 8).PadLeft(4, '0'));
            json.WriteNumber("links", r.Links);
            json.WriteNumber("uid", r.Uid);
            json.WriteNumber("gid", r.Gid);
            json.WriteNumber(TypeName(r.Mode) == "directory" ? "entries" : "size", r.Size);
            json.WriteNumber("blocks", r.Blocks);
            json.WriteNumber("rdev", r.Rdev);
            json.WriteNumber("flags", r.Flags);
            json.WriteNumber("parent", r.Parent.Value);
            json.WriteString("atime", Time(r.Atime));
            json.WriteString("mtime", Time(r.Mtime));
            json.WriteString("ctime", Time(r.Ctime));
            json.WriteString("btime", Time(r.Btime));
            if (target is not null)
            {
                json.WriteString("target", target);
            }

            json.WriteStartArray("xattrs");
            foreach (string name in names)
            {
                json.WriteStringValue(name);
            }

            json.WriteEndArray();
            WriteExtents(json, volume, extents);
        });
    }

    private static List<ContentExtent> Extents(CatalogStore catalog, InodeNumber inode)
    {
        var extents = new List<ContentExtent>();
        long offset = 0;
        while (extents.Count < MostExtents && catalog.TryNextExtent(inode, offset, out ContentExtent extent))
        {
            extents.Add(extent);
            offset = extent.Offset + ((long)extent.Run.Count * catalog.BlockSize);
        }

        return extents;
    }

    /// <summary>An extent may cross groups of the volume, between which tags lie: one line for each stretch that is
    /// consecutive on the device.</summary>
    private static void WriteExtents(Utf8JsonWriter json, ProtectedVolume volume, List<ContentExtent> extents)
    {
        json.WriteStartArray("extents");
        foreach (ContentExtent extent in extents)
        {
            long block = extent.Run.First.Value;
            long end = extent.Run.End.Value;
            long offset = extent.Offset;
            while (block < end)
            {
                long stretch = Math.Min(end - block, volume.Geometry.ContiguousFrom(block));
                json.WriteStartObject();
                json.WriteNumber("offset", offset);
                json.WriteNumber("length", stretch * volume.BlockSize);
                json.WriteNumber("block", block);
                json.WriteNumber("deviceOffset", volume.Geometry.BlockOffset(block));
                json.WriteBoolean("unwritten", extent.Unwritten);
                json.WriteEndObject();
                block += stretch;
                offset += stretch * volume.BlockSize;
            }
        }

        json.WriteEndArray();
    }

    private static string[] Xattrs(CatalogStore catalog, InodeNumber inode)
    {
        byte[] names = new byte[LongestNames];
        return catalog.ListXattr(inode, names, out int length) == Errno.OK
            ? Encoding.UTF8.GetString(names, 0, length).Split('\0', StringSplitOptions.RemoveEmptyEntries)
            : [];
    }

    private static string? Target(CatalogStore catalog, InodeNumber inode)
    {
        byte[] target = new byte[LongestTarget];
        return catalog.ReadSymlink(inode, target, out int length) == Errno.OK ? Encoding.UTF8.GetString(target, 0, length) : null;
    }

    private static string TypeName(uint mode) => ((int)mode & TypeMask) switch
    {
        0x8000 => "file",
        DirectoryType => "directory",
        SymlinkType => "symlink",
        0x2000 => "character device",
        0x6000 => "block device",
        0x1000 => "fifo",
        0xc000 => "socket",
        _ => "unknown",
    };

    private static string Time(Timestamp time) =>
        string.Create(CultureInfo.InvariantCulture, $"{time.Seconds}.{time.Nanoseconds:d9} ({JsonText.Time(time.Seconds)})");
}
