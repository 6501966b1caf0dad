namespace IntegrityFs.Cli.Commands;

/// <summary>Examples for --help, by command.</summary>
internal static class HelpText
{
    /// <summary>The paragraph for a command, such as "integrityfs key add", and an empty line; nothing where there are no
    /// examples.</summary>
    public static string Examples(string command) => Lines(command) is { } lines ? $"Examples:\n{lines}\n\n" : "";

    private static string? Lines(string command) => command switch
    {
        "integrityfs mkfs" => """
              (umask 077; head -c 32 /dev/urandom >volume.key)
              integrityfs mkfs --key-file volume.key --size 1G volume.img
              integrityfs mkfs --passphrase --label backup /dev/sdb1
            """,
        "integrityfs mount" => """
              integrityfs mount volume.img /mnt -o keyfile=volume.key
              mount -t fuse.integrityfs volume.img /mnt -o keyfile=volume.key,ro,verify=full
              integrityfs mount /dev/sdb1 /mnt --passphrase
            """,
        "integrityfs umount" => """
              integrityfs umount /mnt
            """,
        "integrityfs fsck" => """
              integrityfs fsck -n --key-file volume.key volume.img              (report, write nothing)
              integrityfs fsck -p --key-file volume.key volume.img              (repair what loses nothing)
              integrityfs fsck -y --key-file volume.key --json volume.img       (repair all; the report for scripts)
              integrityfs fsck --key-file volume.key --zero-block 1234 volume.img
            """,
        "integrityfs status" => """
              integrityfs status /mnt
              integrityfs status --json volume.img
            """,
        "integrityfs dump" => """
              integrityfs dump superblock volume.img --key-file volume.key
              integrityfs dump journal volume.img --key-file volume.key --json
              integrityfs dump block 1234 volume.img --key-file volume.key
              integrityfs dump inode 1 volume.img --key-file volume.key
              integrityfs dump path /etc/hosts volume.img --key-file volume.key
            """,
        "integrityfs key list" => """
              integrityfs key list --key-file volume.key volume.img
            """,
        "integrityfs key add" => """
              integrityfs key add --key-file volume.key --new-passphrase --label rescue volume.img
            """,
        "integrityfs key change" => """
              integrityfs key change 1 --key-file volume.key --new-passphrase volume.img
            """,
        "integrityfs key remove" => """
              integrityfs key remove 1 --key-file volume.key volume.img
            """,
        "integrityfs key" => """
              integrityfs key list --key-file volume.key volume.img
              integrityfs key add --key-file volume.key --new-passphrase --label rescue volume.img
              integrityfs key change 1 --key-file volume.key --new-passphrase volume.img
              integrityfs key remove 1 --key-file volume.key volume.img
            """,
        "integrityfs probe" => """
              integrityfs probe /dev/sdb1
            """,
        "integrityfs completion" => """
              . <(integrityfs completion bash)
              integrityfs completion zsh >/usr/local/share/zsh/site-functions/_integrityfs
            """,
        "integrityfs" => """
              (umask 077; head -c 32 /dev/urandom >volume.key)
              integrityfs mkfs --key-file volume.key --size 1G volume.img
              integrityfs mount volume.img /mnt -o keyfile=volume.key
              integrityfs status /mnt
              integrityfs umount /mnt
              integrityfs fsck -n --key-file volume.key volume.img
            """,
        _ => null,
    };
}
