using IntegrityFs.Format;

namespace IntegrityFs.Catalog;

/// <summary>Checks the entries of one directory at a time. Remembers the names of one hash.</summary>
internal sealed class DentryCheck(NameHash hash, CatalogRepairs repairs, CheckPass pass)
{
    private readonly List<byte[]> _sameHash = [];
    private ulong _hash;

    public void Begin()
    {
        _sameHash.Clear();
        _hash = 0;
    }

    /// <summary>True where the entry counts as one.</summary>
    public bool Next(CatalogKey key, ReadOnlySpan<byte> value)
    {
        Dentry entry;
        ReadOnlySpan<byte> name;
        try
        {
            entry = DentryItems.Decode(value, out name);
        }
        catch (CorruptFormatException e)
        {
            Add(ProblemCode.DentryMalformed, key, e.Message, repairs.Drop(key));
            return false;
        }

        if (!DentryItems.BelongsAt(hash, name, key.Offset))
        {
            Add(ProblemCode.DentryMisplaced, key, $"the name '{Text(name)}' belongs elsewhere", repairs.MoveDentry(hash, key, name.ToArray(), entry));
            return true;
        }

        if (key.Offset >> 8 != _hash)
        {
            _hash = key.Offset >> 8;
            _sameHash.Clear();
        }

        foreach (byte[] other in _sameHash)
        {
            if (name.SequenceEqual(other))
            {
                Add(ProblemCode.DentryDuplicate, key, $"the name '{Text(name)}' stands twice", repairs.Drop(key));
                return false;
            }
        }

        _sameHash.Add(name.ToArray());
        return true;
    }

    private static string Text(ReadOnlySpan<byte> name) => System.Text.Encoding.UTF8.GetString(name);

    private void Add(ProblemCode code, CatalogKey key, string message, Func<bool> repair) =>
        pass.Add(RepairStage.Items, new Problem(code, $"directory {key.Inode}: {message}", Inode: key.Inode), repair);
}
