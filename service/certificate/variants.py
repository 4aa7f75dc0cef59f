"""The classifier, and the same with some layers randomised, ready to be explained."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto

from service.bundle.digest import describe
from service.bundle.graphs import Graphs, differentiate, with_extras
from service.bundle.load import Bundle
from service.bundle.manifest import CLASSIFY, EXTRAS, FEATURES, GRADIENT
from service.certificate.parameters import layers_from_top
from service.certificate.randomise import randomised
from service.graphs.read import read_model
from service.runtime.device import Device
from service.runtime.model import LoadedModel
from service.runtime.programs import Programs

Differentiate = Callable[[ModelProto, str | None], Graphs]
"""Makes the graphs of a classifier and of the name of its feature layer; None takes the last."""


@dataclass(frozen=True, slots=True)
class Randomised:
    """A classifier whose uppermost layers know nothing.

    Args:
        layers: How many of them.
        lowest: The first parameter of the lowest of them.
        model: On the device.
    """

    layers: int
    lowest: str
    model: LoadedModel


@dataclass(frozen=True, slots=True)
class Variants:
    """What the checks compare.

    Args:
        trained: The model itself.
        cascade: From the fewest layers randomised to all of them.
        other: All layers randomised, with other numbers.
    """

    trained: LoadedModel
    cascade: tuple[Randomised, ...]
    other: Randomised

    @property
    def blank(self) -> Randomised:
        """All layers randomised."""
        return self.cascade[-1]


def derived(classifier: ModelProto, layer: str | None) -> Graphs:
    """Differentiate a classifier for the image and for its feature layer."""
    return differentiate(Graphs(classifier), layer)


@contextmanager
def variants(
    bundle: Bundle,
    device: Device,
    *,
    stages: int,
    seed: int,
    differentiated: Differentiate = derived,
    report: Callable[[str], None] = lambda _: None,
) -> Iterator[Variants]:
    """Randomise a model from the logits down, in stages, each on top of the last (cascading).

    The derivative is written anew for every set of weights, so that nothing of the trained ones survives in it.

    Args:
        bundle: The model.
        device: Where all of them run.
        stages: At most so many.
        seed: Of the weights.
        differentiated: Writes the derivative.
        report: Told of every stage.

    Yields:
        The models; their files are removed at the end.

    Raises:
        GraphError: The classifier has no parameters.

    References:
        Adebayo et al. "Sanity Checks for Saliency Maps", NeurIPS 2018, section 3.1.
        https://arxiv.org/abs/1810.03292
    """
    classifier = read_model(bundle.classify)
    layers, programs = layers_from_top(classifier), Programs(device)
    with tempfile.TemporaryDirectory(prefix="saliserve-certify-") as scratch:

        def build(count: int, number: int) -> Randomised:
            # The seed sequence keeps the two networks apart; a cascade draws the same numbers at every stage.
            random = np.random.default_rng([seed, number])
            report(f"randomising {count} of {len(layers)} layers")
            changed = randomised(classifier, layers[:count], random)
            folder = Path(scratch) / f"{number}-{count}"
            folder.mkdir()
            model = _load(bundle, _needed(bundle, differentiated, changed), folder, device, programs)
            return Randomised(count, layers[count - 1].tensors[0], model)

        yield Variants(
            LoadedModel(bundle, device, programs),
            tuple(build(count, 0) for count in stage_sizes(len(layers), stages)),
            build(len(layers), 1),
        )


def stage_sizes(layers: int, stages: int) -> tuple[int, ...]:
    """Choose how many layers each stage randomises: a geometric row from 1 to all.

    The uppermost layers, where the class is decided, get the finest steps.

    Examples:
        >>> stage_sizes(50, 6), stage_sizes(3, 6), stage_sizes(1, 6)
        ((1, 2, 5, 10, 23, 50), (1, 2, 3), (1,))
    """
    row = np.rint(np.geomspace(1, layers, min(stages, layers))).astype(int)
    return tuple(sorted({1, *map(int, row), layers}))


def _needed(bundle: Bundle, differentiated: Differentiate, classifier: ModelProto) -> Graphs:
    files, layer = bundle.manifest.files, bundle.manifest.features.layer
    if GRADIENT not in files and FEATURES not in files:
        return Graphs(classifier)
    # A layer of tokens that was brought to the shape of a map is no tensor of the classifier; it is found again.
    known = any(layer in node.output for node in classifier.graph.node)
    extras = [word for word, name in EXTRAS.items() if name in files]
    return with_extras(differentiated(classifier, layer if known else None), extras)


def _load(bundle: Bundle, graphs: Graphs, folder: Path, device: Device, programs: Programs) -> LoadedModel:
    """Load what the bundle has; not verified, for we have just written it."""
    derivatives = (GRADIENT, FEATURES, *EXTRAS.values())
    names = (CLASSIFY, *(name for name in derivatives if name in bundle.manifest.files))
    for name in names:
        (folder / name).write_bytes(graphs.by_file[name].SerializeToString())
    # Its weights lie in the graphs, so the list of files is another.
    files = {name: describe(folder / name) for name in names}
    manifest = bundle.manifest.model_copy(update={"files": files, "certificates": {}})
    return LoadedModel(Bundle(manifest, folder, bundle.sha256), device, programs)
