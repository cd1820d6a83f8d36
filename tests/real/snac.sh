#!/bin/sh
# Starts snac, a small server of the fediverse, on a loopback address with two accounts, plays the Mastodon connector
# against it, and stops it. Says so when there is none. Needs to be root: it listens on port 80 of 127.0.0.2
# (ADDRESS names another), as snac finds nobody at an address with a port.
#
# snac is Debian's package snac2 since version 14; elsewhere SNAC_ROOT names a folder that has a Debian with it:
#   debootstrap --variant=minbase --include=snac2 forky FOLDER http://deb.debian.org/debian
#
#   tests/real/snac.sh            plays the test
#   tests/real/snac.sh COMMAND    runs something else beside the server, with HEARBACK_TEST_MASTODON set
set -eu

root=${SNAC_ROOT:-}
if [ -n "$root" ] && [ ! -x "$root/usr/bin/snac" ]; then
    echo "Not played: there is no snac in $root."
    exit 0
fi
if [ -z "$root" ] && ! command -v snac >/dev/null; then
    echo "Not played: there is no snac (apt install snac2, or SNAC_ROOT; see the head of this script)."
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "Not played: snac has to listen on port 80, and so to be started as root."
    exit 0
fi

address=${ADDRESS:-127.0.0.2}
folder=$(mktemp -d "$root/tmp/snac.XXXXXX")
inside=${folder#"$root"}
snac() {
    if [ -n "$root" ]; then
        chroot "$root" snac "$@"
    else
        command snac "$@"
    fi
}
server=
stop() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT
# It asks for an address, a port, a host's name, a prefix and a person.
printf '%s\n80\n%s\n\n\n' "$address" "$address" | snac init "$inside/base" >/dev/null
sed -i 's|"protocol": "https"|"protocol": "http"|' "$folder/base/server.json"
for user in help ann; do
    snac adduser "$inside/base" "$user" </dev/null 2>&1 | sed -n 's/^User password is //p' >"$folder/$user"
done
if [ -n "$root" ]; then
    chroot "$root" snac httpd "$inside/base" >"$folder/log" 2>&1 &
else
    command snac httpd "$inside/base" >"$folder/log" 2>&1 &
fi
server=$!
tries=0
until curl -s -o "$folder/answer" "http://$address/api/v1/instance"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 50 ] || ! kill -0 "$server" 2>/dev/null; then
        cat "$folder/log"
        exit 1
    fi
    sleep 0.2
done
token() {
    curl -s --data-urlencode "login=$1" --data-urlencode "passwd@$folder/$1" "http://$address/oauth/x-snac-get-token"
}
for user in help ann; do
    tr -d '\n' <"$folder/$user" >"$folder/line" && mv "$folder/line" "$folder/$user"
done

HEARBACK_TEST_MASTODON="http://$address $(token help) $(token ann) lookup"
export HEARBACK_TEST_MASTODON
if [ $# -gt 0 ]; then
    "$@"
else
    cargo test --test it real::mastodon -- --nocapture
fi
