"""What the gradient with respect to the image costs: ours in ONNX Runtime beside PyTorch's, on the same threads.

    python -m benchmarks.gradient [resnet18 mobilenet_v3_large efficientnet_lite0 vit_b_16] [--no-compile]
        [--threads 2] [--processor-time]

On a machine that does other work, take one thread and processor time: threads of PyTorch's that wait for one that was
put aside cost it many times more than ONNX Runtime, and the ratio would say something of the other work.

Every contender differentiates one logit per image of the same batch, the weights need no gradient, and all give the
logits too. The forward pass is ONNX Runtime's: multiples of it are what the service counts in.
"""

import argparse
import functools
import logging
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torchvision
from onnx import ModelProto
from torch import Tensor

from benchmarks.interleave import Times, interleave
from benchmarks.machine import versions
from benchmarks.results import Results, Row
from scripts.gradient_parity import export
from scripts.parity_models import MEAN, MODELS, STD, Candidate, build
from service.graphs.differentiate import gradient_graph
from service.graphs.prepare import prepare
from service.runtime.device import Device, choose_device
from service.runtime.program import Program

SIDE = 224
EXPORTER = "TorchScript, opset 17"
LARGEST_DIFFERENCE = 0.05
"""Of a gradient, relative: rounding at the gates of ReLUs gives 1e-2 at most, another function about 1."""


@dataclass(frozen=True)
class Subject:
    """A model to time.

    Args:
        candidate: The model.
        batch: Images per pass.
    """

    candidate: Candidate
    batch: int


SUBJECTS = {
    "resnet18": Subject(MODELS["ResNet-18"], 8),
    "mobilenet_v3_large": Subject(MODELS["MobileNetV3-L"], 8),
    "efficientnet_lite0": Subject(MODELS["EfficientNet-Lite0"], 8),
    "vit_b_16": Subject(Candidate(torchvision.models.vit_b_16), 2),
}


def main() -> None:
    """Time the models that have no row yet, and print all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=list(SUBJECTS), metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--no-compile", action="store_true", help="leave torch.compile out; it needs a compiler"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processor-time", action="store_true", help="instead of the clock on the wall")
    given = parser.parse_args()
    clock = time.process_time if given.processor_time else time.perf_counter
    torch.set_num_threads(given.threads)
    logging.disable(logging.WARNING)  # the exporter's progress
    warnings.simplefilter("ignore")  # and its deprecations
    results = Results()
    for model in given.models:
        name = f"gradient/{model}-{clock.__name__}-{given.threads}{'' if given.no_compile else '-compiled'}"
        if name not in results:
            contenders = _contenders(SUBJECTS[model], threads=given.threads, compiled=not given.no_compile)
            row = measure(contenders, batch=SUBJECTS[model].batch, rounds=given.rounds, clock=clock)
            results.save(name, {"threads": given.threads, "clock": clock.__name__, **row})
    print(f"{'model':38} {'forward, ms':>11} {'ours / forward':>14}  times ours")
    for row in results.under("gradient"):
        against = ", ".join(f"{peer} {ratio:.2f}" for peer, ratio in row["peers_over_ours"].items())
        print(
            f"{row['name']:38} {row['forward_ms']:11.1f} {row['ours_over_forward']:14.2f}  {against} (load {row['load']})"
        )


def measure(
    contenders: Mapping[str, Callable[[], object]], *, batch: int, rounds: int, clock: Callable[[], float]
) -> Row:
    """Time one model, all contenders in turn.

    Args:
        contenders: What to run; ``forward`` and ``ours`` among them.
        batch: Images per run.
        rounds: How often each is timed.
        clock: Seconds.

    Returns:
        Medians per image and their ratios.

    Raises:
        ValueError: The contenders do not compute the same gradient.
    """
    first, *others = (_gradient(run) for name, run in contenders.items() if name != "forward")
    for other in others:
        if np.linalg.norm(other - first) > LARGEST_DIFFERENCE * np.linalg.norm(first):
            raise ValueError("the contenders' gradients differ")
    times = interleave(contenders, rounds=rounds, clock=clock)
    ours = times["ours"].median
    return {
        "rounds": rounds,
        "batch": batch,
        "versions": versions("torch", "onnxruntime"),
        "forward_ms": _per_image(times["forward"], batch),
        "ours_over_forward": ours / times["forward"].median,
        "peers_over_ours": {
            name: found.median / ours for name, found in times.items() if name not in {"forward", "ours"}
        },
        "ms": {name: _per_image(found, batch) for name, found in times.items()},
        "spread": {name: found.spread for name, found in times.items()},
    }


def _contenders(subject: Subject, *, threads: int, compiled: bool) -> dict[str, Callable[[], object]]:
    candidate = subject.candidate
    model = build(candidate, 0)
    prepared = prepare(export(model.network, SIDE, EXPORTER), mean=MEAN, std=STD)
    device = choose_device("cpu", threads=threads)
    classify, gradient = (_program(graph, device) for graph in (prepared, gradient_graph(prepared)))
    images = torch.rand(subject.batch, 3, SIDE, SIDE)
    targets = model(images).argmax(1)
    for parameter in model.parameters():
        parameter.requires_grad = False
    cotangent = np.eye(int(model(images).shape[1]), dtype=np.float32)[targets.numpy()]
    inputs = {"image": images.numpy()}
    found: dict[str, Callable[[], object]] = {
        "forward": functools.partial(classify, inputs),
        "ours": functools.partial(gradient, {**inputs, "cotangent": cotangent}),
        "eager": functools.partial(torch_gradient, model, images, targets),
    }
    last = build(candidate, 0).to(memory_format=torch.channels_last)
    for parameter in last.parameters():
        parameter.requires_grad = False
    found["channels_last"] = functools.partial(
        torch_gradient, last, images.contiguous(memory_format=torch.channels_last), targets
    )
    if compiled:
        found["compile"] = functools.partial(torch_gradient, torch.compile(model), images, targets)
    return found


def _program(graph: ModelProto, device: Device) -> Program:
    return Program(graph.SerializeToString(), device)


def torch_gradient(model: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor) -> Tensor:
    """Differentiate one logit of every image in PyTorch."""
    leaf = images.detach().requires_grad_()
    logits = model(leaf)
    (gradient,) = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), leaf)
    return gradient


def _gradient(run: Callable[[], object]) -> np.ndarray:
    answer = run()
    if isinstance(answer, dict):
        return np.asarray(answer["gradient"].numpy())
    return np.asarray(answer)


def _per_image(times: Times, batch: int) -> float:
    return round(times.median / batch * 1e3, 3)


if __name__ == "__main__":
    main()
