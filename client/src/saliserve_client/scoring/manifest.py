"""What a run is: its options, its model and its counts, beside the output it made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from saliserve_client._version import __version__
from saliserve_client.errors import RunError
from saliserve_client.files import write_json
from saliserve_client.results import ModelIdentity
from saliserve_client.scoring.rows import SCHEMA_VERSION

FORMAT_VERSION = 1


@dataclass(frozen=True)
class RunManifest:
    """``OUT.manifest.json``.

    Args:
        options: Everything that decides what is computed; two runs with other options do not mix.
        models: Every model whose answers are in the output, as name, version and sha256.
        source: The images as they were named.
        maps: Folder of the maps; empty without.
        overlays: Folder of the overlays; empty without.
        url: The service's address.
        contract: Version of the HTTP contract that the service speaks; empty if it does not say.
        started: UTC, ISO 8601.
        finished: The same; empty while the run is not complete.
        starts: How often the run was started or resumed.
        counts: ``images``, ``scored``, ``failed``, ``duplicates``.
    """

    options: dict[str, Any]
    models: tuple[dict[str, str], ...] = ()
    source: str = ""
    maps: str = ""
    overlays: str = ""
    url: str = ""
    contract: str = ""
    started: str = ""
    finished: str = ""
    starts: int = 1
    counts: dict[str, int] = field(default_factory=dict)
    client_version: str = __version__
    schema_version: int = SCHEMA_VERSION
    format_version: int = FORMAT_VERSION

    def resumed(self, new: RunManifest) -> RunManifest:
        """Continue this run with what is new of the other.

        Raises:
            RunError: The other has other options, or its rows other columns.
        """
        if self.schema_version != new.schema_version:
            raise RunError(
                f"the output's rows are of schema {self.schema_version}, written by saliserve-client "
                f"{self.client_version}; this is {new.client_version}, which writes schema {new.schema_version}, and "
                "one table holds one of them. Go on with that version, or choose another --out."
            )
        differing = sorted(
            name for name in {*self.options, *new.options} if self.options.get(name) != new.options.get(name)
        )
        if differing:
            found = ", ".join(f"{name}={self.options.get(name)!r}" for name in differing)
            asked = ", ".join(f"{name}={new.options.get(name)!r}" for name in differing)
            raise RunError(f"the output was begun with {found}, now {asked}; choose another --out")
        return replace(
            new, models=self.models, started=self.started, starts=self.starts + 1, counts=self.counts
        )

    def with_model(self, model: ModelIdentity, *, mix: bool) -> RunManifest:
        """Admit a model's answers to the output.

        Raises:
            RunError: Another model's answers are already there, and mixing was not asked for.
        """
        known = {"name": model.name, "version": model.version, "sha256": model.sha256}
        if known in self.models:
            return self
        if self.models and not mix:
            first = self.models[0]
            raise RunError(
                f"the output holds answers of {first['name']} {first['version']} ({first['sha256'][:12]}); the "
                f"service now serves {model.name} {model.version} ({model.sha256[:12]}). "
                "Choose another --out, or --mix-models to have both in one."
            )
        return replace(self, models=(*self.models, known))

    def write(self, path: Path) -> None:
        """Write to a file, durably.

        Raises:
            OutputError: It cannot be written.
        """
        write_json(path, asdict(self), durable=True, owner="run")


def read_manifest(path: Path) -> RunManifest | None:
    """Read a manifest; None if there is none.

    Raises:
        RunError: The file is not one, or of another format.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}; choose another --out") from error
    except ValueError as error:
        raise RunError(f"{path}: not a run manifest: {error}; choose another --out") from error
    if not isinstance(values, dict) or values.get("format_version") != FORMAT_VERSION:
        raise RunError(f"{path}: not a run manifest of format {FORMAT_VERSION}; choose another --out")
    try:
        return RunManifest(**{**values, "models": tuple(values["models"])})
    except (KeyError, TypeError) as error:
        raise RunError(f"{path}: not a run manifest of this client: {error}; choose another --out") from error


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
