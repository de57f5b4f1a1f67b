# One image for the API, the workers, the sandbox and the migrations: `docker build -t paycenter .`
FROM python:3.13-slim AS packages
WORKDIR /app
RUN python -m venv /app/.venv
COPY requirements-server.lock .
RUN /app/.venv/bin/pip install --no-cache-dir --require-hashes -r requirements-server.lock

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /app paycenter \
    && install --directory --owner=paycenter /statements
WORKDIR /app
COPY --from=packages /app/.venv /app/.venv
COPY pyproject.toml cli.py settings.py worker.py ./
COPY activities activities
COPY api api
COPY channels channels
COPY devstack devstack
COPY domain domain
COPY engine engine
COPY models models
COPY observability observability
COPY sandbox sandbox
COPY storage storage
COPY workflows workflows
ENV PATH=/app/.venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1
USER paycenter
ENTRYPOINT ["python", "-m", "cli"]
CMD ["--help"]
