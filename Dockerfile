# The service only: no PyTorch, no compiler, no pip.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
COPY deploy/requirements.lock /build/
# An environment without pip, installed by hashes only.
RUN python -m venv --without-pip /opt/seqserve \
 && python -m pip --python /opt/seqserve/bin/python install --no-cache-dir --no-deps --require-hashes \
    --requirement /build/requirements.lock
# The page needs one file of plotly, 5 of 64 MB.
RUN cd /opt/seqserve/lib/python3*/site-packages/plotly \
 && find . -type f ! -path ./package_data/plotly.min.js -delete \
 && find . -type d -empty -delete
COPY bundle /opt/seqserve/app/bundle
COPY service /opt/seqserve/app/service
# Byte code now: the root file system may be read-only at run time.
RUN python -m compileall -q /opt/seqserve/app

FROM ${PYTHON_IMAGE}
# tcmalloc: docs/decisions/0018-memory-allocator.md
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libtcmalloc-minimal4 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
LABEL org.opencontainers.image.title="seqserve" org.opencontainers.image.licenses="Apache-2.0"
LABEL org.cyclonedx.sbom="/opt/seqserve/sbom.cdx.json"
COPY --from=build /opt/seqserve /opt/seqserve
COPY LICENSE deploy/sbom.cdx.json /opt/seqserve/
COPY models_store /models
ENV PATH=/opt/seqserve/bin:$PATH \
    LD_PRELOAD=libtcmalloc_minimal.so.4 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    SEQSERVE_HOST=0.0.0.0 \
    SEQSERVE_STORE=/models
WORKDIR /opt/seqserve/app
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 CMD ["python", "-m", "service", "healthcheck"]
CMD ["python", "-m", "service"]
