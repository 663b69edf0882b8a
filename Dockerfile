# The image of web, worker and migrations; docker-compose.yml says how they are started, docs/deployment.md what they need.

FROM python:3.13-slim-bookworm AS base

FROM base AS build
WORKDIR /app
COPY requirements*.lock ./
# What is wanted beside the service itself: docker build --build-arg EXTRAS=requirements-telemetry.lock
ARG EXTRAS=
# Wheels alone: nothing is compiled, and no package runs code of its own while it is installed. What is imported is compiled to
# bytecode below, and the rest is not, which keeps the image small.
RUN python -m venv --without-pip .venv \
 && python -m pip --python .venv/bin/python install --no-cache-dir --no-compile --only-binary :all: --require-hashes \
    --requirement requirements.lock ${EXTRAS:+--requirement "$EXTRAS"}
COPY . .
# Imports all of it, so that an image with a part missing is not built.
RUN APP_ENV=testing INSTANCE_PATH=/tmp/instance .venv/bin/gunicorn --check-config wsgi:app
# The service can read it even where the repository was cloned for one user alone.
RUN chmod -R go+rX /app

FROM base
RUN groupadd --gid 10001 tasktracker \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin tasktracker \
 && install --directory --owner tasktracker --group tasktracker /secrets /secrets/owner /secrets/service
# The code is root's: the service can read it and not change it.
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    APP_ENV=production
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
CMD ["gunicorn", "wsgi:app", "--bind", "0.0.0.0:8000"]
