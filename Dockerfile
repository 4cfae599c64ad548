# One image for every Catalyst process: migration, code location, daemon, webserver, demo.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1

WORKDIR /opt/catalyst

# The lock first: dependencies stay cached while the code changes.
COPY requirements.lock ./
RUN python -m pip install --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE dagster.yaml workspace.yaml ./
COPY sql ./sql
COPY catalyst_assets ./catalyst_assets
RUN python -m pip install --no-deps --no-build-isolation . \
    && useradd --system --create-home --uid 10001 catalyst \
    && mkdir -p /opt/catalyst/dagster_home /var/lib/catalyst \
    && chown -R catalyst:catalyst /opt/catalyst/dagster_home /var/lib/catalyst

COPY --chown=catalyst:catalyst dagster.yaml /opt/catalyst/dagster_home/dagster.yaml

USER catalyst
ENV DAGSTER_HOME=/opt/catalyst/dagster_home CATALYST_HOME=/var/lib/catalyst
VOLUME /var/lib/catalyst
CMD ["catalyst", "doctor"]
