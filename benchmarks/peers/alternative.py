"""The obvious alternative to the service: Captum or pytorch-grad-cam behind FastAPI, one worker, a thread pool.

Started as ``python -m benchmarks.peers.alternative FOLDER PORT THREADS`` in the environment of the PyTorch
libraries. It does what the service does for the same question: reads the upload, decodes, resizes, classifies,
explains the predicted class, and sends the map as a 16-bit PNG in JSON.
"""

import base64
import io
import sys
import threading
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import uvicorn
from captum.attr import LayerAttribution, LayerGradCam, Occlusion, Saliency
from fastapi import Body, FastAPI
from numpy.typing import NDArray
from PIL import Image

from benchmarks.peers.architectures import Classifier, feature_layer, load
from benchmarks.peers.case import WINDOW, Case

SIDE = 224
_AT_ONCE = 8


class Explainer:
    """Captum's methods over one network.

    Hooks change the network while a method runs, so that requests take turns: without the lock two at once
    give wrong maps.
    """

    def __init__(self, case: Case) -> None:
        self._network: Classifier = load(case.architecture, case.folder / "weights.pt")
        self._layer = feature_layer(case.architecture, self._network)
        self._stride = case.counts["stride"]
        self._lock = threading.Lock()

    def __call__(self, method: str, picture: bytes) -> tuple[int, float, NDArray[np.float32]]:
        """Classify and explain; return the class, its probability and the map."""
        image = _tensor(picture)
        with self._lock:
            with torch.inference_mode():
                probabilities = self._network(image)[0].softmax(0)
            target = int(probabilities.argmax())
            saliency = self._explain(method, image, target)
        return target, float(probabilities[target]), saliency.detach().numpy()

    def _explain(self, method: str, image: torch.Tensor, target: int) -> torch.Tensor:
        match method:
            case "gradient":
                return Saliency(self._network).attribute(image, target=target)[0].amax(0)
            case "grad_cam":
                coarse = LayerGradCam(self._network, self._layer).attribute(image, target=target)
                return LayerAttribution.interpolate(coarse, (SIDE, SIDE), "bilinear")[0, 0]
            case _:
                with torch.inference_mode():
                    falls = Occlusion(self._network).attribute(
                        image,
                        target=target,
                        sliding_window_shapes=(3, WINDOW, WINDOW),
                        strides=(3, self._stride, self._stride),
                        perturbations_per_eval=_AT_ONCE,
                    )
                return falls[0, 0]


def app_of(explainer: Explainer) -> FastAPI:
    """Make the app; plain functions run in FastAPI's thread pool."""
    app = FastAPI()

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/explain")
    def explain(picture: Annotated[bytes, Body(media_type="image/jpeg")], method: str) -> dict[str, object]:
        target, probability, saliency = explainer(method, picture)
        return {"class": target, "probability": probability, "map": _png16(saliency)}

    return app


def _tensor(picture: bytes) -> torch.Tensor:
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    scale = SIDE / 0.875 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    pixels = np.asarray(image.crop((left, top, left + SIDE, top + SIDE)), np.float32) / 255
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())


def _png16(saliency: NDArray[np.float32]) -> dict[str, object]:
    low, high = float(saliency.min()), float(saliency.max())
    levels = np.rint((saliency - low) / ((high - low) or 1) * 65_535).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", compress_level=1)
    return {"minimum": low, "maximum": high, "data": base64.b64encode(buffer.getvalue()).decode()}


def main() -> None:
    """Serve until stopped."""
    folder, port, threads, stride = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    torch.set_num_threads(threads)
    explainer = Explainer(Case.read(folder, {"stride": stride}, threads))
    explainer("grad_cam", (Path(__file__).resolve().parents[2] / "samples" / "coffee.jpg").read_bytes())
    uvicorn.run(app_of(explainer), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
