using System.CommandLine;

namespace IntegrityFs.Cli.Commands;

/// <summary>Prints a completion script for a shell.</summary>
internal static class CompletionCommand
{
    public static Command Build()
    {
        var shell = SharedOptions.Checked(new Argument<string>("SHELL") { Description = "bash, zsh or fish" });
        shell.CompletionSources.Add("bash", "zsh", "fish");
        var command = new Command("completion", "Print a completion script") { shell };
        command.SetAction(parsed =>
        {
            Console.Out.Write(Script(parsed.GetRequiredValue(shell)));
            return 0;
        });
        return command;
    }

    internal static string Script(string shell) => shell switch
    {
        "bash" => Bash,
        "zsh" => Zsh,
        "fish" => Fish,
        _ => throw new CommandFailure(Cause.Usage, $"'{shell}' is none of bash, zsh, fish"),
    };

    private const string Bash = """
        # bash completion for integrityfs
        _integrityfs() {
            local cur prev cmd
            cur=${COMP_WORDS[COMP_CWORD]}
            prev=${COMP_WORDS[COMP_CWORD-1]}
            case ${COMP_WORDS[0]##*/} in
                mkfs.*) cmd=mkfs ;;
                fsck.*) cmd=fsck ;;
                mount.*) cmd=mount ;;
                umount.*) cmd=umount ;;
                *) cmd=${COMP_WORDS[1]} ;;
            esac
            if [[ $COMP_CWORD -eq 1 && ${COMP_WORDS[0]##*/} == integrityfs ]]; then
                COMPREPLY=($(compgen -W 'mkfs mount umount fsck status dump key probe crashtest completion --help --version' -- "$cur"))
                return
            fi
            if [[ $prev == -o ]]; then
                compopt -o nospace
                COMPREPLY=($(compgen -W 'keyfile= passphrase passphrase-file= ro commit= data=journal data=auto errors=eio errors=remount-ro errors=panic errors=zero verify=read verify=full cache= writeback fusetype=fuse fusetype=fuseblk allow_other threads= hash-threads= log= foreground nosuid nodev noexec noatime' -- "$cur"))
                return
            fi
            local words='--help --key-file --passphrase --passphrase-file'
            case $cmd in
                mkfs) words="$words --size --block-size --journal-size --label --uuid --force --json" ;;
                fsck) words="$words -n -p -a -y -f --json" ;;
                status) words='--help --json' ;;
                mount) words='--key-file --passphrase --passphrase-file --foreground -o' ;;
                umount) words='-l -f -v' ;;
                dump) words="$words superblock journal block inode path --json" ;;
                key) words="$words list add remove --new-key-file --new-passphrase --new-passphrase-file --json" ;;
                crashtest) words='run --workload --state --seed --jobs --json --help' ;;
                completion) words='bash zsh fish' ;;
            esac
            if [[ $cur == -* || $cmd == completion ]]; then
                COMPREPLY=($(compgen -W "$words" -- "$cur"))
            else
                compopt -o filenames
                COMPREPLY=($(compgen -f -- "$cur"))
                if [[ $cmd == dump || $cmd == key || $cmd == crashtest ]]; then
                    COMPREPLY+=($(compgen -W "$words" -- "$cur"))
                fi
            fi
        }
        complete -F _integrityfs integrityfs mkfs.integrityfs mount.integrityfs mount.fuse.integrityfs umount.integrityfs fsck.integrityfs

        """;

    private const string Zsh = """
        #compdef integrityfs mkfs.integrityfs fsck.integrityfs
        # zsh completion for integrityfs
        _integrityfs() {
            local -a commands key
            commands=(
                'mkfs:create a volume' 'mount:mount a volume' 'umount:unmount and wait until it is closed'
                'fsck:check and repair' 'status:show a volume or mount' 'dump:show structures'
                'key:list, add and remove key slots' 'probe:print udev properties' 'crashtest:test crash consistency'
                'completion:print a completion script'
            )
            key=(
                '--key-file[file with the key]:file:_files' '--passphrase[ask for the passphrase]'
                '--passphrase-file[file with the passphrase]:file:_files'
            )
            local command=$words[2]
            case ${words[1]:t} in
                mkfs.*) command=mkfs ;;
                fsck.*) command=fsck ;;
                *) if (( CURRENT == 2 )); then _describe command commands; return; fi; shift words; (( CURRENT-- )) ;;
            esac
            case $command in
                mkfs) _arguments $key '--size[size of the image]:size:' '--block-size[bytes]:bytes:(4096 8192 16384 32768 65536)' \
                    '--journal-size[bytes]:size:' '--label[label]:label:' '--uuid[uuid]:uuid:' '(-f --force)'{-f,--force}'[overwrite]' '--json[print JSON]' '*:volume:_files' ;;
                fsck) _arguments $key '-n[write nothing]' '-p[safe repairs]' '-a[safe repairs]' '-y[all repairs]' '-f[check even if clean]' '--json[print JSON]' '*:volume:_files' ;;
                mount) _arguments $key '--foreground[stay]' '-o[options]:options:' '1:volume:_files' '2:directory:_directories' ;;
                umount) _arguments '-l[lazy]' '-f[force]' '-v[verbose]' '1:directory:_directories' ;;
                status) _arguments '--json[print JSON]' '1:directory or volume:_files' ;;
                dump) _arguments $key '--json[print JSON]' '1:what:(superblock journal block inode path)' '*:volume:_files' ;;
                key) _arguments $key '1:what:(list add remove)' '*:volume:_files' ;;
                crashtest) _arguments '1:what:(run)' '--workload[id or text]:workload:' '--state[crash state]:state:' '--seed[seed]:seed:' '--jobs[threads]:jobs:' '--json[print JSON]' '*:file:_files' ;;
                completion) _values shell bash zsh fish ;;
                *) _files ;;
            esac
        }
        _integrityfs "$@"

        """;

    private const string Fish = """
        # fish completion for integrityfs
        set -l commands mkfs mount umount fsck status dump key probe crashtest completion
        complete -c integrityfs -n "not __fish_seen_subcommand_from $commands" -f -a "$commands"
        for c in mkfs fsck dump key mount
            complete -c integrityfs -n "__fish_seen_subcommand_from $c" -l key-file -r -d 'File with the key'
            complete -c integrityfs -n "__fish_seen_subcommand_from $c" -l passphrase -d 'Ask for the passphrase'
            complete -c integrityfs -n "__fish_seen_subcommand_from $c" -l passphrase-file -r -d 'File with the passphrase'
        end
        complete -c integrityfs -n '__fish_seen_subcommand_from mkfs' -l size -x -d 'Size of the image'
        complete -c integrityfs -n '__fish_seen_subcommand_from mkfs' -l block-size -x -a '4096 8192 16384 32768 65536'
        complete -c integrityfs -n '__fish_seen_subcommand_from mkfs' -l journal-size -x
        complete -c integrityfs -n '__fish_seen_subcommand_from mkfs' -l label -x
        complete -c integrityfs -n '__fish_seen_subcommand_from mkfs' -l uuid -x
        complete -c integrityfs -n '__fish_seen_subcommand_from mkfs' -s f -l force -d 'Overwrite'
        complete -c integrityfs -n '__fish_seen_subcommand_from fsck' -s n -d 'Write nothing'
        complete -c integrityfs -n '__fish_seen_subcommand_from fsck' -s p -d 'Safe repairs'
        complete -c integrityfs -n '__fish_seen_subcommand_from fsck' -s y -d 'All repairs'
        complete -c integrityfs -n '__fish_seen_subcommand_from fsck' -s f -d 'Check even if clean'
        complete -c integrityfs -n '__fish_seen_subcommand_from dump' -a 'superblock journal block inode path'
        complete -c integrityfs -n '__fish_seen_subcommand_from key' -a 'list add remove'
        complete -c integrityfs -n '__fish_seen_subcommand_from crashtest' -a 'run'
        complete -c integrityfs -n '__fish_seen_subcommand_from crashtest' -l workload -x -d 'Id or text'
        complete -c integrityfs -n '__fish_seen_subcommand_from crashtest' -l state -x -d 'Crash state'
        complete -c integrityfs -n '__fish_seen_subcommand_from crashtest' -l seed -x -d 'Seed of all choices'
        complete -c integrityfs -n '__fish_seen_subcommand_from crashtest' -l jobs -x -d 'Threads'
        complete -c integrityfs -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'
        complete -c integrityfs -n '__fish_seen_subcommand_from mkfs fsck status dump key crashtest' -l json -d 'Print JSON'
        complete -c integrityfs -n '__fish_seen_subcommand_from mount' -s o -x -d 'Mount options'

        """;
}
