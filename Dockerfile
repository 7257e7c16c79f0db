# Storyloom's image: the API and the worker, and, as the target `inbox`, a mail catcher.

# --- the locked packages, in an environment of their own
FROM python:3.13-slim-bookworm AS packages
COPY requirements/production.txt /production.txt
RUN python -m venv /opt/storyloom \
    && /opt/storyloom/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --no-deps --only-binary :all: --requirement /production.txt

# --- the locked npm packages, and GraphiQL's page made of them
FROM node:24-bookworm-slim AS web
WORKDIR /srv/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --ignore-scripts --no-audit
COPY web/graphiql graphiql
RUN npm run build

# --- a mail catcher with a web inbox, for machines without a mail server
FROM node:24-bookworm-slim AS inbox
WORKDIR /srv/web
COPY --from=web /srv/web/node_modules node_modules
USER 1000:1000
EXPOSE 1025 1080
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
    CMD ["node", "node_modules/maildev/dist/bin/healthcheck.js"]
CMD ["node", "node_modules/maildev/dist/bin/maildev.js", "--ip", "0.0.0.0", "--web-ip", "0.0.0.0", "--max-emails", "500"]

# --- the service
FROM python:3.13-slim-bookworm AS service
RUN groupadd --system --gid 10001 storyloom \
    && useradd --system --uid 10001 --gid storyloom --no-create-home --shell /usr/sbin/nologin storyloom \
    && install --directory --owner storyloom --group storyloom --mode 0700 /var/lib/storyloom
WORKDIR /srv/storyloom
ENV PATH=/opt/storyloom/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STORYLOOM_HOME=/var/lib/storyloom
COPY --from=packages /opt/storyloom /opt/storyloom
COPY adapters adapters
COPY api api
COPY bootstrap bootstrap
COPY db db
COPY domain domain
COPY schema schema
COPY storyloom storyloom
COPY usecases usecases
COPY workers workers
COPY --from=web /srv/web/dist web/dist
USER 10001:10001
VOLUME /var/lib/storyloom
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
# The worker's command is `arq workers.WorkerSettings`, the migrations' `python -m db.migrations upgrade`.
CMD ["uvicorn", "api.app:create_app", "--host", "0.0.0.0", "--port", "8000", \
     "--factory", "--loop", "uvloop", \
     "--ws", "websockets-sansio", "--ws-per-message-deflate", "false", "--ws-max-size", "65536", \
     "--ws-ping-interval", "0", \
     "--no-access-log", "--no-proxy-headers", "--no-server-header", \
     "--timeout-graceful-shutdown", "8"]
