"""The page's files, read once, compressed once, named by their content."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

FILES = Path(__file__).parent / "files"

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it travels.

    Args:
        content: The file.
        compressed: The same by gzip.
        media_type: By the file's ending.
    """

    content: bytes
    compressed: bytes
    media_type: str

    @classmethod
    def of(cls, content: bytes, name: str) -> "Asset":
        """Compress a file; equal content gives equal bytes.

        Examples:
            >>> gzip.decompress(Asset.of(b"body {}", "page.css").compressed)
            b'body {}'
        """
        return cls(content, gzip.compress(content, mtime=0), MEDIA_TYPES[Path(name).suffix])


@dataclass(frozen=True, slots=True)
class Page:
    """All files of the page.

    Args:
        version: A digest of all of them, part of their addresses: they may be kept for ever.
        index: The page itself.
        assets: What it refers to, by name.
    """

    version: str
    index: Asset
    assets: dict[str, Asset]


def read_page(*, docs: bool) -> Page:
    """Read the files.

    Args:
        docs: Whether there is a ``/docs`` to point to.
    """
    contents = {path.name: path.read_bytes() for path in sorted(FILES.iterdir())}
    version = _digest(contents)
    template = contents.pop("index.html").decode()
    html = (
        template.replace("<!-- modules -->", _preloads(sorted(contents)))
        .replace("<!-- docs -->", '<nav><a href="docs">API</a></nav>' if docs else "")
        .replace("VERSION", version)
    )
    return Page(
        version=version,
        index=Asset.of(html.encode(), "index.html"),
        assets={name: Asset.of(content, name) for name, content in contents.items()},
    )


def _digest(contents: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _preloads(names: list[str]) -> str:
    """Name all modules at once; else the browser finds them one import after the other."""
    links = [
        f'<link rel="modulepreload" href="page/VERSION/{name}">' for name in names if name.endswith(".js")
    ]
    return "\n  ".join(links)
