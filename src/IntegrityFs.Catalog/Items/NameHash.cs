// Hashes of names. The seed is the volume's own and random, so that nobody can prepare names that collide.

using System.IO.Hashing;
using IntegrityFs.Format;

namespace IntegrityFs.Catalog;

/// <summary>Hashes names into key offsets.</summary>
/// <param name="Seed">From the catalog's root.</param>
/// <param name="Mask">All ones; tests weaken the hash with less.</param>
internal readonly record struct NameHash(ulong Seed, ulong Mask = ulong.MaxValue)
{
    /// <summary>Offset of the first key that the entry of a name can have, without ordinal.</summary>
    public ulong Dentry(ReadOnlySpan<byte> name)
    {
        ulong hash = Hash(name) >> (64 - CatalogDentryLayout.HashBits);
        return Math.Max(hash, 1) << 8;
    }

    /// <summary>Offset of the first key that an attribute can have, without ordinal and piece.</summary>
    public ulong Xattr(ReadOnlySpan<byte> name) => Hash(name) >> (64 - CatalogXattrLayout.HashBits) << 24;

    private ulong Hash(ReadOnlySpan<byte> name) => XxHash3.HashToUInt64(name, unchecked((long)Seed)) & Mask;
}
