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

# In the background, so that a stop does not have to wait.
nap() {
  sleep "$1" &
  wait $!
}

# This alone is healthy, so that a renewal that fails again and again is seen.
all_is_well() {
  touch "$RUN/looked"
  nap "$LOOK_EVERY_S"
}

trap 'exit 0' TERM INT
mkdir -p "$RUN"
case $DOMAIN in
  localhost | *.localhost | *.test | *.internal)
    echo "$DOMAIN is no name of the internet: nginx keeps its own certificate" >&2
    while :; do all_is_well; done
    ;;
esac
if [ -n "$EMAIL" ]; then contact="--email $EMAIL"; else contact=--register-unsafely-without-email; fi
while :; do
  if [ -e "$CONFIG/live/$DOMAIN/fullchain.pem" ] && [ ! -e "$CONFIG/renewal/$DOMAIN.conf" ]; then
    # certbot would order one and then not put it there.
    echo "$DOMAIN has a certificate that is none of certbot's: it is left alone" >&2
    all_is_well
    continue
  fi
  # shellcheck disable=SC2086  # two words are meant
  if certbot certonly --non-interactive --agree-tos $contact --server "$SERVER" --webroot --webroot-path "$ACME" \
    --domain "$DOMAIN" --cert-name "$DOMAIN" --keep-until-expiring --key-type ecdsa \
    --config-dir "$CONFIG" --work-dir "$RUN/work" --logs-dir "$RUN/log" --max-log-backups 3; then
    all_is_well
  else
    echo "no certificate for $DOMAIN yet: does its name lead here, and can port 80 be reached? Next try in $TRY_AGAIN_S s" >&2
    nap "$TRY_AGAIN_S"
  fi
done
