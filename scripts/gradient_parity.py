"""Compare the gradients that we write with PyTorch's, model by model: both against PyTorch in float64.

In networks of ReLUs a few activations lie so near zero that rounding to float32 flips their gate, in PyTorch and here,
in different places. So neither is the other's oracle: both are compared with float64, over many images and several
random weights, and the medians are set side by side.

Resumable: what has been measured is not measured again. The first weights of every model come first. PyTorch's
gradients, which take most of the time, are kept apart: delete the results, and a changed rule is measured in minutes.

    python -m scripts.gradient_parity [--models ResNet-18 ...] [--images 20] [--seeds 3] [--out out/gradient-parity]
    python -m scripts.gradients_page --parity out/gradient-parity
"""

import argparse
import io
import json
import logging
import re
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import nn

from scripts.parity_models import MEAN, MODELS, STD, Candidate, Normalised, build
from service.graphs.differentiate import gradient_graph
from service.graphs.prepare import prepare

EXPORTERS: Final = ("TorchScript, opset 17", "dynamo, opset 20")
"""Both of PyTorch's, at the opset that each takes by default or best."""

AT_ONCE: Final = 4
"""Images per pass of PyTorch."""


@dataclass(frozen=True)
class Exported:
    """What one exporter's graph of a model gave.

    Args:
        nodes: Of the classifier's graph and of the gradient's.
        build_s: Processor seconds to prepare and to differentiate it.
        errors: Relative L2 error of our gradient of every image.
        failure: Why the exporter gave no graph; empty if it did.
    """

    nodes: tuple[int, int] = (0, 0)
    build_s: float = 0.0
    errors: tuple[float, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class Result:
    """One model with the weights of one seed.

    Args:
        model: Name.
        seed: Of weights and images.
        theirs: Relative L2 error of PyTorch's gradient in float32 of every image.
        exported: By exporter.
    """

    model: str
    seed: int
    theirs: tuple[float, ...]
    exported: dict[str, Exported] = field(default_factory=dict)


def measure(name: str, candidate: Candidate, *, images: int, seed: int, kept: Path) -> Result:
    """Measure a model with both exporters.

    Args:
        name: For the table.
        candidate: The model.
        images: How many; uniform noise in [0,1].
        seed: Of the random weights and of the images.
        kept: File of PyTorch's gradients; written unless it is there.

    Returns:
        The errors.
    """
    model = build(candidate, seed)
    pictures = noise(images, candidate.side, seed)
    if not kept.exists():
        keep(kept, torch_gradients(model, pictures))
    with np.load(kept) as read:
        exact, rounded, targets = read["exact"], read["rounded"], read["targets"]
    exported = {
        exporter: _measure_exporter(model, exporter, pictures, targets, exact) for exporter in EXPORTERS
    }
    return Result(name, seed, relative_errors(rounded, exact), exported)


def keep(path: Path, gradients: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]) -> None:
    """Write what :func:`torch_gradients` returned, whole or not at all."""
    unfinished = path.with_suffix(".part.npz")
    exact, rounded, targets = gradients
    np.savez(unfinished, exact=exact, rounded=rounded, targets=targets)
    unfinished.replace(path)


def _measure_exporter(
    model: Normalised,
    exporter: str,
    pictures: NDArray[np.float32],
    targets: NDArray[np.int64],
    exact: NDArray[np.float64],
) -> Exported:
    try:
        exported = export(model.network, pictures.shape[-1], exporter)
    except (RuntimeError, TypeError, torch.onnx.errors.OnnxExporterError) as error:
        return Exported(failure=type(error).__name__)
    begun = time.process_time()
    prepared = prepare(exported, mean=MEAN, std=STD)
    gradient = gradient_graph(prepared)
    seconds = time.process_time() - begun
    nodes = (len(prepared.graph.node), len(gradient.graph.node))
    session = open_session(gradient)
    ours = np.stack([our_gradient(session, *pair) for pair in zip(pictures, targets, strict=True)])
    return Exported(nodes, seconds, relative_errors(ours, exact))


def export(network: nn.Module, side: int, exporter: str) -> ModelProto:
    """Export a network with one of PyTorch's exporters, batch open."""
    opset = int(exporter.rsplit(" ", 1)[1])
    image = torch.rand(2, 3, side, side)
    if exporter.startswith("dynamo"):
        program = torch.onnx.export(
            network,
            (image,),
            dynamo=True,
            opset_version=opset,
            dynamic_shapes=({0: "batch"},),
            verbose=False,
        )
        if program is None:
            raise RuntimeError("the exporter gave nothing")
        return program.model_proto
    written = io.BytesIO()
    torch.onnx.export(
        network,
        (image,),
        written,  # type: ignore[arg-type]
        dynamo=False,
        opset_version=opset,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
    )
    return onnx.load_from_string(written.getvalue())


def open_session(model: ModelProto) -> onnxruntime.InferenceSession:
    """Open a graph as the service does, with every optimisation, on as many threads as PyTorch takes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def noise(count: int, side: int, seed: int) -> NDArray[np.float32]:
    """Make images of uniform noise in [0,1]."""
    return np.random.default_rng(1000 + seed).uniform(size=(count, 3, side, side)).astype(np.float32)


def torch_gradients(
    model: Normalised, images: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Differentiate every image's largest logit in float64 and, for the same classes, in float32.

    Args:
        model: The classifier; left in float32.
        images: ``[N,3,H,W]``.

    Returns:
        Both gradients ``[N,3,H,W]``, exact first, and the classes ``[N]``.
    """
    batches = [images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]
    model.double()
    exact = [_torch_gradient(model, torch.tensor(batch).double(), None) for batch in batches]
    model.float()
    rounded = [
        _torch_gradient(model, torch.tensor(batch), targets)[0]
        for batch, (_, targets) in zip(batches, exact, strict=True)
    ]
    gradients, targets = zip(*exact, strict=True)
    return np.concatenate(gradients), np.concatenate(rounded), np.concatenate([t.numpy() for t in targets])


def _torch_gradient(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor | None
) -> tuple[NDArray[np.float64], torch.Tensor]:
    leaf = images.requires_grad_()
    logits = model(leaf)
    chosen = logits.argmax(1) if targets is None else targets
    (gradient,) = torch.autograd.grad(logits.gather(1, chosen[:, None]).sum(), leaf)
    return gradient.double().numpy(), chosen


def our_gradient(
    session: onnxruntime.InferenceSession, image: NDArray[np.float32], target: int
) -> NDArray[np.float32]:
    """Run a gradient graph for one class."""
    classes = next(entry.shape[1] for entry in session.get_inputs() if entry.name == "cotangent")
    cotangent = np.eye(classes, dtype=np.float32)[[target]]
    (gradient,) = session.run(["gradient"], {"image": image[None], "cotangent": cotangent})
    return np.asarray(gradient[0], np.float32)


def relative_errors(found: NDArray[np.floating], exact: NDArray[np.float64]) -> tuple[float, ...]:
    """Length of the difference over length of the exact gradient, for every image."""
    return tuple(
        float(np.linalg.norm(one - wanted) / np.linalg.norm(wanted))
        for one, wanted in zip(found, exact, strict=True)
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what has no result yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS), metavar="NAME")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/gradient-parity"))
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    logging.disable(logging.WARNING)  # the exporters' progress
    warnings.simplefilter("ignore")  # and their deprecations
    given.out.mkdir(parents=True, exist_ok=True)
    for seed in range(given.seeds):
        for name in given.models:
            path = given.out / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}-{seed}.json"
            if not path.exists():
                kept = path.with_suffix(".npz")
                result = measure(name, MODELS[name], images=given.images, seed=seed, kept=kept)
                path.write_text(json.dumps(asdict(result), indent=1) + "\n")
                print(result, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
