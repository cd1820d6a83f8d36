#!/bin/sh
# Starts PyPI's mastodon_mock on 127.0.0.1 with two accounts, plays the Mastodon connector against it, and stops it.
# Says so when there is none (pip install mastodon_mock; MASTODON_MOCK names the program where it is not on PATH).
#
#   tests/real/mastodon_mock.sh            plays the test
#   tests/real/mastodon_mock.sh COMMAND    runs something else beside the server, with HEARBACK_TEST_MASTODON set
set -eu

program=${MASTODON_MOCK:-mastodon_mock}
if ! command -v "$program" >/dev/null; then
    echo "Not played: there is no mastodon_mock (pip install mastodon_mock)."
    exit 0
fi

port=${PORT:-14190}
folder=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT
cat >"$folder/mock.toml" <<CONFIG
[database]
path = "$folder/mock.db"
[[seed.accounts]]
username = "help"
access_token = "token-of-help"
[[seed.accounts]]
username = "ann"
access_token = "token-of-ann"
CONFIG
"$program" serve --config "$folder/mock.toml" --port "$port" --log-level error >"$folder/log" 2>&1 &
server=$!
tries=0
until curl -s -o "$folder/answer" "http://127.0.0.1:$port/api/v2/instance"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
        cat "$folder/log"
        exit 1
    fi
    sleep 0.2
done

HEARBACK_TEST_MASTODON="http://127.0.0.1:$port token-of-help token-of-ann key"
export HEARBACK_TEST_MASTODON
if [ $# -gt 0 ]; then
    "$@"
else
    cargo test --test it real::mastodon -- --nocapture
fi
