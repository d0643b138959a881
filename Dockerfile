# The image of every process (the command says which), and below it those of nginx and certbot with our configuration.
# Versions are pinned; to pin an image's content too, write its digest behind the tag: docs/operations.md, "Images".

FROM python:3.11.16-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt /
# Each file that is downloaded is held against its hash. What a running process needs not is left behind.
RUN python -m venv /opt/stormalert \
 && /opt/stormalert/bin/pip install --require-hashes --only-binary :all: --requirement /requirements.txt \
 && /opt/stormalert/bin/pip uninstall --quiet --yes pip setuptools \
 && python -m compileall -q -j 0 /opt/stormalert

FROM nginx:1.30.4-trixie AS nginx
LABEL org.opencontainers.image.title="StormAlert: nginx" org.opencontainers.image.licenses="MIT"
COPY deploy/nginx /etc/stormalert
# Volumes take over whose these are.
RUN install -d -o nginx -g nginx /etc/letsencrypt /var/www/acme
USER 101:101
ENTRYPOINT ["/etc/stormalert/entrypoint.sh"]
CMD []

FROM certbot/certbot:v5.8.0 AS certbot
LABEL org.opencontainers.image.title="StormAlert: certbot" org.opencontainers.image.licenses="MIT"
COPY deploy/certbot /etc/stormalert
# The user of nginx, which reads what is written here.
RUN mkdir -p /etc/letsencrypt /var/www/acme && chown 101:101 /etc/letsencrypt /var/www/acme
USER 101:101
ENTRYPOINT ["/etc/stormalert/keep.sh"]
CMD []

FROM python:3.11.16-slim-bookworm AS app
LABEL org.opencontainers.image.title="StormAlert" \
      org.opencontainers.image.description="Real-time stock alerts for the Indian market" \
      org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /app --shell /usr/sbin/nologin storm
COPY --from=packages /opt/stormalert /opt/stormalert
WORKDIR /app
COPY stormalert stormalert
COPY ops ops
COPY ingest ingest
COPY evaluator evaluator
COPY lua lua
COPY workers workers
COPY dashboard dashboard
COPY .streamlit .streamlit
COPY sandbox sandbox
COPY deploy/redis.conf deploy/redis.conf
RUN ["/opt/stormalert/bin/python", "-m", "compileall", "-q", "."]
ENV PATH=/opt/stormalert/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 STORM_LOG_FORMAT=json
USER 10001:10001
CMD ["python", "-m", "stormalert", "--help"]
