"""Follows the folder of bundles while the service runs: new ones are served, bad ones refused, the old serve on.

The folder is looked at again and again, as that works on every file system, in every worker process for itself.
A bundle is judged once it has looked the same twice, so that one which is still being copied is left in peace.
"""

import logging
import threading
from pathlib import Path
from typing import TypeAlias

from service import monitoring
from service.bundle.load import find_bundles, load_bundle
from service.engine import Engine
from service.errors import BundleError, CapacityError, SaliserveError
from service.runtime.resident import resident_bytes
from service.runtime.store import Identity, identity_of

log = logging.getLogger(__name__)

Look: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Name, size, time of change and inode of every file of a bundle; empty where there is none."""


class Reloader:
    """Brings what is served to what lies in the folder.

    Args:
        engine: Whose models change.
        interval_s: Seconds between two looks.
    """

    def __init__(self, engine: Engine, *, interval_s: float) -> None:
        self._engine = engine
        self._models = engine.models
        self._interval_s = interval_s
        self._seen: dict[Path, Look] = {}
        self._judged: dict[Path, Look] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="reloader", daemon=True)

    def start(self) -> None:
        """Follow the folder from now on, on a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Follow it no longer; a bundle that is being loaded is loaded to the end."""
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """Look once, and act on every bundle that has changed and looks the same as the last time.

        Raises:
            ManifestError: The folder itself is gone; everything is served on.
        """
        served = {
            self._models.folder / model.manifest.name / model.manifest.version for model in self._models
        }
        refused = {self._models.folder.joinpath(*identity) for identity in self._models.refused}
        for path in sorted({*find_bundles(self._models.folder), *served, *refused}):
            found = _look_at(path)
            settled = self._seen.get(path) == found
            self._seen[path] = found
            if settled and self._judged.get(path) != found:
                self._judge(path, found)

    def _follow(self) -> None:
        while not self._stopping.wait(self._interval_s):
            try:
                self.look()
            except Exception:  # the outermost loop: whatever it was, the next look may fare better
                log.exception("the folder of bundles cannot be followed")

    def _judge(self, path: Path, found: Look) -> None:
        identity = identity_of(path)
        self._judged[path] = found
        try:
            if path.is_dir():
                self._bring_in(path, identity)
            else:
                self._take_out(identity)
        except CapacityError as error:
            log.warning("bundle not loaded yet: %s", error, extra=_named(identity))
            del self._judged[path]  # it is not the bundle's fault
        except SaliserveError as error:
            self._refuse(identity, error)
        except Exception as error:  # noqa: BLE001 - the outermost loop over bundles, which anybody may put there
            self._refuse(identity, BundleError(f"{path} cannot be loaded: {error!r:.300}"))

    def _bring_in(self, path: Path, identity: Identity) -> None:
        bundle, before_bytes = load_bundle(path), resident_bytes()
        replaced = self._models.find(identity)
        if replaced is not None and replaced.sha256 == bundle.sha256:
            self._forgive(identity)
            return
        self._models.check_room(bundle)
        model = self._models.compile(bundle)
        self._engine.warm_up(model).result()
        self._models.check_memory(model, before_bytes=before_bytes)
        self._forgive(identity)
        self._models.put(model)
        if replaced is not None:
            monitoring.retract_model(replaced)
        monitoring.announce_model(model)
        log.info("bundle served", extra={**_named(identity), "sha256": model.sha256})

    def _take_out(self, identity: Identity) -> None:
        model = self._models.find(identity)
        if model is not None:
            self._models.drop(identity)
            monitoring.retract_model(model)
            log.info("bundle removed", extra=_named(identity))
        self._forgive(identity)
        # There may be room now for those that had none.
        for refused in self._models.refused:
            self._judged.pop(self._models.folder.joinpath(*refused), None)

    def _refuse(self, identity: Identity, error: SaliserveError) -> None:
        self._forgive(identity)
        monitoring.BUNDLE_REFUSED.labels(*identity, error.code).set(1)
        failure = type(error), error, error.__traceback__
        # Without the traceback, whose frames hold the model that was given up.
        self._models.refuse(identity, error.with_traceback(None))
        # Last, as elsewhere: who reads it in the log finds it so.
        log.error(
            "bundle refused: %s", error, extra={**_named(identity), "code": error.code}, exc_info=failure
        )

    def _forgive(self, identity: Identity) -> None:
        refused = self._models.refused.get(identity)
        if refused is not None:
            self._models.forgive(identity)
            monitoring.BUNDLE_REFUSED.labels(*identity, refused.code).set(0)


def _look_at(path: Path) -> Look:
    try:
        files = [(file.name, file.stat()) for file in path.iterdir()]
    except OSError:  # gone, or going
        return ()
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in files))


def _named(identity: Identity) -> dict[str, str]:
    name, version = identity
    return {"bundle": f"{name}/{version}"}
