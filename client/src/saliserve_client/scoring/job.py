"""What a scoring run is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saliserve_client import operations
from saliserve_client.errors import RunError
from saliserve_client.exchange import Exchange
from saliserve_client.results import Explanation, Prediction
from saliserve_client.scoring.journal import Durability
from saliserve_client.scoring.sources import Images

OUTPUTS = (".jsonl", ".parquet")

DEADLINE_MS = 100_000.0
"""Unless the options say otherwise: what a deadline cuts short is no function of the image any more.

Less than the 120 s that a service allows by default, and than the client's own patience with an answer.
"""


@dataclass(frozen=True)
class Job:
    """A scoring run.

    Args:
        source: The images.
        out: The table, ``.jsonl`` or ``.parquet``.
        options: Options of :func:`~saliserve_client.operations.explain`, or of
            :func:`~saliserve_client.operations.predict` if not *explain*.
        explain: Explain each image; otherwise only predict.
        maps: Folder for the maps; none are written without it.
        overlays: Folder for the overlays; none are made without it.
        concurrency: Most requests in flight.
        dedupe: Score images of the same content once and give all of them that answer.
        durability: When the journal is forced to the disk.
        retry_failed: Try the images again that failed in an earlier start of this run.
        mix_models: Allow answers of several models in one output.
        patience_s: Stop when the service has given no answer for that long.
        strikes: An image whose request has broken the connection or timed out this often has failed.
        breaker: Stop when this many images in a row failed for a reason that is not the image, or cannot be read.

    Raises:
        RunError: *out* has another ending.
    """

    source: Images
    out: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    explain: bool = True
    maps: Path | None = None
    overlays: Path | None = None
    concurrency: int = 8
    dedupe: bool = False
    durability: Durability = Durability.SECOND
    retry_failed: bool = False
    mix_models: bool = False
    patience_s: float = 600.0
    strikes: int = 5
    breaker: int = 20

    def __post_init__(self) -> None:
        """Check what cannot be checked later without work being lost."""
        if self.out.suffix not in OUTPUTS:
            raise RunError(f"{self.out}: the output is a table; let its name end in {' or '.join(OUTPUTS)}")

    def exchange(self, data: bytes) -> Exchange[Any]:
        """Make the request for one image; its answer is a prediction or an explanation of one."""
        if not self.explain:
            return operations.predict(data, **self.options)
        # As PNG, a million overlays would be 370 GB, and drawing them most of the work around a Grad-CAM map.
        options = {"deadline_ms": self.deadline_ms, "overlay_encoding": "jpeg", **self.options}
        return operations.explain(data, overlay=self.overlays is not None, **options)

    @property
    def deadline_ms(self) -> float:
        """Milliseconds that the service is given for one image."""
        return float(self.options.get("deadline_ms") or DEADLINE_MS)

    def is_cut_short(self, answer: Prediction | Explanation) -> bool:
        """Tell whether the deadline ended the explanation or its receipt early."""
        if not isinstance(answer, Explanation) or sum(answer.timings_ms.values()) < 0.9 * self.deadline_ms:
            return False
        return not answer.converged or (answer.receipt is not None and not answer.receipt.complete)

    def deciding(self) -> dict[str, Any]:
        """Everything that decides what the rows hold, for the manifest."""
        return {
            **{name: value for name, value in sorted(self.options.items()) if value is not None},
            "operation": "explain" if self.explain else "predict",
            "maps": self.maps is not None,
            "overlays": self.overlays is not None,
            "dedupe": self.dedupe,
        }
