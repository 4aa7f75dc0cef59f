"""Change what a bundle says about itself, in one step, and its card with it."""

import json
from pathlib import Path

from service.bundle.card import card_of
from service.bundle.certificate import digest_of
from service.bundle.manifest import CARD, MANIFEST, Manifest, read_bytes


def rewrite(folder: Path, manifest: Manifest) -> None:
    """Put a new manifest and card in the place of the old ones; a reader meets the one or the other, whole.

    The manifest's digest names the model, so a service that runs keeps the old name until it is started again.

    Args:
        folder: The bundle.
        manifest: Its new manifest.
    """
    # The card says what the manifest says; should the second step not happen, `verify` tells.
    for name, text in ((MANIFEST, manifest.to_json()), (CARD, card_of(manifest))):
        scratch = folder / f".{name}.new"
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(folder / name)


def drop_stale_certificates(folder: Path) -> tuple[str, ...]:
    """Take the certificates of other weights or graphs out of a manifest, which no reader would accept.

    Args:
        folder: The bundle.

    Returns:
        The methods whose certificates were dropped.

    Raises:
        ManifestError: There is no manifest.
    """
    path = folder / MANIFEST
    try:
        fields = json.loads(read_bytes(path))
        digest = digest_of({name: entry["sha256"] for name, entry in fields["files"].items()})
        kept = {
            method: one for method, one in fields["certificates"].items() if one["files_sha256"] == digest
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()  # whoever reads the manifest next says what is wrong with it
    stale = tuple(sorted(set(fields["certificates"]) - set(kept)))
    if stale:
        scratch = folder / f".{MANIFEST}.new"
        scratch.write_text(json.dumps(fields | {"certificates": kept}, indent=2) + "\n", encoding="utf-8")
        scratch.replace(path)
    return stale
