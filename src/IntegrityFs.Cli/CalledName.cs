namespace IntegrityFs.Cli;

/// <summary>What the program was called as.</summary>
internal enum Verb
{
    /// <summary>integrityfs: the first argument says.</summary>
    Main,
    Mkfs,
    Mount,
    Umount,
    Fsck,
}

/// <summary>Multi-call by argv[0]: mount(8), umount(8), fsck(8) and mkfs(8) find their helpers by file name.</summary>
internal static class CalledName
{
    /// <summary>The verb of a name. A leading '@' (which spares a storage daemon from the kill spree at switch_root)
    /// does not count, nor does the directory.</summary>
    public static Verb Parse(string? argv0)
    {
        string name = argv0 ?? "";
        if (name.StartsWith('@'))
        {
            name = name[1..];
        }

        return Path.GetFileName(name) switch
        {
            "mkfs.integrityfs" or "mkfs.fuse.integrityfs" => Verb.Mkfs,
            "mount.integrityfs" or "mount.fuse.integrityfs" or "mount.fuseblk.integrityfs" => Verb.Mount,
            "umount.integrityfs" or "umount.fuse.integrityfs" or "umount.fuseblk.integrityfs" => Verb.Umount,
            "fsck.integrityfs" or "fsck.fuse.integrityfs" or "fsck.fuseblk.integrityfs" => Verb.Fsck,
            _ => Verb.Main,
        };
    }
}
