# One image, every process: the command says which.
FROM python:3.11-slim-bookworm AS packages
COPY requirements.txt /
RUN python -m venv /opt/stormalert \
 && /opt/stormalert/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --no-create-home --home-dir /app --shell /usr/sbin/nologin storm
COPY --from=packages /opt/stormalert /opt/stormalert
WORKDIR /app
COPY stormalert stormalert
COPY ingest ingest
COPY evaluator evaluator
COPY lua lua
COPY workers workers
COPY dashboard dashboard
COPY .streamlit .streamlit
COPY sandbox sandbox
COPY deploy/redis.conf deploy/redis.conf
RUN python -m compileall -q .
ENV PATH=/opt/stormalert/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 STORM_LOG_FORMAT=json
USER storm
CMD ["python", "-m", "stormalert", "--help"]
