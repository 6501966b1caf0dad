# Shared by install and quickstart: where the sources are, what is needed to build, and how to build.
# shellcheck shell=bash

repository=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

step() { printf '==> %s\n' "$*" >&2; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "'$*' needs root; run it yourself, or install sudo"
    fi
}

# need_packages NAME...: installs those Debian packages that are missing.
need_packages() {
    local missing=() package
    command -v dpkg-query >/dev/null || return 0
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    step "installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null 2>&1 || {
        as_root apt-get update -qq >/dev/null
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
    }
}

# want_faster_hash: the multi-buffer library doubles the rate of hashing; that it cannot be had is no failure.
want_faster_hash() {
    [ "$(uname -m)" = x86_64 ] || return 0
    (need_packages libipsec-mb1) || step "libipsec-mb1 is not to be had; hashing goes by OpenSSL alone"
}

runtime_identifier() {
    case $(uname -m) in
        x86_64) echo linux-x64 ;;
        aarch64) echo linux-arm64 ;;
        *) fail "no NativeAOT build for $(uname -m); x86_64 and aarch64 are supported" ;;
    esac
}

# build DIRECTORY: publishes the native program there, unless it is newer than every source.
build() {
    local directory=$1 log
    command -v dotnet >/dev/null || fail "the .NET 10 SDK is missing (dotnet is not in PATH)"
    if [ -x "$directory/integrityfs" ] \
        && [ -z "$(find "$repository/src" "$repository"/Directory.*.props -newer "$directory/integrityfs" \
            \( -name '*.cs' -o -name '*.csproj' -o -name '*.props' \) -not -path '*/obj/*' -print -quit)" ]; then
        return 0
    fi
    need_packages clang zlib1g-dev
    step "building the native program (one to three minutes)"
    mkdir -p "$directory"
    log=$directory/build.log
    dotnet publish "$repository/src/IntegrityFs.Cli/IntegrityFs.Cli.csproj" -c Release -r "$(runtime_identifier)" \
        -o "$directory" --artifacts-path "$directory/intermediate" --nologo -v quiet >"$log" 2>&1 || { tail -n 40 "$log" >&2; fail "the build failed; the whole log is $log"; }
    touch "$directory/integrityfs"
}
