"""Read bundles from disk: verify everything, run nothing."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from service.bundle.audit import SIGNATURES, audit_graph
from service.bundle.digest import check_digests, read_verified
from service.bundle.manifest import (
    CLASSIFY,
    FEATURES,
    GRADIENT,
    MANIFEST,
    Manifest,
    parse_manifest,
    read_bytes,
)
from service.errors import ManifestError


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified model on disk.

    Args:
        manifest: What it says about itself.
        folder: Where its files are.
        sha256: SHA-256 of ``manifest.json``, in hexadecimal. The manifest holds the digest of every other file
            that is read, so this one value names the model exactly.
    """

    manifest: Manifest
    folder: Path
    sha256: str

    @property
    def classify(self) -> Path:
        """The classifier: image to logits."""
        return self.folder / CLASSIFY

    @property
    def gradient(self) -> Path | None:
        """The gradient with respect to the image; None if the model cannot be differentiated."""
        return self._if_listed(GRADIENT)

    @property
    def features(self) -> Path | None:
        """The gradient with respect to the feature layer; None if there is none."""
        return self._if_listed(FEATURES)

    def read(self, name: str) -> bytes:
        """Read a file that the manifest lists, and check what was read.

        Raises:
            DigestError: It has changed since the bundle was verified.
        """
        return read_verified(self.folder, name, self.manifest.files[name])

    def _if_listed(self, name: str) -> Path | None:
        return self.folder / name if name in self.manifest.files else None


def load_bundle(folder: Path) -> Bundle:
    """Read and verify a bundle.

    Nothing is unpickled, imported or executed. Only files that the manifest lists are opened; graphs may use
    standard operators only and refer to no other file.

    Args:
        folder: ``<name>/<version>``, as the manifest inside says.

    Returns:
        The bundle.

    Raises:
        ManifestError: The manifest is missing, malformed, of another format version, or of another model than
            the folder's name says.
        DigestError: A file is missing or differs from its recorded digest.
        BundleError: A graph holds what no graph of a bundle may hold.
    """
    path = folder / MANIFEST
    content = read_bytes(path)
    manifest = parse_manifest(content, where=str(path))
    _check_place(folder.resolve(), manifest)
    check_digests(folder, manifest.files)
    for name in SIGNATURES:
        if name in manifest.files:
            audit_graph(folder / name, manifest)
    return Bundle(manifest, folder, hashlib.sha256(content).hexdigest())


def find_bundles(folder: Path) -> tuple[Path, ...]:
    """List the bundles ``<folder>/<name>/<version>``, in the order of their names; none of them is read.

    Raises:
        ManifestError: There is no such folder.
    """
    if not folder.is_dir():
        raise ManifestError(
            f"there is no folder {folder}; expected one that holds <name>/<version>/{MANIFEST}",
            where=str(folder),
        )
    return tuple(sorted(path.parent for path in folder.glob(f"[!.]*/[!.]*/{MANIFEST}")))


def _check_place(folder: Path, manifest: Manifest) -> None:
    """A copy under another name would be served as the original: two models of one name."""
    found = f"{folder.parent.name}/{folder.name}"
    if found != f"{manifest.name}/{manifest.version}":
        raise ManifestError(
            f"{folder} holds {manifest.name}/{manifest.version}; move it to a folder of that name, or rebuild it "
            "with the name it should have",
            where=str(folder),
        )
