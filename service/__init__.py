"""The running microservice. Never imports torch, never imports training."""

import os

# ONNX Runtime 1.31 tells its makers about sessions and writes an id into the home directory, unless this is set when
# it is first imported. Every other part of this package is imported after this file.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
