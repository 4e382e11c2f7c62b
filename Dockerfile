# One image for the console, the keeper and the workers: the command says which.
FROM python:3.13-slim-trixie AS build
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --locked --no-default-groups --extra telemetry --no-install-project
COPY manage.py ./
COPY queues queues
COPY runnerq_site runnerq_site
# Static files need settings, and none of these values reaches the final image.
RUN uv sync --locked --no-default-groups --extra telemetry && \
    DEBUG=0 SECRET_KEY=build ALLOWED_HOSTS=build KAFKA_BROKERS=build REDIS_URL=redis://build \
    DATABASE_URL=postgresql://build/build .venv/bin/python manage.py collectstatic --noinput

FROM python:3.13-slim-trixie
RUN useradd --system --uid 10001 --no-create-home runnerq
WORKDIR /app
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 DEBUG=0 LOG_FORMAT=json
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "manage.py"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
