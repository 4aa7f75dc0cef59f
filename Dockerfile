# docker build -t saliserve .                                  CPU
# docker build -t saliserve:cuda --build-arg ACCELERATOR=cuda .    NVIDIA; run with --gpus all
#
# CUDA and cuDNN come as Python packages, so both images share one slim base; the host gives the driver.
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm AS packages
ARG ACCELERATOR=cpu
COPY pyproject.toml constraints.txt /build/
WORKDIR /build
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --constraint constraints.txt pip \
 && /venv/bin/pip install --no-cache-dir --constraint constraints.txt --group "serve-${ACCELERATOR}"

FROM python:${PYTHON}-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin saliserve
COPY --from=packages /venv /venv
COPY LICENSE NOTICE /app/
COPY samples /app/samples
COPY models /app/models
COPY service /app/service
WORKDIR /app
# The root file system may be read-only: whatever is written at run time goes to /tmp.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BENTOML_HOME=/tmp/bentoml \
    BENTOML_DO_NOT_TRACK=True \
    ORT_DISABLE_TELEMETRY=1
USER 10001
EXPOSE 3000
# Start-up verifies, compiles and measures the models before /readyz answers.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/livez', timeout=2)"]
ENTRYPOINT ["python", "-m", "service"]
CMD ["--host", "0.0.0.0", "--port", "3000"]
