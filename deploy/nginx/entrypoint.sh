#!/bin/sh
# Starts nginx for STORM_DOMAIN, at once with a certificate of its own making, and with certbot's as soon as there is one: a new
# one is taken up while connections go on. Writes below RUN alone; runs as any user.
set -eu

HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
DOMAIN=${STORM_DOMAIN:?the name under which people reach this server}
RUN=${RUN:-/tmp/nginx}
CERTIFICATES=${CERTIFICATES:-/etc/letsencrypt/live}
ACME=${ACME:-/var/www/acme}
LOOK_EVERY_S=${LOOK_EVERY_S:-60}

case $DOMAIN in
  *[!a-z0-9.-]* | -* | .*)
    echo "STORM_DOMAIN: expected a name such as storm.example.com, was '$DOMAIN'" >&2
    exit 2
    ;;
esac

# Debian 12's nginx knows neither the newer form of HTTP/2 nor names that are looked up again.
case $(nginx -v 2>&1) in
  */1.[0-9].* | */1.1[0-9].* | */1.2[0-6].*) http2='' http2_old=' http2' resolver='' resolve='' ;;
  *) http2='http2 on;' http2_old='' resolver="resolver ${RESOLVER:-127.0.0.11} valid=10s;" resolve=' resolve' ;;
esac

render() {
  sed -e "s|@RUN@|$RUN|g" -e "s|@DOMAIN@|$DOMAIN|g" -e "s|@ACME@|$ACME|g" \
    -e "s|@HTTP_PORT@|${HTTP_PORT:-8080}|g" -e "s|@HTTPS_PORT@|${HTTPS_PORT:-8443}|g" -e "s|@HEALTH_PORT@|${HEALTH_PORT:-8081}|g" \
    -e "s|@DASHBOARD@|${DASHBOARD:-dashboard:8501}$resolve|g" -e "s|@RELAY@|${RELAY:-relay:8765}$resolve|g" \
    -e "s|@BOT@|${BOT:-bot:8766}$resolve|g" \
    -e "s|@HTTP2@|$http2|g" -e "s|@HTTP2_OLD@|$http2_old|g" -e "s|@RESOLVER@|$resolver|g" \
    "$HERE/nginx.conf.template"
}

# Good for as long as a first certificate may take; browsers warn of it.
make_own() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 90 -subj "/CN=$DOMAIN" \
    -addext "subjectAltName=DNS:$DOMAIN" -keyout "$RUN/tls/key.pem" -out "$RUN/tls/certificate.pem" 2>/dev/null
}

# certbot's, unless it is in use already; a pair that does not fit is one that is just being written.
take_up() {
  new=$CERTIFICATES/$DOMAIN
  [ -r "$new/fullchain.pem" ] && [ -r "$new/privkey.pem" ] || return 1
  ! cmp -s "$new/fullchain.pem" "$RUN/tls/certificate.pem" || return 1
  [ "$(openssl x509 -pubkey -noout -in "$new/fullchain.pem")" = "$(openssl pkey -pubout -in "$new/privkey.pem")" ] || return 1
  cp "$new/privkey.pem" "$RUN/tls/key.pem"
  cp "$new/fullchain.pem" "$RUN/tls/certificate.pem"
}

# As long as nginx lives, which has this shell's number.
look_for_new_ones() {
  while sleep "$LOOK_EVERY_S" && kill -0 $$ 2>/dev/null; do
    if take_up && nginx -t -q -p "$RUN" -c "$RUN/nginx.conf"; then
      nginx -s reload -p "$RUN" -c "$RUN/nginx.conf"
      echo "a new certificate is in use" >&2
    fi
  done
}

umask 077
mkdir -p "$RUN/tls"
render >"$RUN/nginx.conf"
take_up || [ -s "$RUN/tls/certificate.pem" ] || make_own
if [ "${1:-}" = check ]; then
  exec nginx -t -p "$RUN" -c "$RUN/nginx.conf"
fi
look_for_new_ones &
exec nginx -p "$RUN" -c "$RUN/nginx.conf"
