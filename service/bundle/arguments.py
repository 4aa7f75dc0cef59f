"""The command line of ``python -m service.bundle``, and the recipe it spells."""

import argparse
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from service.bundle.manifest import EXTRAS, Task
from service.bundle.original import Preprocessing
from service.bundle.recipe import Recipe
from service.errors import BundleBuildError
from service.graphs.axes import ORDERS
from service.imaging.resize import CenterCrop, Interpolation, Pad, ResizePolicy, Stretch


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; on a wrong one, print what is wrong and exit with 2."""
    parser = argparse.ArgumentParser(prog="python -m service.bundle", description="Models on disk.")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="{build,rebuild,verify,card,certify}"
    )
    _add_build(commands.add_parser("build", help="make a bundle from an ONNX classifier"))
    rebuild = commands.add_parser("rebuild", help="differentiate a bundle's classifier anew, in place")
    _add_extras(rebuild)
    _add_directions(rebuild)
    verify = commands.add_parser("verify", help="check digests, operators and references of a bundle")
    card = commands.add_parser("card", help="write card.md again from the manifest")
    certify = commands.add_parser("certify", help="check whether the maps of methods depend on the model")
    _add_certify(certify)
    for command in (rebuild, verify, card, certify):
        command.add_argument("folder", type=Path, help="<models>/<name>/<version>")
    return parser.parse_args(arguments)


def recipe_of(given: argparse.Namespace) -> Recipe:
    """Turn the options of ``build`` into a recipe.

    Raises:
        BundleBuildError: The file of class names cannot be read, or an option does not fit the others.
    """
    scale = given.pixel_range
    return Recipe(
        name=given.name,
        version=given.version,
        created=given.created or _now(),
        classes=read_classes(given.classes),
        origin=given.origin or f"the file {given.model.name}",
        licence=given.licence,
        classes_origin=given.classes_origin,
        task=given.task,
        resize=_policy(given),
        preprocessing=Preprocessing(
            mean=tuple(value / scale for value in given.mean), std=tuple(value / scale for value in given.std)
        ),
        size=given.size,
        axes=given.axes,
        output=given.output,
        ends_in_probabilities=given.output_is == "probabilities",
        feature_layer=given.feature_layer,
        extras=tuple(given.extra),
    )


def read_classes(path: Path) -> tuple[str, ...]:
    """Read class names: a JSON list of strings, or one label per line.

    Args:
        path: A ``.json`` file, or a text file, in UTF-8, with or without the mark that some editors put in front.

    Returns:
        The labels, in the file's order.

    Raises:
        BundleBuildError: The file cannot be read, or holds no such list.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        labels = json.loads(text) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError) as error:
        raise BundleBuildError(f"class names cannot be read from {path}: {error}", where="classes") from error
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise BundleBuildError(f"{path} holds no list of strings; expected the class names", where="classes")
    return tuple(label.strip() for label in labels)


def _add_build(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", type=Path, help="the ONNX file; its external data lies beside it")
    add("--name", required=True, help="name of the model: a-z, 0-9, dot, dash, underscore")
    add("--version", required=True, help="version of the model, likewise")
    add("--classes", required=True, type=Path, help="class names in the order of the outputs: text or .json")
    add(
        "--mean",
        required=True,
        type=float,
        nargs=3,
        metavar=("R", "G", "B"),
        help="0 0 0 if the file does it",
    )
    add(
        "--std", required=True, type=float, nargs=3, metavar=("R", "G", "B"), help="1 1 1 if the file does it"
    )
    add(
        "--pixel-range",
        type=float,
        choices=(1.0, 255.0),
        default=1.0,
        help="largest pixel value that mean and std are stated for (default 1)",
    )
    add("--output-is", required=True, choices=("logits", "probabilities"), help="what the output holds")
    add("--output", help="name of the output, if there are several")
    add("--size", type=_size, metavar="N|HxW", help="input size, for a file that leaves it open")
    add("--axes", choices=ORDERS, help="order of the input's axes, for a file that leaves it open")
    add("--task", choices=get_args(Task), default="single_label", help="default single_label")
    add(
        "--resize",
        choices=("center_crop", "stretch", "pad"),
        default="center_crop",
        help="default center_crop",
    )
    add(
        "--crop-fraction",
        type=float,
        help="side of the centre crop over the largest possible (default 0.875)",
    )
    add(
        "--fill",
        type=int,
        nargs=3,
        metavar=("R", "G", "B"),
        help="what pad fills in, 0 to 255 (default black)",
    )
    add("--interpolation", choices=get_args(Interpolation), default="bicubic", help="default bicubic")
    add("--feature-layer", help="tensor for class activation maps (default the last with height and width)")
    add("--origin", default="", help="who published the model, and where")
    add("--licence", default="unknown", help="SPDX expression of the weights' licence")
    add("--classes-origin", default="", help="where the class names come from, and their licence")
    add("--created", type=moment, help="ISO 8601; default SOURCE_DATE_EPOCH if set, else now")
    _add_extras(parser)
    _add_directions(parser)
    add("--out", type=Path, default=Path("models"), help="folder of all models (default models)")
    add("--force", action="store_true", help="replace a bundle of that name and version")


def _add_extras(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--extra",
        nargs="+",
        choices=tuple(EXTRAS),
        default=(),
        help="more graphs: guided for guided_backprop, attention for attention_relevance (default none)",
    )


def _add_directions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--directions",
        type=_count,
        default=2,
        help="finite differences per image; 0 skips them (default 2)",
    )


def _add_certify(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--methods", nargs="+", default=[], metavar="METHOD", help="default all that work for the model")
    add(
        "--pictures",
        type=Path,
        default=Path("samples"),
        metavar="DIR",
        help="such as the model is for, of several classes; only their digest is kept (default samples)",
    )
    add("--count", type=_several, default=16, help="most pictures, drawn by the seed (default 16)")
    add("--composites", type=_count, default=16, help="most pictures with planted evidence (default 16)")
    add("--stages", type=_several, default=6, help="of the cascade of randomised layers (default 6)")
    add("--seed", type=_count, default=0, help="of everything random (default 0)")
    add("--provider", choices=("auto", "cuda", "cpu"), default="auto", help="default auto")
    add("--threads", type=_count, default=0, help="on the CPU; 0 is one per core (default 0)")
    add("--force", action="store_true", help="do again what the manifest holds already")


def _policy(given: argparse.Namespace) -> ResizePolicy:
    """Options of another policy are refused: they would be silently without effect."""
    own = {"center_crop": "crop_fraction", "pad": "fill"}
    for policy, option in own.items():
        if getattr(given, option) is not None and given.resize != policy:
            flag = option.replace("_", "-")
            raise BundleBuildError(f"--{flag} belongs to --resize {policy}; found --resize {given.resize}")
    match given.resize:
        case "center_crop":
            fraction = 0.875 if given.crop_fraction is None else given.crop_fraction
            return CenterCrop(fraction=fraction, interpolation=given.interpolation)
        case "pad":
            return Pad(fill=given.fill or (0, 0, 0), interpolation=given.interpolation)
        case _:
            return Stretch(interpolation=given.interpolation)


def _size(text: str) -> tuple[int, int]:
    """``224`` or ``224x320``, height first."""
    sides = [int(side) for side in text.split("x")]
    if len(sides) not in {1, 2} or min(sides) < 1:
        raise ValueError(text)
    return sides[0], sides[-1]


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count


def _several(text: str) -> int:
    count = int(text)
    if count < 2:  # noqa: PLR2004 - one says nothing of a spread
        raise ValueError(text)
    return count


def moment(text: str) -> datetime:
    """Read a moment in ISO 8601, in UTC if it names no time zone.

    Raises:
        ValueError: The text is no such moment.

    Examples:
        >>> moment("2024-05-17").isoformat()
        '2024-05-17T00:00:00+00:00'
    """
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _now() -> datetime:
    """Now, or what reproducible builds agree to call now."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.now(UTC).replace(microsecond=0)
    if not epoch.isdecimal():
        raise BundleBuildError(f"SOURCE_DATE_EPOCH is {epoch!r}; expected seconds since 1970")
    return datetime.fromtimestamp(int(epoch), UTC)
