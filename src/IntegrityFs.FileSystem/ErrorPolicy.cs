namespace IntegrityFs.FileSystem;

/// <summary>What happens when something read is not authentic, beyond its log line and its count.</summary>
public enum ErrorPolicy
{
    /// <summary>The caller gets EIO; everything else goes on.</summary>
    Eio,

    /// <summary>The caller gets EIO, and from then on every change EROFS.</summary>
    RemountReadOnly,

    /// <summary>The caller gets EIO and <see cref="PosixFileSystemOptions.Panic"/> is called, once.</summary>
    Panic,

    /// <summary>The volume returns zeroes for a bad data block, so that only damaged metadata comes here; that is EIO.</summary>
    Zero,
}
