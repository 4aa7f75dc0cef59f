"""A GPU says what the CPU says. For ``make test-gpu``; skipped where there is no CUDA driver."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from service.bundle.load import load_bundle
from service.explain.methods import METHODS
from service.explain.subject import Subject
from service.faithfulness.receipt import receipt_plan
from service.runtime.device import CUDA, choose_device
from service.runtime.drive import drive
from service.runtime.model import LoadedModel
from service.runtime.plan import Direction, MicroBatch
from service.runtime.programs import Programs
from tests.devices import NEEDS_CUDA

pytestmark = NEEDS_CUDA

BUNDLE = Path(__file__).parents[3] / "models" / "cifar10-standard" / "1"
PIXELS = np.random.default_rng(6).random((3, 32, 32), dtype=np.float32)
EPS = float(np.finfo(np.float32).eps)


def additions() -> int:
    """How many products are added up one after the other on the longest way from the image to a logit."""
    graph = onnx.load(BUNDLE / "classify.onnx", load_external_data=False).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    weights = [
        shapes[node.input[1]]
        for node in graph.node
        if node.op_type in {"Conv", "Gemm"} and node.input[1] in shapes
    ]
    assert weights
    return sum(int(np.prod(shape[1:])) for shape in weights)


RELATIVE = 2 * additions() * EPS
"""Two devices add in different orders: each is off by at most one rounding per addition."""


@pytest.fixture(scope="module")
def models() -> tuple[LoadedModel, LoadedModel]:
    """The same bundle on both."""
    loaded = []
    for kind in ("cpu", "cuda"):
        device = choose_device(kind)  # type: ignore[arg-type]  # is one of the three words
        loaded.append(LoadedModel(load_bundle(BUNDLE), device, Programs(device)))
    return loaded[0], loaded[1]


def close(got: np.ndarray, expected: np.ndarray, *, times: float = 1) -> None:
    np.testing.assert_allclose(got, expected, rtol=0, atol=times * RELATIVE * float(np.abs(expected).max()))


def test_cuda_is_what_auto_chooses():
    assert choose_device("auto").provider == choose_device("cuda").provider == CUDA


@pytest.mark.parametrize("direction", [Direction.FORWARD, Direction.GRADIENT, Direction.FEATURES])
def test_logits_and_gradients_are_the_cpus(models: tuple[LoadedModel, LoadedModel], direction: Direction):
    """A gradient passes every layer twice."""
    answers = []
    for model in models:
        cotangent = None if direction is Direction.FORWARD else np.eye(10, dtype=np.float32)[[3, 3]]
        images = model.device.upload(np.stack([PIXELS, 1 - PIXELS]))
        answer = model.run(MicroBatch(images, 2, direction, cotangent))
        answers.append({name: tensor.numpy() for name, tensor in answer.items()})
    cpu, cuda = answers
    assert cpu.keys() == cuda.keys()
    for name, expected in cpu.items():
        close(cuda[name], expected, times=2)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("rise", {"masks": 200, "agreement": None, "scalar": "logit"}),
        ("occlusion", {"window": 8, "stride": 4}),
        ("integrated_gradients", {}),
        ("smooth_grad", {"samples": 8}),
        ("grad_cam", {}),
    ],
)
def test_an_explanation_is_the_cpus(
    models: tuple[LoadedModel, LoadedModel], method: str, parameters: dict[str, object]
):
    """Noise comes from a counter, so both devices see the same. A map is a mean of answers, or of differences of
    two; ten times the bound leaves room for what cancels."""
    maps = []
    for model in models:
        subject = Subject.of(model, PIXELS, target=3, seed=1)
        chosen = METHODS[method]
        plan = chosen.plan(subject, chosen.parameters.model_validate(parameters))
        maps.append(drive(plan, model).map)
    close(maps[1], maps[0], times=10)


def test_a_receipt_is_the_cpus(models: tuple[LoadedModel, LoadedModel]):
    """Curves are probabilities, which move by no more than half of what logits do."""
    saliency = np.random.default_rng(7).random((32, 32)).astype(np.float32)
    receipts, largest_logit = [], 0.0
    for model in models:
        subject = Subject.of(model, PIXELS, target=3, seed=1)
        receipts.append(drive(receipt_plan(subject, saliency), model))
        logits = model.run(MicroBatch(subject.image, 1))["logits"].numpy()
        largest_logit = max(largest_logit, float(np.abs(logits).max()))
    cpu, cuda = receipts
    assert cuda.forwards == cpu.forwards
    for expected, got in zip(cpu.panels, cuda.panels, strict=True):
        for which in ("morf", "lerf"):
            np.testing.assert_allclose(
                np.asarray(getattr(got.map, which), float),
                np.asarray(getattr(expected.map, which), float),
                rtol=0,
                atol=RELATIVE * largest_logit,
            )


def test_outputs_stay_on_the_device(models: tuple[LoadedModel, LoadedModel]):
    """ONNX Runtime says itself where a tensor lies."""
    model = models[1]
    answer = model.run(MicroBatch(model.device.upload(PIXELS[None]), 1))
    assert {tensor.device_name() for tensor in answer.values()} == {"cuda"}
