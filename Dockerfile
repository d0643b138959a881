# The image of every process but the dashboard (the command says which), the dashboard's upon it, and those of nginx and certbot.
# Versions are pinned; to pin an image's content too, write its digest behind the tag: docs/operations.md, "Images".

FROM python:3.11.16-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt pyproject.toml deploy/split_packages.py /
# Each file that is downloaded is held against its hash. What a running process needs not is left behind, and what only pages need
# (Streamlit with pandas, NumPy and Arrow, more than half of all) is laid beside: eight of nine containers never load it.
RUN python -m venv /opt/stormalert \
 && /opt/stormalert/bin/pip install --require-hashes --only-binary :all: --requirement /requirements.txt \
 && /opt/stormalert/bin/pip uninstall --quiet --yes pip setuptools \
 && /opt/stormalert/bin/python /split_packages.py /pyproject.toml /opt/pages/site-packages \
 && python -m compileall -q -j 0 /opt/stormalert /opt/pages

# A checkout's files are as private as its owner's umask made them; here everybody may read them.
FROM python:3.11.16-slim-bookworm AS source
COPY deploy/nginx /nginx
COPY deploy/certbot /certbot
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
COPY deploy/answers deploy/answers
RUN python -m compileall -q . && chmod -R a+rX /app /nginx /certbot

FROM nginx:1.30.4-trixie AS nginx
LABEL org.opencontainers.image.title="StormAlert: nginx" org.opencontainers.image.licenses="MIT"
COPY --from=source /nginx /etc/stormalert
# Volumes take over whose these are.
RUN install -d -o nginx -g nginx /etc/letsencrypt /var/www/acme
USER 101:101
ENTRYPOINT ["/etc/stormalert/entrypoint.sh"]
CMD []

FROM certbot/certbot:v5.8.0 AS certbot
LABEL org.opencontainers.image.title="StormAlert: certbot" org.opencontainers.image.licenses="MIT"
COPY --from=source /certbot /etc/stormalert
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
COPY --from=source /app /app
WORKDIR /app
ENV PATH=/opt/stormalert/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 STORM_LOG_FORMAT=json
USER 10001:10001
CMD ["python", "-m", "stormalert", "--help"]

FROM app AS pages
LABEL org.opencontainers.image.title="StormAlert: dashboard"
COPY --from=packages /opt/pages /opt/pages
ENV PYTHONPATH=/opt/pages/site-packages
USER 10001:10001
