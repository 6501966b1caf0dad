// Promise: a path for a message, whatever state the volume is in: it never throws, never writes, and ends. What cannot be
// found is shown as "?". Called outside every scope.
using System.Text;
using IntegrityFs.Catalog;
using IntegrityFs.Format;

namespace IntegrityFs.FileSystem;

/// <summary>Finds some path of an inode from its parents.</summary>
internal sealed class PathFinder(ICatalog catalog)
{
    private const int MaxDepth = 128;

    public string Find(InodeNumber inode)
    {
        List<string> parts = [];
        string start = "";
        try
        {
            Collect(inode, parts, ref start);
        }
        catch (Exception)
        {
            start = "?";
        }

        // Whatever stopped the search has been met, or will be, by a request that reports it.
        if (parts.Count == 0)
        {
            return start.Length == 0 ? "/" : start;
        }

        StringBuilder path = new(start);
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            path.Append('/').Append(parts[i]);
        }

        return path.ToString();
    }

    private void Collect(InodeNumber inode, List<string> parts, ref string start)
    {
        Span<byte> name = stackalloc byte[NameRules.MaxLength];
        using CatalogReadScope scope = catalog.EnterRead();
        while (inode != InodeNumber.Root)
        {
            if (parts.Count == MaxDepth)
            {
                start = "…";
                return;
            }

            if (!catalog.TryGetInode(inode, out InodeRecord record))
            {
                start = "?";
                return;
            }

            if (record.Links == 0)
            {
                start = "(deleted)";
                return;
            }

            bool named = catalog.TryFindName(record.Parent, inode, name, out int length);
            parts.Add(named ? Printable(name[..length]) : "?");
            inode = record.Parent;
        }
    }

    /// <summary>Names are bytes that anybody chose: a message shows no control character of theirs.</summary>
    private static string Printable(ReadOnlySpan<byte> name)
    {
        string text = Encoding.UTF8.GetString(name);
        StringBuilder? shown = null;
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsControl(text[i]))
            {
                shown ??= new StringBuilder(text);
                shown[i] = '?';
            }
        }

        return shown?.ToString() ?? text;
    }
}
