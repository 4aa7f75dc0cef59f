"""What a training step of every arm costs, beside a standard step and beside the passes that it is made of.

    python -m benchmarks.training_step

A pass is timed by itself: forward and backward to the image in evaluation mode, forward and backward to the weights
in training mode. An arm's own arithmetic (saliency ranks, budgets, projections, divergences) is what its step costs
beyond them.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.interleave import interleave
from benchmarks.results import Results
from training.arms import ARMS
from training.arms.situation import Situation
from training.config import Config, load_config
from training.models import build_network
from training.modes import evaluating
from training.objective import cross_entropy
from training.saliency import input_gradient
from training.schedule import Intensity

CLASSES = 10
BATCH = 128
STEPS = 3
ROUNDS = 9
ARMS_TIMED: dict[str, dict[str, str]] = {
    "standard": {},
    "sgt": {},
    "noise": {},
    "input-gradient-l1": {},
    "uniform-at": {},
    "scaat": {},
    "scaat, soft": {"budget.kind": "soft"},
    "scaat, refreshed every step": {"attack.refresh": "1"},
}


def main() -> None:
    """Time all arms, print the table, keep the row."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = load_config(None, {"data.root": ".", "output": "."})
    network = build_network(config.model, CLASSES).to(memory_format=torch.channels_last)
    images = torch.rand(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (BATCH,))
    passes: dict[str, Callable[[], object]] = {
        "pass, to the image": functools.partial(_image_pass, network, images, labels),
        "pass, to the weights": functools.partial(_weight_pass, network, images, labels),
    }
    arms: dict[str, Callable[[], object]] = {
        name: functools.partial(step, network, images, labels, name) for name in ARMS_TIMED
    }
    times = interleave({**passes, **arms}, rounds=ROUNDS)
    to_image, to_weights = (times[name].median for name in passes)
    standard = times["standard"].median
    rows = []
    print(f"{'arm':28} {'ms':>7} {'x standard':>10} {'x its passes':>12}")
    for name in ARMS_TIMED:
        seconds, cost = times[name].median, step(network, images, labels, name)
        # Every backward pass to the image has its forward pass; what is left over goes to the weights.
        expected = cost[0] * to_image + cost[1] * to_weights
        rows.append(
            {"arm": name, "ms": seconds * 1e3, "standard": seconds / standard, "passes": seconds / expected}
        )
        print(f"{name:28} {seconds * 1e3:7.1f} {seconds / standard:10.2f} {seconds / expected:12.2f}")
    Results().save("training/step", {"rounds": ROUNDS, "batch": BATCH, "attack_steps": STEPS, "rows": rows})


def step(network: nn.Module, images: Tensor, labels: Tensor, name: str) -> tuple[int, int]:
    """Take a step of an arm without moving the weights; give its passes to the image and to the weights."""
    config = _config(name)
    network.train()
    network.zero_grad(set_to_none=True)
    generator = torch.Generator().manual_seed(0)
    now = Situation(network, network, images, labels, config, Intensity(1.0, 1.0), generator)
    to_image = to_weights = 0
    for outcome in ARMS[config.arm](now):
        torch.autograd.backward(outcome.loss.mean())
        to_image += outcome.passes.backward_to_image
        to_weights += outcome.passes.backward_to_weights
    return to_image, to_weights


@functools.cache
def _config(name: str) -> Config:
    flags = {
        "arm": name.split(",", maxsplit=1)[0],
        "attack.steps": str(STEPS),
        "data.root": ".",
        "output": ".",
    }
    return load_config(None, {**flags, **ARMS_TIMED[name]})


def _image_pass(network: nn.Module, images: Tensor, labels: Tensor) -> None:
    with evaluating(network):
        input_gradient(network, images, labels)


def _weight_pass(network: nn.Module, images: Tensor, labels: Tensor) -> None:
    network.train()
    network.zero_grad(set_to_none=True)
    torch.autograd.backward(cross_entropy(network(images), labels).mean())


if __name__ == "__main__":
    main()
