#!/bin/sh
# Starts Redis or Valkey. Where its append-only file was left damaged, by a power cut or a disk, it would end as often as it is
# started: then the file is mended first, as far as it can be, what was damaged is kept, and what is lost is told.
#
#     start.sh DIRECTORY CHECK_AOF CHECK_RDB SERVER ARGUMENT...
#
# The file has parts, which its manifest lists: a snapshot, and what was written since. The servers' own checks are asked part by
# part, because Valkey's does not know Valkey's snapshots when it is given the manifest.
set -eu
directory=$1 check_aof=$2 check_rdb=$3
shift 3
parts=$directory/appendonlydir
manifest=$parts/appendonly.aof.manifest
# When it was started last.
mark=$directory/started
ending=damaged-$(date -u +%Y%m%d-%H%M%S)

tell() {
    line="$(date -u +%Y-%m-%dT%H:%M:%SZ) $1"
    echo "$line" >&2
    echo "$line" >>"$directory/mended.log"
}

# The names of one type: b, the snapshot, or i, what was written since, oldest first.
listed() {
    sed -n "s/^file \([^ ]*\) .*type $1.*/\1/p" "$manifest"
}

size() {
    wc -c <"$1" | tr -d ' '
}

# 1 is what the checks say of damage; a check that cannot run says nothing.
is_damaged() {
    code=0
    "$1" "$2" >/dev/null 2>&1 || code=$?
    [ "$code" = 1 ]
}

# A look of a moment: the whole is read only when it ended soon after it was last started, or does not end as a command does.
is_suspect() {
    [ -f "$manifest" ] || return 1
    [ -z "$(find "$mark" -mmin -10 2>/dev/null)" ] || return 0
    last=$parts/$(listed i | tail -n 1)
    [ -f "$last" ] || return 0
    [ -s "$last" ] && [ "$(tail -c 2 "$last" | od -An -tx1 | tr -d ' ')" != 0d0a ]
}

set_all_aside() {
    mv "$parts" "$parts.$ending"
    tell "redis: $1. It begins empty: the evaluator arms all rules anew from the store; windows, and what was on its way, are lost. Kept: $parts.$ending"
}

cut_behind_last_whole_command() {
    part=$1 before=$(size "$parts/$1")
    cp -p "$parts/$part" "$directory/$part.$ending"
    echo y | "$check_aof" --fix "$parts/$part" >/dev/null
    lost=$((before - $(size "$parts/$part")))
    # What was written later builds on what is cut off.
    for later in $(listed i | sed -n "/^$part\$/,\$p" | sed 1d); do
        lost=$((lost + $(size "$parts/$later")))
        mv "$parts/$later" "$directory/$later.$ending"
    done
    sed "/^file $part /q" "$manifest" >"$manifest.new"
    mv "$manifest.new" "$manifest"
    tell "redis: its append-only file was damaged, and was cut behind its last whole command: $lost bytes are lost, mostly what was written last. Kept: $directory/$part.$ending"
}

mend() {
    base=$(listed b)
    if [ -n "$base" ]; then
        if [ ! -f "$parts/$base" ]; then
            set_all_aside "the snapshot of its append-only file is missing"
            return
        fi
        check=$check_rdb
        [ "${base%.rdb}" != "$base" ] || check=$check_aof
        if is_damaged "$check" "$parts/$base"; then
            set_all_aside "the snapshot of its append-only file is damaged"
            return
        fi
    fi
    for each in $(listed i); do
        if [ ! -f "$parts/$each" ]; then
            set_all_aside "a part of its append-only file is missing"
            return
        fi
        if is_damaged "$check_aof" "$parts/$each"; then
            cut_behind_last_whole_command "$each"
            return
        fi
    done
    # Neither a snapshot nor anything since: what a power cut leaves of the list itself.
    if [ -z "$base$(listed i)" ]; then
        set_all_aside "the list of the parts of its append-only file is damaged"
    fi
}

if is_suspect; then
    mend
fi
touch "$mark"
exec "$@"
