#!/bin/sh
# Starts a throw-away Dovecot 2.3, and Postfix beside it where there is one, on this machine alone; plays the e-mail
# connector against them, and stops them. Says so when there is none. Needs to be root, as both change users
# (apt install dovecot-imapd dovecot-lmtpd postfix openssl; their own services need not run).
#
#   tests/real/dovecot.sh            plays the tests
#   tests/real/dovecot.sh COMMAND    runs something else beside the servers, with HEARBACK_TEST_DOVECOT set, and
#                                    HEARBACK_TEST_MAIL where there is Postfix
#
# PORT, and the three after it, are used: IMAP, IMAP over TLS, SMTP, SMTP over TLS.
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
lacks=
command -v postfix >/dev/null || lacks="$lacks postfix"
command -v openssl >/dev/null || lacks="$lacks openssl"
[ -x /usr/lib/dovecot/lmtp ] || [ -x /usr/libexec/dovecot/lmtp ] || lacks="$lacks dovecot-lmtpd"
[ -z "$lacks" ] || echo "Letters are put into the mailbox by hand, and the whole way is not played: install$lacks."

port=${PORT:-14143}
name=$(hostname)
folder=$(mktemp -d)
stop() {
    [ -n "$lacks" ] || postfix -c "$folder/postfix" stop 2>/dev/null || true
    doveadm -c "$folder/dovecot.conf" stop 2>/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT
mkdir "$folder/mail"
chmod 755 "$folder"
chown nobody "$folder/mail"
for user in help@shop.example ann@mail.example bob@mail.example; do
    echo "$user::::::"
done >"$folder/users"

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
  driver = passwd-file
  args = $folder/users
  override_fields = uid=nobody gid=nogroup home=$folder/mail/%u
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

if [ -z "$lacks" ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$name" \
        -addext "subjectAltName=DNS:localhost,DNS:$name" -addext "basicConstraints=critical,CA:FALSE" \
        -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null
    cat >>"$folder/dovecot.conf" <<CONFIG
protocols = imap lmtp
ssl = yes
ssl_cert = <$folder/cert.pem
ssl_key = <$folder/key.pem
service imap-login {
  inet_listener imaps {
    port = $((port + 1))
    ssl = yes
  }
}
service auth {
  unix_listener auth-smtp {
    mode = 0666
  }
}
protocol lmtp {
  postmaster_address = postmaster@shop.example
}
CONFIG
    mkdir "$folder/postfix" "$folder/queue" "$folder/state"
    chown postfix "$folder/state"
    cat >"$folder/postfix/main.cf" <<CONFIG
compatibility_level = 3.6
queue_directory = $folder/queue
data_directory = $folder/state
maillog_file = $folder/postfix.log
maillog_file_prefixes = $folder
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.shop.example
mydestination =
alias_maps =
virtual_mailbox_domains = shop.example mail.example
virtual_transport = lmtp:unix:$folder/run/lmtp
default_transport = error:no letter leaves this machine
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_forbid_bare_newline = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = $folder/run/auth-smtp
smtpd_tls_security_level = may
smtpd_tls_cert_file = $folder/cert.pem
smtpd_tls_key_file = $folder/key.pem
smtpd_delay_reject = yes
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
CONFIG
    {
        echo "127.0.0.1:$((port + 2)) inet n - n - - smtpd"
        echo "127.0.0.1:$((port + 3)) inet n - n - - smtpd -o smtpd_tls_wrappermode=yes"
        echo "pickup unix n - n 60 1 pickup"
        echo "cleanup unix n - n - 0 cleanup"
        echo "qmgr unix n - n 1 1 qmgr"
        echo "tlsmgr unix - - n 1000? 1 tlsmgr"
        echo "rewrite unix - - n - - trivial-rewrite"
        for service in bounce defer trace; do
            echo "$service unix - - n - 0 bounce"
        done
        echo "proxymap unix - - n - - proxymap"
        echo "error unix - - n - - error"
        echo "retry unix - - n - - error"
        echo "lmtp unix - - n - - lmtp"
        echo "anvil unix - - n - 1 anvil"
        echo "postlog unix-dgram n - n - 1 postlogd"
    } >"$folder/postfix/master.cf"
    postfix -c "$folder/postfix" start 2>/dev/null
fi

dovecot -c "$folder/dovecot.conf"
HEARBACK_TEST_DOVECOT="imap://127.0.0.1:$port"
export HEARBACK_TEST_DOVECOT
rest="smtp://127.0.0.1:$((port + 2)) $folder/dovecot.conf $folder/cert.pem"
if [ -z "$lacks" ]; then
    HEARBACK_TEST_MAIL="imaps://localhost:$((port + 1)) smtps://localhost:$((port + 3)) $rest"
    export HEARBACK_TEST_MAIL
fi
if [ $# -gt 0 ]; then
    "$@"
    exit
fi
cargo test --test it real::dovecot -- --nocapture
[ -z "$lacks" ] || exit 0
cargo test --test it real::mail -- --nocapture
case $(getent hosts "$name") in
127.*)
    # By a name that is not known to be this machine, TLS is asked for.
    HEARBACK_TEST_MAIL="imap://$name:$port smtp://$name:$((port + 2)) $rest"
    cargo test --test it real::mail -- --nocapture
    ;;
*) echo "STARTTLS is not played: this machine's name does not lead to 127.0.0.1." ;;
esac
