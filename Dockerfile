# fmbench in a container; docs/container.md says how to build and run it.
#   docker build -t fmbench .
#   docker run --rm --init -v "$PWD:/work" fmbench --config-file quickstart
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${BASE}
ARG EXTRAS=local,ec2,eks
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir "$(echo /wheels/*.whl)[${EXTRAS}]"

# Any user that the container runs as (--user) has a home and a cache that are writable.
RUN useradd --uid 1000 --non-unique --create-home fmbench \
    && mkdir -p /work /cache \
    && chown fmbench:fmbench /work /cache \
    && chmod 1777 /work /cache /home/fmbench
ENV HOME=/home/fmbench \
    USER=fmbench \
    FMBENCH_CACHE=/cache \
    PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /work

# When it is stopped, the run deletes what it deployed, which takes a while: docker run --stop-timeout 1800.
STOPSIGNAL SIGTERM
ENTRYPOINT ["fmbench"]
CMD ["--help"]
