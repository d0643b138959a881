#!/bin/sh
# Gets the certificate of STORM_DOMAIN from Let's Encrypt and renews it in time; nginx answers the challenge and takes it up.
set -eu

DOMAIN=${STORM_DOMAIN:?the name under which people reach this server}
EMAIL=${STORM_CERTIFICATE_EMAIL:-}
SERVER=${STORM_ACME_SERVER:-https://acme-v02.api.letsencrypt.org/directory}
CONFIG=${CONFIG:-/etc/letsencrypt}
ACME=${ACME:-/var/www/acme}
RUN=${RUN:-/tmp/certbot}
LOOK_EVERY_S=43200
# Let's Encrypt takes five tries an hour.
TRY_AGAIN_S=${TRY_AGAIN_S:-1800}

nap() {
  touch "$RUN/looked"
  # In the background, so that a stop does not have to wait.
  sleep "$1" &
  wait $!
}

trap 'exit 0' TERM INT
mkdir -p "$RUN"
case $DOMAIN in
  localhost | *.localhost | *.test | *.internal)
    echo "$DOMAIN is no name of the internet: nginx keeps its own certificate" >&2
    while :; do nap "$LOOK_EVERY_S"; done
    ;;
esac
if [ -n "$EMAIL" ]; then contact="--email $EMAIL"; else contact=--register-unsafely-without-email; fi
while :; do
  # shellcheck disable=SC2086  # two words are meant
  if certbot certonly --non-interactive --agree-tos $contact --server "$SERVER" --webroot --webroot-path "$ACME" \
    --domain "$DOMAIN" --cert-name "$DOMAIN" --keep-until-expiring --key-type ecdsa \
    --config-dir "$CONFIG" --work-dir "$RUN/work" --logs-dir "$RUN/log" --max-log-backups 3; then
    nap "$LOOK_EVERY_S"
  else
    echo "no certificate for $DOMAIN yet: does its name lead here, and can port 80 be reached? Next try in $TRY_AGAIN_S s" >&2
    nap "$TRY_AGAIN_S"
  fi
done
