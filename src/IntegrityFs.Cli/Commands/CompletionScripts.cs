using System.Text;

namespace IntegrityFs.Cli.Commands;

/// <summary>The scripts that the shells load. Each finds the longest known command in the words before the cursor.</summary>
internal static class CompletionScripts
{
    private const string Names = "integrityfs mkfs.integrityfs fsck.integrityfs mount.integrityfs mount.fuse.integrityfs umount.integrityfs";

    public static string Bash(IReadOnlyList<CompletionLevel> levels)
    {
        var text = new StringBuilder($$"""
            # bash completion for integrityfs
            _integrityfs() {
                local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at= word words= values= i
                case ${COMP_WORDS[0]##*/} in
                    mkfs.*) at=mkfs ;;
                    fsck.*) at=fsck ;;
                    mount.*) at=mount ;;
                    umount.*) at=umount ;;
                esac
                for ((i = 1; i < COMP_CWORD; i++)); do
                    word="$at${at:+ }${COMP_WORDS[i]}"
                    case $word in
                        {{Paths(levels)}}) at=$word ;;
                    esac
                done
                if [[ $at == mount && $prev == -o ]]; then
                    compopt -o nospace 2>/dev/null
                    COMPREPLY=($(compgen -W '{{CompletionModel.MountOptions}}' -- "$cur"))
                    return
                fi
                case $at in

            """);
        foreach (CompletionLevel level in levels)
        {
            text.Append($"        '{level.Path}') words='{string.Join(' ', level.Words.Concat(level.OptionNames))}'");
            text.Append($" values=' {string.Join(' ', level.Options.Where(o => o.TakesValue).SelectMany(o => o.Names))} ' ;;\n");
        }

        text.Append($$"""
                esac
                if [[ $values == *" $prev "* ]]; then
                    words=
                fi
                COMPREPLY=($(compgen -W "$words" -- "$cur"))
                if [[ $cur != -* && -n $at && $at != completion ]]; then
                    compopt -o filenames 2>/dev/null
                    COMPREPLY+=($(compgen -f -- "$cur"))
                fi
            }
            complete -F _integrityfs {{Names}}

            """);
        return text.ToString();
    }

    public static string Zsh(IReadOnlyList<CompletionLevel> levels)
    {
        var text = new StringBuilder($$"""
            #compdef {{Names}}
            # zsh completion for integrityfs
            _integrityfs() {
                local at= word i
                local -a options names
                case ${words[1]:t} in
                    mkfs.*) at=mkfs ;;
                    fsck.*) at=fsck ;;
                    mount.*) at=mount ;;
                    umount.*) at=umount ;;
                esac
                for ((i = 2; i < CURRENT; i++)); do
                    word="$at${at:+ }${words[i]}"
                    case $word in
                        {{Paths(levels)}}) at=$word ;;
                    esac
                done
                case $at in

            """);
        foreach (CompletionLevel level in levels)
        {
            text.Append($"        '{level.Path}')\n            names=({string.Join(' ', level.Words)})\n            options=(\n");
            foreach (CompletionOption option in level.Options)
            {
                foreach (string name in option.Names)
                {
                    text.Append($"                '{name}[{Plain(option.Description)}]{(option.TakesValue ? ":value:_files" : "")}'\n");
                }
            }

            text.Append("            ) ;;\n");
        }

        text.Append($$"""
                esac
                if [[ $at == mount && ${words[CURRENT-1]} == -o ]]; then
                    compadd -S '' -- {{CompletionModel.MountOptions}}
                    return
                fi
                (( $#names )) && compadd -- $names
                _arguments -S $options '*:file:_files'
            }
            _integrityfs "$@"

            """);
        return text.ToString();
    }

    public static string Fish(IReadOnlyList<CompletionLevel> levels)
    {
        var text = new StringBuilder($$"""
            # fish completion for integrityfs
            function __integrityfs_at
                set -l at ''
                for word in (commandline -opc)[2..-1]
                    set -l longer (string trim -- "$at $word")
                    if contains -- "$longer" {{string.Join(' ', levels.Skip(1).Select(l => $"'{l.Path}'"))}}
                        set at "$longer"
                    end
                end
                test "$at" = "$argv"
            end

            """);
        foreach (CompletionLevel level in levels)
        {
            string where = $"complete -c integrityfs -n '__integrityfs_at {level.Path}'";
            if (level.Words.Count > 0)
            {
                text.Append($"{where}{(level.Path is "" or "completion" ? " -f" : "")} -a '{string.Join(' ', level.Words)}'\n");
            }

            foreach (CompletionOption option in level.Options)
            {
                text.Append(where);
                foreach (string name in option.Names)
                {
                    text.Append(name.StartsWith("--", StringComparison.Ordinal) ? $" -l {name[2..]}" : $" -s {name[1..]}");
                }

                text.Append($"{(option.TakesValue ? " -r" : "")} -d '{Plain(option.Description)}'\n");
            }
        }

        return text.ToString();
    }

    /// <summary>The commands as alternatives of a shell pattern.</summary>
    private static string Paths(IReadOnlyList<CompletionLevel> levels) => string.Join(" | ", levels.Skip(1).Select(l => $"'{l.Path}'"));

    /// <summary>A description without the characters that shells or _arguments would read.</summary>
    private static string Plain(string text) =>
        text.Replace("'", "", StringComparison.Ordinal).Replace('[', '(').Replace(']', ')').Replace(":", " ", StringComparison.Ordinal);
}
