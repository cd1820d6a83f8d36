#!/bin/sh
# Starts a throw-away Dovecot 2.3 on 127.0.0.1, plays the e-mail connector against it, and stops it. Says so when
# there is none. Needs to be root, as Dovecot changes users (apt install dovecot-imapd).
#
#   tests/real/dovecot.sh            plays the test
#   tests/real/dovecot.sh COMMAND    runs something else beside the server, with HEARBACK_TEST_DOVECOT set
set -eu

if ! command -v dovecot >/dev/null; then
    echo "Not played: there is no Dovecot (apt install dovecot-imapd)."
    exit 0
fi
case $(dovecot --version) in
2.3.*) ;;
*)
    echo "Not played: this is written for the configuration of Dovecot 2.3, and here is $(dovecot --version)."
    exit 0
    ;;
esac
if [ "$(id -u)" != 0 ]; then
    echo "Not played: Dovecot has to be started as root."
    exit 0
fi

port=${PORT:-14143}
folder=$(mktemp -d)
trap 'doveadm -c "$folder/dovecot.conf" stop 2>/dev/null || true; rm -rf "$folder"' EXIT
mkdir "$folder/mail"
chmod 755 "$folder"
chown nobody "$folder/mail"

cat >"$folder/dovecot.conf" <<CONFIG
base_dir = $folder/run
log_path = $folder/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_username_format = %Lu
mail_location = maildir:$folder/mail/%u
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
passdb {
  driver = static
  args = password=a-SECRET-password
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=$folder/mail/%u
}
namespace inbox {
  inbox = yes
  mailbox "Sent Items" {
    auto = create
    special_use = \Sent
  }
}
service imap-login {
  inet_listener imap {
    port = $port
  }
  inet_listener imaps {
    port = 0
  }
}
CONFIG

dovecot -c "$folder/dovecot.conf"
HEARBACK_TEST_DOVECOT="imap://127.0.0.1:$port"
export HEARBACK_TEST_DOVECOT
if [ $# -gt 0 ]; then
    "$@"
else
    cargo test --test it real::dovecot -- --nocapture
fi
