"""Which classes a request is about, checked against the model."""

from service.errors import OptionError, UnknownTargetError
from service.request import ClassReference
from service.runtime.model import LoadedModel


def class_index(model: LoadedModel, reference: ClassReference | None, option: str) -> int | None:
    """Find the class that an index or a label names.

    Args:
        model: Whose classes.
        reference: As the caller wrote it.
        option: Name of the option, for the message.

    Returns:
        The index; None where none is named.

    Raises:
        UnknownTargetError: The model has no such class, or several of that label.
    """
    if reference is None:
        return None
    count = len(model.classes)
    where = f"options.{option}"
    if isinstance(reference, int):
        if not 0 <= reference < count:
            raise UnknownTargetError(
                f"{option} is class {reference}; the model has classes 0 to {count - 1}. "
                f"GET /v1/models/{model.manifest.name} lists them.",
                where=where,
            )
        return reference
    matches = [index for index, label in enumerate(model.classes) if label == reference]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UnknownTargetError(
            f"{option} {reference!r} is the label of classes {', '.join(map(str, matches))}. Name one by its index.",
            where=where,
        )
    raise UnknownTargetError(
        f"{option} {reference!r} is no label of the model. GET /v1/models/{model.manifest.name} lists its labels.",
        where=where,
    )


def check_top_k(model: LoadedModel, top_k: int | None) -> None:
    """Refuse more classes than the model has, or none.

    Raises:
        OptionError: As stated.
    """
    if top_k is not None and not 1 <= top_k <= len(model.classes):
        raise OptionError(
            f"top_k is {top_k}; the model has {len(model.classes)} classes. Choose 1 to {len(model.classes)}.",
            where="options.top_k",
        )


def check_contrast(target: int | None, contrast: int | None) -> None:
    """Refuse to contrast a class with itself.

    Raises:
        OptionError: As stated.
    """
    if contrast is not None and target == contrast:
        raise OptionError(
            f"target and contrast are both class {contrast}; their difference explains nothing. Choose two classes.",
            where="options.contrast",
        )
