"""The models that are being served, by name and version; they can change while requests are answered."""

import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from service.bundle.load import Bundle, find_bundles, load_bundle
from service.errors import BundleError, MemoryCeilingError, SaliserveError, UnknownModelError
from service.graphs.session import RUNTIME_ERRORS
from service.runtime.device import Device
from service.runtime.model import LoadedModel
from service.runtime.programs import Programs
from service.runtime.resident import resident_bytes

log = logging.getLogger(__name__)

Identity: TypeAlias = tuple[str, str]
"""Name and version of a model: the last two parts of its folder's path."""


class ModelStore:
    """The bundles under a folder, verified, compiled and warmed on one device.

    A bundle that cannot be used is refused, with the reason, and the others are served. Readers see either all of
    a change or nothing of it; a request that has its model keeps it to its end. One thread at a time may change
    what is served.

    Args:
        folder: Holds ``<name>/<version>/manifest.json``.
        device: Where the models run.
        default: Name of the model that answers when none is named; may be None if there is only one.
        max_memory_bytes: Resident memory of the process beyond which a model is refused; 0 means any.

    Raises:
        BundleError: There is no bundle, the default is not among them, or no version of it can be used.
    """

    def __init__(
        self, folder: Path, device: Device, *, default: str | None = None, max_memory_bytes: int = 0
    ) -> None:
        self.folder = folder
        self.device = device
        self.refused: Mapping[Identity, SaliserveError] = {}
        self._max_memory_bytes = max_memory_bytes
        self._programs = Programs(device)
        self._models: Mapping[str, Mapping[str, LoadedModel]] = {}
        bundles = find_bundles(folder)
        self.default = choose_default(folder, bundles, default)
        # The default model first: what does not fit beside it is refused.
        for path in sorted(bundles, key=lambda path: path.parent.name != self.default):
            self._open(path)
        if self.default not in self._models:
            raise next(error for (name, _), error in self.refused.items() if name == self.default)

    def __iter__(self) -> Iterator[LoadedModel]:
        """All models, by name, newest version first."""
        for name in sorted(self._models):
            versions = self._models[name]
            yield from (versions[version] for version in sorted(versions, key=natural_order, reverse=True))

    def get(self, name: str | None = None, version: str | None = None) -> LoadedModel:
        """Find a model.

        Args:
            name: The default model's if None.
            version: The newest if None.

        Raises:
            UnknownModelError: No bundle of that name or version is loaded.
        """
        models = self._models
        name = self.default if name is None else name
        versions = models.get(name)
        if versions is None:
            raise UnknownModelError(
                f"no model is named {name!r}. Loaded are: {', '.join(sorted(models))}.",
                where="options.model",
            )
        version = max(versions, key=natural_order) if version is None else version
        if version not in versions:
            raise UnknownModelError(
                f"model {name!r} has no version {version!r}. Loaded are: {', '.join(sorted(versions))}.",
                where="options.version",
            )
        return versions[version]

    def find(self, identity: Identity) -> LoadedModel | None:
        """Look a model up by name and version."""
        name, version = identity
        return self._models.get(name, {}).get(version)

    def compile(self, bundle: Bundle) -> LoadedModel:
        """Load a verified bundle; it is neither warmed nor served yet."""
        return LoadedModel(bundle, self.device, self._programs)

    def check_room(self, bundle: Bundle) -> None:
        """Refuse a bundle for which there is no room, going by its files alone.

        Raises:
            MemoryCeilingError: The process would hold more than the operator allows.
        """
        held, needed = resident_bytes(), sum(entry.bytes for entry in bundle.manifest.files.values())
        if self._max_memory_bytes and held + needed > self._max_memory_bytes:
            raise MemoryCeilingError(
                f"the process holds {held / 1e6:.0f} MB and the files of {bundle.manifest.name}/"
                f"{bundle.manifest.version} have {needed / 1e6:.1f} MB; SALISERVE_MAX_MEMORY_BYTES allows "
                f"{self._max_memory_bytes / 1e6:.0f} MB. Raise it, or take another model away."
            )

    def check_memory(self, model: LoadedModel, *, before_bytes: int) -> None:
        """Refuse a model that has turned out too large, now that it is warm.

        Args:
            model: Loaded and warmed.
            before_bytes: What the process held before it was loaded.

        Raises:
            MemoryCeilingError: The process holds more than the operator allows.
        """
        held = resident_bytes()
        if self._max_memory_bytes and held > self._max_memory_bytes:
            raise MemoryCeilingError(
                f"with {model.manifest.name}/{model.manifest.version} the process holds {held / 1e6:.0f} MB, "
                f"{(held - before_bytes) / 1e6:.0f} MB of them since it was loaded; SALISERVE_MAX_MEMORY_BYTES allows "
                f"{self._max_memory_bytes / 1e6:.0f} MB. It was let go of again. Raise the limit, or take another "
                "model away."
            )

    def put(self, model: LoadedModel) -> None:
        """Serve a model from the next request on, in place of the one of the same name and version, if any."""
        name, version = model.manifest.name, model.manifest.version
        self._models = {**self._models, name: {**self._models.get(name, {}), version: model}}
        self.forgive((name, version))

    def drop(self, identity: Identity) -> None:
        """Serve a model no longer.

        Raises:
            BundleError: It is the last version of the default model.
        """
        name, version = identity
        left = {other: model for other, model in self._models[name].items() if other != version}
        if name == self.default and not left:
            raise BundleError(
                f"{name}/{version} is gone from {self.folder}, but it is the last version of the default model: it is "
                "served on, from memory. Put it back, or name another default and restart."
            )
        others = {other: versions for other, versions in self._models.items() if other != name}
        self._models = {**others, name: left} if left else others

    def refuse(self, identity: Identity, error: SaliserveError) -> None:
        """Keep the reason why a bundle is not served; an older state of it may be served on."""
        self.refused = {**self.refused, identity: error}

    def forgive(self, identity: Identity) -> None:
        """Forget such a reason, if there is one."""
        self.refused = {other: error for other, error in self.refused.items() if other != identity}

    def _open(self, path: Path) -> None:
        """Serve a bundle, or refuse it. The ceiling is not for the default model, without which nothing works."""
        identity, before_bytes = identity_of(path), resident_bytes()
        is_bounded = identity[0] != self.default
        try:
            bundle = load_bundle(path)
            if is_bounded:
                self.check_room(bundle)
            model = self.compile(bundle)
            model.warm_up()
            if is_bounded:
                self.check_memory(model, before_bytes=before_bytes)
        except BundleError as error:
            log.exception("bundle refused", extra={"bundle": str(path)})
            self.refuse(identity, error.with_traceback(None))
        except RUNTIME_ERRORS as error:
            log.exception("bundle refused", extra={"bundle": str(path)})
            self.refuse(identity, BundleError(f"ONNX Runtime cannot run {path}: {error!r:.300}"))
        else:
            self.put(model)


def identity_of(path: Path) -> Identity:
    """Read name and version off a bundle's folder.

    Examples:
        >>> identity_of(Path("models/colours/1"))
        ('colours', '1')
    """
    return path.parent.name, path.name


def choose_default(folder: Path, bundles: tuple[Path, ...], default: str | None) -> str:
    """Name the model that answers when none is named.

    Args:
        folder: For the messages.
        bundles: Folders of the bundles.
        default: What the operator says; may be None if all are versions of one model.

    Raises:
        BundleError: There is no bundle, or not that one, or several and nobody says which.

    Examples:
        >>> choose_default(Path("models"), (Path("models/colours/1"), Path("models/colours/2")), None)
        'colours'
    """
    names = sorted({path.parent.name for path in bundles})
    if not names:
        raise BundleError(
            f"no bundle in {folder}: expected <name>/<version>/manifest.json. "
            "Build one with `python -m service.bundle build`, or set SALISERVE_MODELS."
        )
    if default is None and len(names) > 1:
        raise BundleError(
            f"{folder} holds several models ({', '.join(names)}) and no default is named. "
            "Set SALISERVE_DEFAULT_MODEL to one of them."
        )
    name = names[0] if default is None else default
    if name not in names:
        raise BundleError(
            f"the default model {name!r} is not in {folder}; there are: {', '.join(names)}. "
            "Correct SALISERVE_DEFAULT_MODEL."
        )
    return name


def natural_order(version: str) -> list[tuple[bool, int, str]]:
    """Sort key under which ``10`` comes after ``9``.

    Examples:
        >>> sorted(["10", "9", "1.2", "1.10"], key=natural_order)
        ['1.2', '1.10', '9', '10']
    """
    parts = re.findall(r"\d+|\D+", version)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
