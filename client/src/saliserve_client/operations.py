"""What a client can do: each function turns its arguments into an exchange, and sends nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union
from urllib.parse import quote

from saliserve_client import answers, arrays
from saliserve_client.errors import FileError, OptionError, UnknownModelError
from saliserve_client.exchange import Exchange, Part
from saliserve_client.images import ImageFile, ImageSource, read_image
from saliserve_client.results import EncodedMap, Evaluation, Explanation, Model, Prediction, Progress

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

ClassReference = int | str
"""A class index, or a label exactly as the model spells it."""

ReceiptKind = Literal["none", "fast", "full"]
MeasureName = Literal["luck", "magnitude", "pixels", "stability", "repeatability"]
MapEncoding = Literal["png16", "npy"]
OverlayEncoding = Literal["png", "jpeg"]

Watch = Callable[[Progress], object]
"""Called on the thread, or in the event loop, that waits for the answer; what it raises ends the request."""

MapSource = Union[Explanation, EncodedMap, str, "os.PathLike[str]", bytes, "ArrayLike"]
"""A map: of an explanation, a path or bytes of an npy or grey PNG file, or ``[height, width]`` numbers."""


def predict(
    image: ImageSource,
    *,
    model: str | None = None,
    version: str | None = None,
    top_k: int | None = None,
    deadline_ms: float | None = None,
) -> Exchange[Prediction]:
    """Classify an image.

    Args:
        image: A path, the bytes of a picture file, or a file opened for reading in binary.
        model: A model's name; the service's default without it.
        version: Of that model; its newest without it.
        top_k: How many classes to return.
        deadline_ms: Milliseconds from the request's arrival within which the answer is wanted.

    Returns:
        The most probable classes.

    Raises:
        SaliserveError: See :mod:`saliserve_client.errors`.
    """
    return Exchange(
        "POST",
        "v1/predict",
        answers.prediction,
        files={"image": _image(image)},
        options=_given(model=model, version=version, top_k=top_k, deadline_ms=deadline_ms),
    )


def explain(
    image: ImageSource,
    *,
    method: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    target: ClassReference | None = None,
    contrast: ClassReference | None = None,
    receipt: ReceiptKind | None = None,
    measures: Sequence[MeasureName] | None = None,
    boxes: Sequence[Sequence[float]] | None = None,
    mask: ImageSource | None = None,
    seed: int | None = None,
    overlay: bool | None = None,
    overlay_encoding: OverlayEncoding | None = None,
    encoding: MapEncoding | None = None,
    model: str | None = None,
    version: str | None = None,
    top_k: int | None = None,
    deadline_ms: float | None = None,
    max_forwards: int | None = None,
    on_progress: Watch | None = None,
) -> Exchange[Explanation]:
    """Classify an image, explain the answer, and measure how faithful the explanation is.

    Args:
        image: A path, the bytes of a picture file, or a file opened for reading in binary.
        method: The attribution method; the service's default without it.
        parameters: The method's own options.
        target: The class to explain; the predicted one without it.
        contrast: Explain the target's logit less this class's.
        receipt: How much measuring to do.
        measures: What else to measure; ``stability`` makes the map five times more, ``repeatability`` up to twice.
        boxes: Where the object is, ``[left, top, right, bottom]`` in pixels of the upright picture; the receipt
            then says whether the map points there.
        mask: The same as a grey PNG of the upright picture's size; whatever is not 0 is the object.
        seed: Of everything random; the same request with the same seed gives the same bytes.
        overlay: Also return the map drawn over the picture.
        overlay_encoding: How the overlay travels: ``png`` is exact, ``jpeg`` far smaller and quicker to make.
        encoding: How the map travels: ``png16`` is smaller, ``npy`` exact.
        model: A model's name; the service's default without it.
        version: Of that model; its newest without it.
        top_k: How many classes to return.
        deadline_ms: Milliseconds from the request's arrival; a method that can answers with its best so far.
        max_forwards: Refuse if more forward passes would be needed.
        on_progress: Called with a :class:`~saliserve_client.results.Progress` some times a second while the
            service is at work, for long ones. What it raises ends the request, and the work with it.

    Returns:
        Prediction, map and receipt.

    Raises:
        SaliserveError: See :mod:`saliserve_client.errors`.
    """
    return Exchange(
        "POST",
        "v1/explain",
        answers.explanation,
        files={"image": _image(image), **_mask(mask)},
        options=_given(
            method=method,
            parameters=None if parameters is None else dict(parameters),
            target=target,
            contrast=contrast,
            receipt=receipt,
            measures=_listed(measures),
            boxes=_listed(boxes),
            seed=seed,
            overlay=overlay,
            overlay_encoding=overlay_encoding,
            encoding=encoding,
            model=model,
            version=version,
            top_k=top_k,
            deadline_ms=deadline_ms,
            max_forwards=max_forwards,
        ),
        watch=on_progress,
    )


def evaluate(
    image: ImageSource,
    map: MapSource,  # noqa: A002 - the contract's name for it
    *,
    target: ClassReference | None = None,
    contrast: ClassReference | None = None,
    receipt: Literal["fast", "full"] | None = None,
    measures: Sequence[Literal["luck", "magnitude", "pixels"]] | None = None,
    made_with: Sequence[str] | None = None,
    boxes: Sequence[Sequence[float]] | None = None,
    mask: ImageSource | None = None,
    seed: int | None = None,
    model: str | None = None,
    version: str | None = None,
    top_k: int | None = None,
    deadline_ms: float | None = None,
    max_forwards: int | None = None,
    on_progress: Watch | None = None,
) -> Exchange[Evaluation]:
    """Measure how faithful a map of your own is to the model on this image.

    Args:
        image: A path, the bytes of a picture file, or a file opened for reading in binary.
        map: ``[height, width]``, larger is more evidence for the target. An array or nested
            sequence (numpy is needed to send it), an npy or grey PNG file by path or bytes, or
            an explanation.
        target: The class the map is for; the predicted one without it.
        contrast: Measure the target's logit less this class's.
        receipt: How much measuring to do.
        measures: What else to measure.
        made_with: Removal operators with which the map was made, such as ``["black"]``; they do not judge it.
        boxes: Where the object is, ``[left, top, right, bottom]`` in pixels of the upright picture.
        mask: The same as a grey PNG of the upright picture's size; whatever is not 0 is the object.
        seed: Of everything random.
        model: A model's name; the service's default without it.
        version: Of that model; its newest without it.
        top_k: How many classes to return.
        deadline_ms: Milliseconds from the request's arrival within which the answer is wanted.
        max_forwards: Refuse if more forward passes would be needed.
        on_progress: Called with a :class:`~saliserve_client.results.Progress` some times a second while the
            service is at work, for long ones. What it raises ends the request, and the work with it.

    Returns:
        The receipt, and the prediction it was measured on.

    Raises:
        SaliserveError: See :mod:`saliserve_client.errors`.
    """
    return Exchange(
        "POST",
        "v1/evaluate",
        answers.evaluation,
        files={"image": _image(image), "map": _map(map), **_mask(mask)},
        options=_given(
            target=target,
            contrast=contrast,
            receipt=receipt,
            measures=_listed(measures),
            made_with=_listed(made_with),
            boxes=_listed(boxes),
            seed=seed,
            model=model,
            version=version,
            top_k=top_k,
            deadline_ms=deadline_ms,
            max_forwards=max_forwards,
        ),
        watch=on_progress,
    )


def models() -> Exchange[tuple[Model, ...]]:
    """List the models that the service has loaded."""
    return Exchange("GET", "v1/models", answers.models)


def model(name: str, *, version: str | None = None) -> Exchange[Model]:
    """Describe one model: its methods, classes, certificates and evaluation.

    Args:
        name: The model's name.
        version: Of that model; its newest without it.

    Raises:
        UnknownModelError: No such model; or no model can have that name, which would lead to another route.
    """
    if name in {"", ".", ".."} or "/" in name or not name.isprintable():
        raise UnknownModelError(
            f"no model is named {name!r}; ask for all of them without a name", where="name"
        )
    query = "" if version is None else f"?version={quote(version, safe='')}"
    return Exchange("GET", f"v1/models/{quote(name, safe='')}{query}", answers.model)


def contract() -> Exchange[str]:
    """Ask for the version of the HTTP contract that the service speaks.

    Returns:
        Such as ``1`` or ``1.3``; empty if the operator has switched the documentation off.

    Raises:
        VersionError: Another major version than this client's.
    """
    return Exchange("GET", "openapi.json", answers.contract, answers=frozenset({200, 404}))


def ready() -> Exchange[bool]:
    """Ask whether the service takes work; False while it starts or shuts down.

    Raises:
        UnreachableError: Nothing is there.
    """
    return Exchange("GET", "readyz", answers.ready, answers=frozenset({200, 503}))


def _image(source: ImageSource) -> Part:
    return _part(read_image(source))


def _mask(source: ImageSource | None) -> dict[str, Part]:
    return {} if source is None else {"mask": _image(source)}


def _listed(values: Sequence[object] | None) -> list[object] | None:
    return None if values is None else [list(one) if isinstance(one, tuple) else one for one in values]


def _part(file: ImageFile) -> Part:
    # The service decides by content. Names are for its messages, and the folder is none of its business.
    return Part(Path(file.name).name or "image", "application/octet-stream", file.data)


def _map(source: MapSource) -> Part:
    if isinstance(source, Explanation):
        source = source.encoded_map
    if isinstance(source, EncodedMap):
        return Part(f"map{source.suffix}", "application/octet-stream", source.data)
    if isinstance(source, (str, os.PathLike, bytes)):
        return _part(read_image(source))
    try:
        return Part("map.npy", "application/octet-stream", arrays.encode(source))
    except (TypeError, ValueError) as error:
        raise FileError(f"the map is no array of numbers: {error}") from error


def _given(**options: object) -> dict[str, object]:
    """Leave out what the caller left out, for the service's defaults are its own; check what is there.

    Raises:
        OptionError: NaN, infinity, or what JSON has no form for.
    """
    return {name: _json_value(name, value) for name, value in options.items() if value is not None}


def _json_value(name: str, value: object) -> object:
    try:
        return json.loads(json.dumps(value, allow_nan=False, default=_plain))
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name} = {value!r:.80}: {error}", where=f"options.{name}") from error


def _plain(value: object) -> object:
    """Take the number out of numpy's scalars, which ``argmax`` and the like give."""
    item = getattr(value, "item", None)
    if item is None:
        raise TypeError(f"a {type(value).__name__} is no JSON value")
    return item()
