using System.Globalization;

namespace IntegrityFs.CrashTesting;

/// <summary>Requests in words.</summary>
public static class RequestText
{
    /// <summary>"write /db 4096 bytes at 8192"; inode numbers stand for paths where <paramref name="pathOf"/> knows none.</summary>
    public static string Describe(RecordedRequest request, Func<ulong, string?>? pathOf)
    {
        ArgumentNullException.ThrowIfNull(request);
        string file = Path(request.Inode, pathOf);
        string name = Join(Path(request.Parent, pathOf), request.Name);
        string text = request.Kind switch
        {
            RequestKind.Create => $"create {name}",
            RequestKind.CreateTemporary => $"create a nameless file in {Path(request.Parent, pathOf)}",
            RequestKind.MakeNode => $"mknod {name}",
            RequestKind.MakeDirectory => $"mkdir {name}",
            RequestKind.Symlink => $"symlink {name}",
            RequestKind.Link => $"link {file} {name}",
            RequestKind.Unlink => $"unlink {name}",
            RequestKind.RemoveDirectory => $"rmdir {name}",
            RequestKind.Rename => $"rename {name} {Join(Path(request.NewParent, pathOf), request.NewName)}{((request.Flags & 2) != 0 ? " (exchange)" : "")}",
            RequestKind.Write => string.Create(CultureInfo.InvariantCulture, $"write {file} {request.Length} bytes at {request.Offset}"),
            RequestKind.Truncate => string.Create(CultureInfo.InvariantCulture, $"truncate {file} to {request.Length}"),
            RequestKind.Fallocate => string.Create(CultureInfo.InvariantCulture, $"fallocate {file} {request.Length} bytes at {request.Offset}"),
            RequestKind.SetAttributes => $"setattr {file}",
            RequestKind.SetXattr => $"setxattr {file} {request.NewName}",
            RequestKind.RemoveXattr => $"removexattr {file} {request.NewName}",
            RequestKind.Close => $"close {file}",
            RequestKind.Sync => $"fsync {file}",
            RequestKind.SyncData => $"fdatasync {file}",
            RequestKind.SyncDirectory => $"fsync {file} (directory)",
            _ => "syncfs",
        };
        return request.Result == Format.Errno.OK ? text : $"{text} = {request.Result}";
    }

    private static string Path(ulong inode, Func<ulong, string?>? pathOf) =>
        pathOf?.Invoke(inode) ?? (inode == 1 ? "/" : string.Create(CultureInfo.InvariantCulture, $"inode {inode}"));

    private static string Join(string directory, string name) => directory.EndsWith('/') ? directory + name : $"{directory}/{name}";
}
